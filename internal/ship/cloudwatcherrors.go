package ship

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

func isMissing(err error) bool {
	var missing *types.ResourceNotFoundException
	return errors.As(err, &missing)
}

func exists(err error) bool {
	var there *types.ResourceAlreadyExistsException
	return errors.As(err, &there)
}

// isAccepted reports whether a refusal says that the events were accepted
// before. AWS does not say so any more, its imitations may.
func isAccepted(err error) bool {
	var accepted *types.DataAlreadyAcceptedException
	return errors.As(err, &accepted)
}

func statusOf(err error) int {
	var re *smithyhttp.ResponseError
	if errors.As(err, &re) {
		return re.HTTPStatusCode()
	}
	return 0
}

// explain says what the service refused, in its own words, and marks it with
// what can be done.
func (c *CloudWatch) explain(err error) error {
	if err == nil {
		return nil
	}
	op := operation(err)
	var api smithy.APIError
	if errors.As(err, &api) {
		return c.refused(op, api.ErrorCode(), api.ErrorMessage(), statusOf(err))
	}
	if code := statusOf(err); code >= 400 { // a proxy's answer
		return c.refused(op, http.StatusText(code), "", code)
	}
	var sent *url.Error // hides passwords in URLs
	if errors.As(err, &sent) {
		return fmt.Errorf("%s: %w", op, sent)
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w", op, err)
	}
	if isCredentials(err) {
		c.unknown.Store(true)
		return fmt.Errorf("%w: %s: %s", ErrBlocked, noCredentials, words(err.Error()))
	}
	return fmt.Errorf("%s: %s", op, words(err.Error()))
}

// refused makes an error of an answer.
func (c *CloudWatch) refused(op, code, message string, status int) error {
	if slices.Contains(credentialCodes, code) {
		c.unknown.Store(true)
	}
	mark := refusalMark(code, message)
	if mark == nil {
		mark = statusMark(status)
	}
	text := op + ": " + code
	if said := words(message); said != "" {
		text += ": " + said
	}
	if aboutKey(code, message) && c.o.KMSKeyID != "" && !strings.Contains(message, c.o.KMSKeyID) {
		text += " (KMS key " + c.o.KMSKeyID + ")"
	}
	if mark == nil {
		return errors.New(text)
	}
	return fmt.Errorf("%w: %s", mark, text)
}

// operation names the innermost call that failed: AssumeRole may have, on the
// way to PutLogEvents.
func operation(err error) string {
	name := "call"
	var op *smithy.OperationError
	for ; errors.As(err, &op); err = op.Err {
		name = op.OperationName
	}
	return name
}

// isCredentials reports whether there was nothing to sign a call with.
func isCredentials(err error) bool {
	text := err.Error()
	return strings.Contains(text, "get identity:") || strings.Contains(text, "retrieve credentials") || strings.Contains(text, "refresh cached credentials")
}

// How long the instance's metadata may take to answer: the daemon, and a person
// who waits.
const (
	imdsPatience = 10 * time.Second
	imdsBrief    = 2 * time.Second
)
