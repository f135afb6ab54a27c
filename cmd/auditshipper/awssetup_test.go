package main

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/auditshipper/auditshipper/internal/config"
)

// fakeLogs is CloudWatch Logs as far as one group's set-up goes. Like the
// service it refuses what is asked of a group that does not exist.
type fakeLogs struct {
	group   *types.LogGroup
	tagged  map[string]string
	index   string
	filters map[string]types.MetricFilter
	queries map[string]types.QueryDefinition
	writes  int
}

type (
	call    = context.Context
	options = func(*cloudwatchlogs.Options)
)

func (f *fakeLogs) missing() error {
	if f.group == nil {
		return &types.ResourceNotFoundException{Message: aws.String("The specified log group does not exist.")}
	}
	return nil
}

func (f *fakeLogs) write() error {
	f.writes++
	return f.missing()
}

func (f *fakeLogs) CreateLogGroup(_ call, in *cloudwatchlogs.CreateLogGroupInput, _ ...options) (*cloudwatchlogs.CreateLogGroupOutput, error) {
	f.writes++
	if f.group != nil {
		return nil, &types.ResourceAlreadyExistsException{}
	}
	arn := "arn:aws:logs:eu-west-1:111122223333:log-group:" + *in.LogGroupName + ":*"
	f.group = &types.LogGroup{LogGroupName: in.LogGroupName, KmsKeyId: in.KmsKeyId, LogGroupClass: in.LogGroupClass, Arn: &arn}
	f.tagged = maps.Clone(in.Tags)
	return &cloudwatchlogs.CreateLogGroupOutput{}, nil
}

func (f *fakeLogs) DescribeLogGroups(_ call, in *cloudwatchlogs.DescribeLogGroupsInput, _ ...options) (*cloudwatchlogs.DescribeLogGroupsOutput, error) {
	longer := *in.LogGroupNamePrefix + "-of-another"
	out := &cloudwatchlogs.DescribeLogGroupsOutput{LogGroups: []types.LogGroup{{LogGroupName: &longer}}}
	if f.group != nil {
		out.LogGroups = append([]types.LogGroup{*f.group}, out.LogGroups...)
	}
	return out, nil
}

func (f *fakeLogs) PutRetentionPolicy(_ call, in *cloudwatchlogs.PutRetentionPolicyInput, _ ...options) (*cloudwatchlogs.PutRetentionPolicyOutput, error) {
	if err := f.write(); err != nil {
		return nil, err
	}
	f.group.RetentionInDays = in.RetentionInDays
	return &cloudwatchlogs.PutRetentionPolicyOutput{}, nil
}

func (f *fakeLogs) AssociateKmsKey(_ call, in *cloudwatchlogs.AssociateKmsKeyInput, _ ...options) (*cloudwatchlogs.AssociateKmsKeyOutput, error) {
	if err := f.write(); err != nil {
		return nil, err
	}
	f.group.KmsKeyId = in.KmsKeyId
	return &cloudwatchlogs.AssociateKmsKeyOutput{}, nil
}

func (f *fakeLogs) ListTagsForResource(call, *cloudwatchlogs.ListTagsForResourceInput, ...options) (*cloudwatchlogs.ListTagsForResourceOutput, error) {
	return &cloudwatchlogs.ListTagsForResourceOutput{Tags: f.tagged}, f.missing()
}

func (f *fakeLogs) TagResource(_ call, in *cloudwatchlogs.TagResourceInput, _ ...options) (*cloudwatchlogs.TagResourceOutput, error) {
	if err := f.write(); err != nil {
		return nil, err
	}
	if f.tagged == nil {
		f.tagged = map[string]string{}
	}
	maps.Copy(f.tagged, in.Tags)
	return &cloudwatchlogs.TagResourceOutput{}, nil
}

func (f *fakeLogs) DescribeIndexPolicies(call, *cloudwatchlogs.DescribeIndexPoliciesInput, ...options) (*cloudwatchlogs.DescribeIndexPoliciesOutput, error) {
	out := &cloudwatchlogs.DescribeIndexPoliciesOutput{}
	if f.index != "" {
		out.IndexPolicies = []types.IndexPolicy{{PolicyDocument: &f.index}}
	}
	return out, f.missing()
}

func (f *fakeLogs) PutIndexPolicy(_ call, in *cloudwatchlogs.PutIndexPolicyInput, _ ...options) (*cloudwatchlogs.PutIndexPolicyOutput, error) {
	f.index = *in.PolicyDocument
	return &cloudwatchlogs.PutIndexPolicyOutput{}, f.write()
}

func (f *fakeLogs) DescribeMetricFilters(call, *cloudwatchlogs.DescribeMetricFiltersInput, ...options) (*cloudwatchlogs.DescribeMetricFiltersOutput, error) {
	return &cloudwatchlogs.DescribeMetricFiltersOutput{MetricFilters: slices.Collect(maps.Values(f.filters))}, f.missing()
}

func (f *fakeLogs) PutMetricFilter(_ call, in *cloudwatchlogs.PutMetricFilterInput, _ ...options) (*cloudwatchlogs.PutMetricFilterOutput, error) {
	f.filters[*in.FilterName] = types.MetricFilter{FilterName: in.FilterName, FilterPattern: in.FilterPattern, MetricTransformations: in.MetricTransformations}
	return &cloudwatchlogs.PutMetricFilterOutput{}, f.write()
}

func (f *fakeLogs) DescribeQueryDefinitions(call, *cloudwatchlogs.DescribeQueryDefinitionsInput, ...options) (*cloudwatchlogs.DescribeQueryDefinitionsOutput, error) {
	return &cloudwatchlogs.DescribeQueryDefinitionsOutput{QueryDefinitions: slices.Collect(maps.Values(f.queries))}, nil
}

func (f *fakeLogs) PutQueryDefinition(_ call, in *cloudwatchlogs.PutQueryDefinitionInput, _ ...options) (*cloudwatchlogs.PutQueryDefinitionOutput, error) {
	id := in.QueryDefinitionId
	if id == nil {
		id = aws.String("id of " + *in.Name)
	}
	f.queries[*id] = types.QueryDefinition{Name: in.Name, QueryString: in.QueryString, QueryDefinitionId: id, LogGroupNames: in.LogGroupNames}
	f.writes++
	return &cloudwatchlogs.PutQueryDefinitionOutput{}, nil
}

func newFakeLogs() *fakeLogs {
	return &fakeLogs{filters: map[string]types.MetricFilter{}, queries: map[string]types.QueryDefinition{}}
}

func wantedLogs() config.CloudWatch {
	c := config.Default().CloudWatch
	c.RetentionDays, c.KMSKeyID, c.Tags = 365, "arn:aws:kms:eu-west-1:111122223333:key/k", map[string]string{"team": "sre"}
	return c
}

// apply plans and does, and returns what was planned.
func apply(t *testing.T, f *fakeLogs, want config.CloudWatch) []string {
	t.Helper()
	before := f.writes
	steps, err := planSetup(t.Context(), f, want)
	if err != nil {
		t.Fatal(err)
	}
	if f.writes != before {
		t.Error("planning changed something")
	}
	var texts []string
	for _, s := range steps {
		if err := s.do(t.Context()); err != nil {
			t.Errorf("%s: %v", s.what, err)
		}
		texts = append(texts, s.what)
	}
	return texts
}

func TestSetupIsIdempotent(t *testing.T) {
	f := newFakeLogs()
	first := apply(t, f, wantedLogs())
	if want := 1 + 1 + 1 + len(metricFilters) + len(savedQueries); len(first) != want { // group, retention, index
		t.Errorf("%d steps, want %d: %q", len(first), want, first)
	}
	if again := apply(t, f, wantedLogs()); len(again) != 0 {
		t.Errorf("a second time there is something to do: %q", again)
	}
}

// TestSetupRepairs breaks one thing at a time and requires that one step mends it.
func TestSetupRepairs(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(*fakeLogs)
		step  string
	}{
		{"retention gone", func(f *fakeLogs) { f.group.RetentionInDays = nil }, "keep events for 365 days, not for ever"},
		{"retention shortened", func(f *fakeLogs) { f.group.RetentionInDays = aws.Int32(1) }, "keep events for 365 days, not 1"},
		{"other key", func(f *fakeLogs) { f.group.KmsKeyId = aws.String("other") }, "encrypt new events"},
		{"tag changed", func(f *fakeLogs) { f.tagged["team"] = "x" }, "set 1 tags"},
		{"index lacks a field", func(f *fakeLogs) { f.index = `{"Fields":["action"]}` }, "index the fields"},
		{"filter gone", func(f *fakeLogs) { delete(f.filters, "auditshipper-gaps") }, "as metric Gaps"},
		{"pattern changed", func(f *fakeLogs) {
			m := f.filters["auditshipper-deletes"]
			m.FilterPattern = aws.String(`{ $.action = "never" }`)
			f.filters["auditshipper-deletes"] = m
		}, "as metric Deletes"},
		{"query changed", func(f *fakeLogs) {
			q := f.queries["id of auditshipper/gaps"]
			q.QueryString = aws.String("fields @message")
			f.queries["id of auditshipper/gaps"] = q
		}, `save query "auditshipper/gaps"`},
	} {
		f := newFakeLogs()
		apply(t, f, wantedLogs())
		tt.spoil(f)
		steps := apply(t, f, wantedLogs())
		if len(steps) != 1 || !strings.Contains(steps[0], tt.step) {
			t.Errorf("%s: steps %q, want one with %q", tt.name, steps, tt.step)
		}
		if again := apply(t, f, wantedLogs()); len(again) != 0 {
			t.Errorf("%s: not mended: %q", tt.name, again)
		}
	}
}

// TestSetupLeavesBe: what others added is theirs.
func TestSetupLeavesBe(t *testing.T) {
	f := newFakeLogs()
	apply(t, f, wantedLogs())
	f.tagged["owner"] = "them"
	f.index = `{"Fields":["action","auid_name","host","key","path","exe"]}`
	f.filters["auditshipper-theirs"] = types.MetricFilter{FilterName: aws.String("auditshipper-theirs")}
	forever := wantedLogs()
	forever.RetentionDays = 0
	if steps := apply(t, f, forever); len(steps) != 0 {
		t.Errorf("steps %q, want none", steps)
	}
}

// TestSetupSecondGroup: a saved query serves both groups.
func TestSetupSecondGroup(t *testing.T) {
	f := newFakeLogs()
	apply(t, f, wantedLogs())
	other := *f
	other.group, other.filters = nil, map[string]types.MetricFilter{}
	want := wantedLogs()
	want.Group = "/other"
	apply(t, &other, want)
	for id, q := range f.queries {
		if !slices.Equal(q.LogGroupNames, []string{"/auditshipper", "/other"}) {
			t.Errorf("%s: groups %q", id, q.LogGroupNames)
		}
	}
	if len(f.queries) != len(savedQueries) {
		t.Errorf("%d queries, want %d", len(f.queries), len(savedQueries))
	}
}

func TestSetupClassCannotChange(t *testing.T) {
	f := newFakeLogs()
	apply(t, f, wantedLogs())
	f.group.LogGroupClass = types.LogGroupClassStandard
	want := wantedLogs()
	want.LogClass = "INFREQUENT_ACCESS"
	if _, err := planSetup(t.Context(), f, want); err == nil {
		t.Error("got no error")
	}
}
