package main

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/auditshipper/auditshipper/internal/config"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func exampleNames() awsNames {
	n := namesOf(config.Default().CloudWatch)
	n.Account, n.Region = "111122223333", "eu-west-1"
	return n
}

// TestPolicyGolden holds every document to the byte: people paste them.
func TestPolicyGolden(t *testing.T) {
	for kind, write := range policies {
		p, err := write(exampleNames())
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		golden := filepath.Join("testdata", "policy", kind+".json")
		got := p.String() + "\n"
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s:\n%s\nwant\n%s", kind, got, want)
		}
	}
}

// actions returns what p allows.
func actions(p policy) []string {
	var all []string
	for _, s := range p.Statement {
		if s.Effect == "Allow" {
			all = append(all, s.Action...)
		}
	}
	slices.Sort(all)
	return all
}

func TestWriterIsWhatIsConfigured(t *testing.T) {
	least := []string{"logs:CreateLogStream", "logs:PutLogEvents"}
	for _, tt := range []struct {
		name string
		set  func(*config.CloudWatch)
		more []string
	}{
		{"group made beforehand", func(c *config.CloudWatch) { c.CreateGroup, c.RetentionDays = false, 30 }, nil},
		{"group made by the daemon", func(*config.CloudWatch) {}, []string{"logs:CreateLogGroup"}},
		{"retention", func(c *config.CloudWatch) { c.RetentionDays = 30 }, []string{"logs:CreateLogGroup", "logs:PutRetentionPolicy"}},
		{"tags", func(c *config.CloudWatch) { c.Tags = map[string]string{"a": "b"} }, []string{"logs:CreateLogGroup", "logs:TagResource"}},
		{"a key, which CreateLogGroup takes", func(c *config.CloudWatch) { c.KMSKeyID = "arn" }, []string{"logs:CreateLogGroup"}},
	} {
		c := config.Default().CloudWatch
		tt.set(&c)
		p, err := writerPolicy(namesOf(c))
		if err != nil {
			t.Fatal(err)
		}
		want := slices.Sorted(slices.Values(slices.Concat(least, tt.more)))
		if got := actions(p); !slices.Equal(got, want) {
			t.Errorf("%s: allows %q, want %q", tt.name, got, want)
		}
	}
}

// TestBoundaryHoldsWriter: a boundary that forbade what the writer needs would
// stop delivery, one that allowed more would be none.
func TestBoundaryHoldsWriter(t *testing.T) {
	c := config.Default().CloudWatch
	c.RetentionDays, c.Tags, c.KMSKeyID = 30, map[string]string{"a": "b"}, "arn"
	w, err := writerPolicy(namesOf(c))
	if err != nil {
		t.Fatal(err)
	}
	b, err := boundaryPolicy(namesOf(c))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(actions(w), actions(b)) {
		t.Errorf("the boundary allows %q, the fullest writer needs %q", actions(b), actions(w))
	}
	for _, s := range b.Statement {
		for _, a := range s.Action {
			if s.Effect == "Deny" && slices.Contains(actions(w), a) {
				t.Errorf("the boundary denies %s, which the writer needs", a)
			}
		}
	}
}

// TestActionsExist: a misspelt action is no error to IAM, it just never allows.
func TestActionsExist(t *testing.T) {
	client := reflect.TypeFor[*cloudwatchlogs.Client]()
	for kind, write := range policies {
		p, err := write(exampleNames())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range p.Statement {
			for _, a := range s.Action {
				name, ok := strings.CutPrefix(a, "logs:")
				if _, known := client.MethodByName(name); ok && !known {
					t.Errorf("%s: %s is no call of CloudWatch Logs", kind, a)
				}
			}
		}
	}
}

func TestPolicyNames(t *testing.T) {
	for _, tt := range []struct {
		name  string
		names awsNames
		ok    bool
	}{
		{"patterns", awsNames{Region: "*", Account: "*", Group: "/auditshipper"}, true},
		{"full", exampleNames(), true},
		{"an isolated region", awsNames{Region: "us-iso-east-1", Account: "*", Group: "g"}, true},
		{"account too short", awsNames{Region: "*", Account: "11112222333", Group: "g"}, false},
		{"an ARN's colon in the group", awsNames{Region: "*", Account: "*", Group: "a:b"}, false},
		{"a wildcard in the group", awsNames{Region: "*", Account: "*", Group: "*"}, false},
		{"no group", awsNames{Region: "*", Account: "*"}, false},
		{"a zone for a region", awsNames{Region: "eu-west-1a", Account: "*", Group: "g"}, false},
	} {
		if err := tt.names.check(); (err == nil) != tt.ok {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
	if _, err := keyPolicy(namesOf(config.Default().CloudWatch)); err == nil {
		t.Error("a key policy without account and region: got no error")
	}
}

func TestPartition(t *testing.T) {
	n := exampleNames()
	n.Region = "cn-north-1"
	p, err := keyPolicy(n)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"logs.cn-north-1.amazonaws.com.cn", "arn:aws-cn:iam::111122223333:root", "arn:aws-cn:logs:cn-north-1:"} {
		if !strings.Contains(p.String(), want) {
			t.Errorf("no %s in\n%s", want, p)
		}
	}
}
