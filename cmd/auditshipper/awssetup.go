package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/smithy-go"

	"github.com/auditshipper/auditshipper/internal/config"
)

// logsAdmin are the calls of CloudWatch Logs that `aws setup` makes.
type logsAdmin interface {
	CreateLogGroup(context.Context, *cloudwatchlogs.CreateLogGroupInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.CreateLogGroupOutput, error)
	DescribeLogGroups(context.Context, *cloudwatchlogs.DescribeLogGroupsInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.DescribeLogGroupsOutput, error)
	PutRetentionPolicy(context.Context, *cloudwatchlogs.PutRetentionPolicyInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.PutRetentionPolicyOutput, error)
	AssociateKmsKey(context.Context, *cloudwatchlogs.AssociateKmsKeyInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.AssociateKmsKeyOutput, error)
	ListTagsForResource(context.Context, *cloudwatchlogs.ListTagsForResourceInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.ListTagsForResourceOutput, error)
	TagResource(context.Context, *cloudwatchlogs.TagResourceInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.TagResourceOutput, error)
	DescribeIndexPolicies(context.Context, *cloudwatchlogs.DescribeIndexPoliciesInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.DescribeIndexPoliciesOutput, error)
	PutIndexPolicy(context.Context, *cloudwatchlogs.PutIndexPolicyInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.PutIndexPolicyOutput, error)
	DescribeMetricFilters(context.Context, *cloudwatchlogs.DescribeMetricFiltersInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.DescribeMetricFiltersOutput, error)
	PutMetricFilter(context.Context, *cloudwatchlogs.PutMetricFilterInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.PutMetricFilterOutput, error)
	DescribeQueryDefinitions(context.Context, *cloudwatchlogs.DescribeQueryDefinitionsInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.DescribeQueryDefinitionsOutput, error)
	PutQueryDefinition(context.Context, *cloudwatchlogs.PutQueryDefinitionInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.PutQueryDefinitionOutput, error)
}

// A setupStep is one change, and how it reads in a plan.
type setupStep struct {
	what string
	do   func(context.Context) error
}

// A setup compares what CloudWatch Logs has with what the configuration wants,
// and collects the steps between them. It reads only; the steps write.
type setup struct {
	api   logsAdmin
	want  config.CloudWatch
	steps []setupStep
}

// planSetup returns the steps that are missing, none if all is as wanted.
func planSetup(ctx context.Context, api logsAdmin, want config.CloudWatch) ([]setupStep, error) {
	s := &setup{api: api, want: want}
	group, err := s.group(ctx)
	if err != nil {
		return nil, err
	}
	parts := []func(context.Context, *types.LogGroup) error{s.retention, s.key, s.tags, s.queries}
	if want.LogClass != string(types.LogGroupClassInfrequentAccess) {
		parts = append(parts, s.filters, s.index) // that class has neither
	}
	for _, part := range parts {
		if err := part(ctx, group); err != nil {
			return nil, err
		}
	}
	return s.steps, nil
}

func (s *setup) step(do func(context.Context) error, what string, args ...any) {
	s.steps = append(s.steps, setupStep{fmt.Sprintf(what, args...), do})
}

// group finds the log group; nil if it must be made.
func (s *setup) group(ctx context.Context) (*types.LogGroup, error) {
	out, err := s.api.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &s.want.Group})
	if err != nil {
		return nil, fmt.Errorf("look for log group %s: %w", s.want.Group, err)
	}
	for _, g := range out.LogGroups { // sorted, so the name itself comes first
		if aws.ToString(g.LogGroupName) != s.want.Group {
			continue
		}
		if s.want.LogClass != "" && string(g.LogGroupClass) != s.want.LogClass {
			return nil, fmt.Errorf("log group %s has class %s, which cannot be changed to %s", s.want.Group, g.LogGroupClass, s.want.LogClass)
		}
		return &g, nil
	}
	in := &cloudwatchlogs.CreateLogGroupInput{
		LogGroupName: &s.want.Group, LogGroupClass: types.LogGroupClass(s.want.LogClass), Tags: s.want.Tags,
	}
	if s.want.KMSKeyID != "" {
		in.KmsKeyId = &s.want.KMSKeyID
	}
	s.step(func(ctx context.Context) error {
		_, err := s.api.CreateLogGroup(ctx, in)
		var there *types.ResourceAlreadyExistsException
		if errors.As(err, &there) { // made by another meanwhile
			return nil
		}
		return err
	}, "create log group %s", s.want.Group)
	return nil, nil
}

func (s *setup) retention(_ context.Context, g *types.LogGroup) error {
	days, have := int32(s.want.RetentionDays), int32(0)
	if g != nil {
		have = aws.ToInt32(g.RetentionInDays)
	}
	if days == 0 || days == have { // 0 is nobody's wish to make it shorter or longer
		return nil
	}
	s.step(func(ctx context.Context) error {
		_, err := s.api.PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: &s.want.Group, RetentionInDays: &days})
		return err
	}, "keep events for %d days, not %s", days, orEver(have))
	return nil
}

func orEver(days int32) string {
	if days == 0 {
		return "for ever"
	}
	return fmt.Sprint(days)
}

func (s *setup) key(_ context.Context, g *types.LogGroup) error {
	if g == nil || s.want.KMSKeyID == "" || aws.ToString(g.KmsKeyId) == s.want.KMSKeyID {
		return nil
	}
	s.step(func(ctx context.Context) error {
		_, err := s.api.AssociateKmsKey(ctx, &cloudwatchlogs.AssociateKmsKeyInput{LogGroupName: &s.want.Group, KmsKeyId: &s.want.KMSKeyID})
		return err
	}, "encrypt new events with %s", s.want.KMSKeyID)
	return nil
}

func (s *setup) tags(ctx context.Context, g *types.LogGroup) error {
	if g == nil || len(s.want.Tags) == 0 {
		return nil
	}
	arn := strings.TrimSuffix(aws.ToString(g.Arn), ":*")
	out, err := s.api.ListTagsForResource(ctx, &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: &arn})
	if err != nil {
		return fmt.Errorf("list tags of %s: %w", s.want.Group, err)
	}
	missing := map[string]string{}
	for k, v := range s.want.Tags {
		if have, ok := out.Tags[k]; !ok || have != v {
			missing[k] = v
		}
	}
	if len(missing) > 0 {
		s.step(func(ctx context.Context) error {
			_, err := s.api.TagResource(ctx, &cloudwatchlogs.TagResourceInput{ResourceArn: &arn, Tags: missing})
			return err
		}, "set %d tags", len(missing))
	}
	return nil
}

// indexed are the fields people ask by; an index makes Insights skip the rest.
var indexed = []string{"action", "auid_name", "host", "key", "path"}

func (s *setup) index(ctx context.Context, g *types.LogGroup) error {
	if g != nil {
		out, err := s.api.DescribeIndexPolicies(ctx, &cloudwatchlogs.DescribeIndexPoliciesInput{LogGroupIdentifiers: []string{s.want.Group}})
		var unknown smithy.APIError
		if errors.As(err, &unknown) && unknown.ErrorCode() == "UnknownOperationException" {
			return nil // a stand-in for the service, which has no indexes to mend
		}
		if err != nil {
			return fmt.Errorf("read index policy of %s: %w", s.want.Group, err)
		}
		for _, p := range out.IndexPolicies {
			if p.Source != types.IndexSourceAccount && indexes(aws.ToString(p.PolicyDocument), indexed) {
				return nil
			}
		}
	}
	text, err := json.Marshal(map[string][]string{"Fields": indexed})
	if err != nil {
		return err
	}
	s.step(func(ctx context.Context) error {
		_, err := s.api.PutIndexPolicy(ctx, &cloudwatchlogs.PutIndexPolicyInput{LogGroupIdentifier: &s.want.Group, PolicyDocument: aws.String(string(text))})
		return err
	}, "index the fields %s", strings.Join(indexed, ", "))
	return nil
}

// indexes reports whether an index policy has all the fields; more are left be.
func indexes(document string, fields []string) bool {
	var p struct{ Fields []string }
	if json.Unmarshal([]byte(document), &p) != nil {
		return false
	}
	for _, f := range fields {
		if !slices.Contains(p.Fields, f) {
			return false
		}
	}
	return true
}

func (s *setup) filters(ctx context.Context, g *types.LogGroup) error {
	have := map[string]types.MetricFilter{}
	if g != nil {
		out, err := s.api.DescribeMetricFilters(ctx, &cloudwatchlogs.DescribeMetricFiltersInput{
			LogGroupName: &s.want.Group, FilterNamePrefix: aws.String("auditshipper-"),
		})
		if err != nil {
			return fmt.Errorf("read metric filters of %s: %w", s.want.Group, err)
		}
		for _, f := range out.MetricFilters {
			have[aws.ToString(f.FilterName)] = f
		}
	}
	for _, f := range metricFilters {
		if f.same(have[f.Name]) {
			continue
		}
		s.step(func(ctx context.Context) error {
			_, err := s.api.PutMetricFilter(ctx, f.input(s.want.Group))
			return err
		}, "count %s as metric %s of %s", f.Pattern, f.Metric, metricNamespace)
	}
	return nil
}

func (f metricFilter) input(group string) *cloudwatchlogs.PutMetricFilterInput {
	return &cloudwatchlogs.PutMetricFilterInput{
		LogGroupName: &group, FilterName: &f.Name, FilterPattern: &f.Pattern,
		MetricTransformations: []types.MetricTransformation{{
			MetricNamespace: aws.String(metricNamespace), MetricName: &f.Metric,
			MetricValue: aws.String("1"), DefaultValue: aws.Float64(0),
		}},
	}
}

func (f metricFilter) same(have types.MetricFilter) bool {
	if aws.ToString(have.FilterPattern) != f.Pattern || len(have.MetricTransformations) != 1 {
		return false
	}
	m := have.MetricTransformations[0]
	return aws.ToString(m.MetricNamespace) == metricNamespace && aws.ToString(m.MetricName) == f.Metric && aws.ToString(m.MetricValue) == "1"
}

// queries saves the queries, over this group and those they have already: one
// query of a name serves every group of the account.
func (s *setup) queries(ctx context.Context, _ *types.LogGroup) error {
	have := map[string]types.QueryDefinition{}
	in := &cloudwatchlogs.DescribeQueryDefinitionsInput{QueryDefinitionNamePrefix: aws.String("auditshipper/")}
	for {
		out, err := s.api.DescribeQueryDefinitions(ctx, in)
		if err != nil {
			return fmt.Errorf("read saved queries: %w", err)
		}
		for _, q := range out.QueryDefinitions {
			have[aws.ToString(q.Name)] = q
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	for _, q := range savedQueries {
		old := have[q.Name]
		if aws.ToString(old.QueryString) == q.Text && slices.Contains(old.LogGroupNames, s.want.Group) {
			continue
		}
		in := &cloudwatchlogs.PutQueryDefinitionInput{
			Name: &q.Name, QueryString: &q.Text, QueryDefinitionId: old.QueryDefinitionId, LogGroupNames: old.LogGroupNames,
		}
		if !slices.Contains(in.LogGroupNames, s.want.Group) {
			in.LogGroupNames = append(slices.Clone(in.LogGroupNames), s.want.Group)
		}
		s.step(func(ctx context.Context) error {
			_, err := s.api.PutQueryDefinition(ctx, in)
			return err
		}, "save query %q", q.Name)
	}
	return nil
}
