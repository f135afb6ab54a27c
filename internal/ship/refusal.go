package ship

import (
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// Codes by which AWS refuses, by what can be done about them. Those that are in
// no list count as passing.
var (
	throttling = []string{
		"ThrottlingException", "Throttling", "ThrottledException", "RequestThrottledException", "TooManyRequestsException",
		"RequestLimitExceeded", "LimitExceededException", "OperationAbortedException", "SlowDown", "PriorRequestNotComplete",
	}
	invalidity = []string{"InvalidParameterException", "ValidationException", "InvalidParameterCombination"}
	tooLarge   = []string{"RequestEntityTooLarge", "RequestTooLarge", "PayloadTooLarge"}
	blocking   = []string{
		"AccessDeniedException", "AccessDenied", "UnauthorizedOperation", "NotAuthorized", "OptInRequired",
		"ResourceNotFoundException", "UnsupportedOperation", "RequestTimeTooSkewed", "RequestExpired",
	}

	// credentialCodes are about who we are; other credentials may help.
	credentialCodes = []string{
		"ExpiredTokenException", "ExpiredToken", "UnrecognizedClientException", "InvalidClientTokenId",
		"InvalidSignatureException", "SignatureDoesNotMatch", "MissingAuthenticationTokenException", "IncompleteSignature", "InvalidToken",
	}
)

// refusalMark returns how to mark a refusal with a code and a message, nil for
// one that passes.
func refusalMark(code, message string) error {
	switch {
	case slices.Contains(throttling, code):
		return ErrThrottled
	case slices.Contains(tooLarge, code):
		return ErrTooLarge
	case aboutKey(code, message), aboutNames(message):
		return ErrBlocked
	case slices.Contains(invalidity, code):
		return ErrInvalid
	case slices.Contains(blocking, code), slices.Contains(credentialCodes, code):
		return ErrBlocked
	}
	return nil
}

// statusMark is refusalMark for answers of what stands between us and the
// service, which have a status only.
func statusMark(status int) error {
	switch status {
	case http.StatusRequestEntityTooLarge:
		return ErrTooLarge
	case http.StatusTooManyRequests:
		return ErrThrottled
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return ErrBlocked
	}
	return nil
}

// aboutKey reports whether a refusal is about the KMS key of the group. The
// service uses several codes for that, InvalidParameterException among them.
func aboutKey(code, message string) bool {
	return strings.HasPrefix(code, "KMS") || strings.HasPrefix(code, "Kms") ||
		strings.Contains(message, "KMS") || strings.Contains(message, "arn:aws:kms") || strings.Contains(message, "kms:")
}

// aboutNames reports whether a refusal is about the names in the request.
func aboutNames(message string) bool {
	return strings.Contains(message, "'logGroupName'") || strings.Contains(message, "'logStreamName'")
}

// What a refusal may be about.
const (
	AboutCredentials = "credentials" // nobody says who we are, or nobody believes it
	AboutPermissions = "permissions" // we are known, and may not
)

// About tells what the text of an error of this package is about, empty for all else.
func About(text string) string {
	has := func(code string) bool { return strings.Contains(text, code) }
	switch {
	case has(noCredentials), slices.ContainsFunc(credentialCodes, has):
		return AboutCredentials
	case has("AccessDenied"), has("UnauthorizedOperation"), has("NotAuthorized"):
		return AboutPermissions
	}
	return ""
}

// noCredentials is what an error says that came before any question to the service.
const noCredentials = "no credentials"

// mostWords bounds what is repeated of an answer.
const mostWords = 600

// words returns the first line of what the service says, which is all that is
// meant for people: what may follow repeats the request, its token included.
func words(message string) string {
	message, _, _ = strings.Cut(strings.TrimSpace(message), "\n")
	if len(message) > mostWords {
		message = message[:mostWords]
		for !utf8.ValidString(message) {
			message = message[:len(message)-1]
		}
		message += "…"
	}
	return message
}
