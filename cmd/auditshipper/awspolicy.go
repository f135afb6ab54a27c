package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/auditshipper/auditshipper/internal/config"
)

// awsNames are the names that a policy is about. Region and Account may be *
// where IAM allows a pattern.
type awsNames struct {
	Region  string
	Account string
	Group   string

	// What the writer does besides writing, from the configuration.
	CreateGroup, Retain, Tag bool
}

// namesOf takes from the configuration what it knows.
func namesOf(c config.CloudWatch) awsNames {
	n := awsNames{Region: c.Region, Account: "*", Group: c.Group, CreateGroup: c.CreateGroup}
	if n.Region == "" {
		n.Region = "*"
	}
	n.Retain = c.CreateGroup && c.RetentionDays > 0
	n.Tag = c.CreateGroup && len(c.Tags) > 0
	return n
}

var (
	accountForm = regexp.MustCompile(`^([0-9]{12}|\*)$`)
	regionForm  = regexp.MustCompile(`^([a-z]{2,3}(-[a-z]+)+-[0-9]+|\*)$`)
	groupForm   = regexp.MustCompile(`^[-._/#A-Za-z0-9]+$`) // and at most 512: CreateLogGroup's API reference
)

func (n awsNames) check() error {
	switch {
	case !accountForm.MatchString(n.Account):
		return fmt.Errorf("account %q is not 12 digits", n.Account)
	case !regionForm.MatchString(n.Region):
		return fmt.Errorf("region %q is not one such as eu-west-1", n.Region)
	case len(n.Group) > 512 || !groupForm.MatchString(n.Group):
		return fmt.Errorf("log group %q has a character that CloudWatch Logs refuses, or is too long", n.Group)
	}
	return nil
}

// partition is the set of regions that share one IAM.
func (n awsNames) partition() string {
	switch {
	case strings.HasPrefix(n.Region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(n.Region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

func (n awsNames) groupARN() string {
	return fmt.Sprintf("arn:%s:logs:%s:%s:log-group:%s", n.partition(), n.Region, n.Account, n.Group)
}

// A policy is an IAM or key policy document.
type policy struct {
	Version   string
	Statement []statement
}

type statement struct {
	Sid       string
	Effect    string
	Principal map[string]string `json:",omitempty"`
	Action    []string
	Resource  []string
	Condition map[string]map[string]string `json:",omitempty"`
}

func allow(sid string, resources []string, actions ...string) statement {
	return statement{Sid: sid, Effect: "Allow", Action: actions, Resource: resources}
}

func document(statements ...statement) policy {
	return policy{Version: "2012-10-17", Statement: statements}
}

// policies are the documents that `aws policy` prints.
var policies = map[string]func(awsNames) (policy, error){
	"writer":   writerPolicy,
	"reader":   readerPolicy,
	"boundary": boundaryPolicy,
	"kms":      keyPolicy,
}

// writerPolicy is what the daemon needs, and nothing more: with create_group
// off, two actions.
func writerPolicy(n awsNames) (policy, error) {
	group := []string{n.groupARN()}
	statements := []statement{
		allow("WriteEvents", []string{n.groupARN() + ":log-stream:*"}, "logs:PutLogEvents"),
		allow("CreateStream", append(slices.Clone(group), n.groupARN()+":log-stream:*"), "logs:CreateLogStream"),
	}
	if actions := n.groupActions(); len(actions) > 0 {
		statements = append(statements, allow("CreateGroup", append(slices.Clone(group), n.groupARN()+":*"), actions...))
	}
	return document(statements...), nil
}

// groupActions are those by which the daemon makes its group as configured.
func (n awsNames) groupActions() []string {
	var actions []string
	for _, a := range []struct {
		wanted bool
		name   string
	}{
		{n.CreateGroup, "logs:CreateLogGroup"},
		{n.Retain, "logs:PutRetentionPolicy"},
		{n.Tag, "logs:TagResource"},
	} {
		if a.wanted {
			actions = append(actions, a.name)
		}
	}
	return actions
}

// readerPolicy is for people: search, report and tail, and Logs Insights.
func readerPolicy(n awsNames) (policy, error) {
	group := []string{n.groupARN(), n.groupARN() + ":*"}
	return document(
		allow("ReadEvents", group,
			"logs:DescribeLogStreams", "logs:FilterLogEvents", "logs:GetLogEvents", "logs:StartLiveTail", "logs:StartQuery"),
		// These name a query and not a group, or list groups.
		allow("ReadQueries", []string{"*"},
			"logs:DescribeLogGroups", "logs:DescribeQueryDefinitions", "logs:GetQueryResults", "logs:StopQuery"),
	), nil
}

// boundaryPolicy is the most that a writer's role may ever do, whatever is
// attached to it later. The denials hold even against a policy on the group.
func boundaryPolicy(n awsNames) (policy, error) {
	n.CreateGroup, n.Retain, n.Tag = true, true, true
	p, err := writerPolicy(n)
	if err != nil {
		return policy{}, err
	}
	return document(append(p.Statement, statement{
		Sid: "NeverDestroy", Effect: "Deny",
		Action: []string{
			"logs:DeleteLogGroup", "logs:DeleteLogStream", "logs:DeleteRetentionPolicy",
			"logs:DeleteMetricFilter", "logs:DeleteSubscriptionFilter", "logs:DisassociateKmsKey",
		},
		Resource: []string{"*"},
	})...), nil
}

// keyPolicy lets the account's administrators manage the key, and CloudWatch
// Logs use it for this one group.
func keyPolicy(n awsNames) (policy, error) {
	if n.Account == "*" || n.Region == "*" {
		return policy{}, fmt.Errorf("a key policy needs the account and the region: --account 111122223333 --region eu-west-1")
	}
	admin := allow("Administer", []string{"*"}, "kms:*")
	admin.Principal = map[string]string{"AWS": fmt.Sprintf("arn:%s:iam::%s:root", n.partition(), n.Account)}
	use := allow("EncryptGroup", []string{"*"},
		"kms:Decrypt", "kms:Describe*", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*")
	use.Principal = map[string]string{"Service": "logs." + n.Region + "." + serviceDomain(n.partition())}
	use.Condition = map[string]map[string]string{
		"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": n.groupARN()},
	}
	return document(admin, use), nil
}

func serviceDomain(partition string) string {
	if partition == "aws-cn" {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}

// String is the document as people paste it.
func (p policy) String() string {
	text, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		panic(err) // strings and maps of strings
	}
	return string(text)
}
