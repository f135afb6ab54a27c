package ship

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/smithy-go"
)

// A queryPage is an answer of GetQueryResults.
type queryPage struct {
	status                  string
	rows                    []QueryRow
	matched, bytes, skipped float64
	next                    string
}

// startQuery starts a query over whole seconds that hold a window.
func (c *CloudWatch) startQuery(ctx context.Context, groups []string, text string, w Window, limit int) (id string, err error) {
	in := &cloudwatchlogs.StartQueryInput{
		QueryString: &text, StartTime: aws.Int64(w.From / 1000), EndTime: aws.Int64((w.To + 999) / 1000), Limit: aws.Int32(int32(limit)),
	}
	if len(groups) == 1 && !strings.HasPrefix(groups[0], "arn:") {
		in.LogGroupName = &groups[0]
	} else {
		in.LogGroupIdentifiers = groups
	}
	out, err := c.client.Load().StartQuery(ctx, in)
	if err != nil {
		return "", c.insightsError(err)
	}
	return aws.ToString(out.QueryId), nil
}

func (c *CloudWatch) queryResults(ctx context.Context, id, token string) (page queryPage, err error) {
	in := &cloudwatchlogs.GetQueryResultsInput{QueryId: &id}
	if token != "" {
		in.NextToken = &token
	}
	out, err := c.client.Load().GetQueryResults(ctx, in)
	if err != nil {
		return page, c.insightsError(err)
	}
	page = queryPage{status: string(out.Status), next: aws.ToString(out.NextToken)}
	if s := out.Statistics; s != nil {
		page.matched, page.bytes, page.skipped = s.RecordsMatched, s.BytesScanned, s.EstimatedBytesSkipped
	}
	for _, cells := range out.Results {
		row := QueryRow{}
		for _, cell := range cells {
			row[aws.ToString(cell.Field)] = aws.ToString(cell.Value)
		}
		page.rows = append(page.rows, row)
	}
	return page, nil
}

// stopQuery ends a query that nobody waits for any more. That it is over
// already, or that the endpoint is gone, changes nothing.
func (c *CloudWatch) stopQuery(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for range 3 {
		_, err := c.client.Load().StopQuery(ctx, &cloudwatchlogs.StopQueryInput{QueryId: &id})
		if err == nil || ctx.Err() != nil || errors.Is(c.explain(err), ErrInvalid) {
			return
		}
	}
}

// insightsError tells a refusal of Logs Insights itself from one of the question.
func (c *CloudWatch) insightsError(err error) error {
	var api smithy.APIError
	explained := c.explain(err)
	switch {
	case refusesOperation(err):
		return fmt.Errorf("%w: %w", ErrNoInsights, explained)
	case errors.As(err, &api) && api.ErrorCode() == "MalformedQueryException":
		return fmt.Errorf("%w: %w", ErrInvalid, explained)
	}
	return explained
}

// refusesOperation says whether the endpoint does not have an operation, or not for us.
func refusesOperation(err error) bool {
	var api smithy.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode() {
		case "UnknownOperationException", "UnknownOperation", "NotImplemented", "AccessDeniedException", "UnsupportedOperation":
			return true
		}
	}
	return statusOf(err) == http.StatusNotImplemented || statusOf(err) == http.StatusNotFound
}
