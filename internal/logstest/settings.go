package logstest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// retentions are the numbers of days that the service accepts.
var retentions = []int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

func (s *Server) putRetentionPolicy(body []byte) (any, error) {
	var in struct {
		LogGroupName    string
		RetentionInDays int
	}
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	if !slices.Contains(retentions, in.RetentionInDays) {
		return nil, invalid("1 validation error detected: Value '%d' at 'retentionInDays' failed to satisfy constraint", in.RetentionInDays)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.group(in.LogGroupName)
	if err != nil {
		return nil, err
	}
	g.retention = in.RetentionInDays
	return nil, nil
}

func (s *Server) associateKmsKey(body []byte) (any, error) {
	var in struct{ LogGroupName, ResourceIdentifier, KmsKeyId string }
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(in.KmsKeyId, "arn:") {
		return nil, invalid("kmsKeyId %q is not an ARN", in.KmsKeyId)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.group(identified(in.LogGroupName, in.ResourceIdentifier))
	if err != nil {
		return nil, err
	}
	g.key = in.KmsKeyId
	return nil, nil
}

// Limits of tags.
const (
	maxTags     = 50
	maxTagKey   = 128
	maxTagValue = 256
)

func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return invalid("%d tags, at most %d", len(tags), maxTags)
	}
	for k, v := range tags {
		if k == "" || len(k) > maxTagKey || len(v) > maxTagValue || strings.HasPrefix(k, "aws:") {
			return invalid("tag %q=%q", k, v)
		}
	}
	return nil
}

func (s *Server) tagResource(body []byte) (any, error) {
	var in struct {
		ResourceArn string
		Tags        map[string]string
	}
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.byARN(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	if g.tags == nil {
		g.tags = map[string]string{}
	}
	maps.Copy(g.tags, in.Tags)
	return nil, nil
}

func (s *Server) listTagsForResource(body []byte) (any, error) {
	var in struct{ ResourceArn string }
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.byARN(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return map[string]any{"tags": maps.Clone(g.tags)}, nil
}

// byARN finds a group by its ARN, which must not end in :* here.
func (s *Server) byARN(arn string) (*group, error) {
	name, ok := strings.CutPrefix(arn, arnPrefix)
	if !ok || strings.HasSuffix(name, ":*") {
		return nil, invalid("resource ARN %q", arn)
	}
	return s.group(name)
}

func (s *Server) putIndexPolicy(body []byte) (any, error) {
	var in struct{ LogGroupIdentifier, PolicyDocument string }
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	var policy struct{ Fields []string }
	if err := json.Unmarshal([]byte(in.PolicyDocument), &policy); err != nil || len(policy.Fields) == 0 || len(policy.Fields) > 20 {
		return nil, invalid("policyDocument %q: 1 to 20 Fields wanted", in.PolicyDocument)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.group(identified("", in.LogGroupIdentifier))
	if err != nil {
		return nil, err
	}
	g.index = in.PolicyDocument
	return map[string]any{"indexPolicy": map[string]string{"logGroupIdentifier": arnPrefix + g.name, "policyDocument": g.index}}, nil
}

func (s *Server) describeIndexPolicies(body []byte) (any, error) {
	var in struct{ LogGroupIdentifiers []string }
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	if len(in.LogGroupIdentifiers) != 1 {
		return nil, invalid("%d logGroupIdentifiers, exactly one", len(in.LogGroupIdentifiers))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.group(identified("", in.LogGroupIdentifiers[0]))
	if err != nil {
		return nil, err
	}
	policies := []map[string]string{}
	if g.index != "" {
		policies = append(policies, map[string]string{"logGroupIdentifier": arnPrefix + g.name, "policyDocument": g.index, "source": "LOG_GROUP"})
	}
	return map[string]any{"indexPolicies": policies}, nil
}

// A metricFilter turns matching events into a metric.
type metricFilter struct {
	Name            string            `json:"filterName"`
	Pattern         string            `json:"filterPattern"`
	Group           string            `json:"logGroupName"`
	Transformations []json.RawMessage `json:"metricTransformations"`
	Created         int64             `json:"creationTime"`
}

// maxMetricFilters is how many a group may have.
const maxMetricFilters = 100

func (s *Server) putMetricFilter(body []byte) (any, error) {
	var in metricFilter
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	if in.Name == "" || len(in.Name) > 512 || strings.ContainsAny(in.Name, ":*") || len(in.Transformations) != 1 {
		return nil, invalid("filterName %q with %d metricTransformations", in.Name, len(in.Transformations))
	}
	if _, err := parsePattern(in.Pattern); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.group(in.Group)
	if err != nil {
		return nil, err
	}
	in.Created = s.millis()
	g.filters = slices.DeleteFunc(g.filters, func(f metricFilter) bool { return f.Name == in.Name })
	if len(g.filters) == maxMetricFilters {
		return nil, &apiError{code: "LimitExceededException", message: "Resource limit exceeded."}
	}
	g.filters = append(g.filters, in)
	return nil, nil
}

func (s *Server) describeMetricFilters(body []byte) (any, error) {
	var in struct {
		LogGroupName, FilterNamePrefix, NextToken string
		Limit                                     int
	}
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.group(in.LogGroupName)
	if err != nil {
		return nil, err
	}
	byName := map[string]metricFilter{}
	for _, f := range g.filters {
		if strings.HasPrefix(f.Name, in.FilterNamePrefix) {
			byName[f.Name] = f
		}
	}
	names, next, err := page(slices.Sorted(maps.Keys(byName)), in.NextToken, in.Limit)
	if err != nil {
		return nil, err
	}
	out := describedFilters{Filters: []metricFilter{}, NextToken: next}
	for _, n := range names {
		out.Filters = append(out.Filters, byName[n])
	}
	return out, nil
}

type describedFilters struct {
	Filters   []metricFilter `json:"metricFilters"`
	NextToken string         `json:"nextToken,omitempty"`
}

// A queryDefinition is a saved Insights query.
type queryDefinition struct {
	ID       string   `json:"queryDefinitionId"`
	Name     string   `json:"name"`
	Query    string   `json:"queryString"`
	Groups   []string `json:"logGroupNames,omitempty"`
	Modified int64    `json:"lastModified"`
}

func (s *Server) putQueryDefinition(body []byte) (any, error) {
	var in queryDefinition
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	if in.Name == "" || len(in.Name) > 255 || in.Query == "" || len(in.Query) > 10_000 {
		return nil, invalid("query definition %q of %d characters", in.Name, len(in.Query))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	in.Modified = s.millis()
	if in.ID == "" {
		in.ID = fmt.Sprintf("00000000-0000-4000-9000-%012d", len(s.queries))
		s.queries = append(s.queries, in)
		return map[string]string{"queryDefinitionId": in.ID}, nil
	}
	i := slices.IndexFunc(s.queries, func(q queryDefinition) bool { return q.ID == in.ID })
	if i < 0 {
		return nil, notFound("query definition")
	}
	s.queries[i] = in
	return map[string]string{"queryDefinitionId": in.ID}, nil
}

func (s *Server) describeQueryDefinitions(body []byte) (any, error) {
	var in struct {
		QueryDefinitionNamePrefix, NextToken string
		MaxResults                           int
	}
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	byID := map[string]queryDefinition{}
	for _, q := range s.queries {
		if strings.HasPrefix(q.Name, in.QueryDefinitionNamePrefix) {
			byID[q.ID] = q
		}
	}
	ids, next, err := page(slices.Sorted(maps.Keys(byID)), in.NextToken, in.MaxResults)
	if err != nil {
		return nil, err
	}
	out := describedQueries{Queries: []queryDefinition{}, NextToken: next}
	for _, id := range ids {
		out.Queries = append(out.Queries, byID[id])
	}
	return out, nil
}

type describedQueries struct {
	Queries   []queryDefinition `json:"queryDefinitions"`
	NextToken string            `json:"nextToken,omitempty"`
}
