package logstest

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// maxSkew is how far a signature's time may be from the service's.
const maxSkew = 5 * time.Minute

// An authorization is the header of Signature Version 4, taken apart.
type authorization struct {
	key, date, region, service string

	headers   []string
	signature string
}

// verify checks that a request is signed; if the server knows keys, also that
// the signature is right, for the body as it was on the wire.
func (s *Server) verify(r *http.Request, raw []byte) error {
	auth, err := parseAuthorization(r.Header.Get("Authorization"))
	if err != nil {
		return err
	}
	if len(s.opt.Keys) == 0 {
		return nil
	}
	secret, ok := s.opt.Keys[auth.key]
	if !ok {
		return &apiError{code: UnknownKey.Code, message: UnknownKey.Message}
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		return badSignature("X-Amz-Date: " + err.Error())
	}
	if skew := s.opt.Now().Sub(at).Abs(); skew > maxSkew {
		return &apiError{code: "InvalidSignatureException", message: fmt.Sprintf("Signature expired: %s is %v away from the service's time", r.Header.Get("X-Amz-Date"), skew)}
	}
	if want := auth.sign(r, raw, secret); subtle.ConstantTimeCompare([]byte(want), []byte(auth.signature)) != 1 {
		return badSignature("The request signature we calculated does not match the signature you provided.")
	}
	return nil
}

func badSignature(message string) error {
	return &apiError{code: "InvalidSignatureException", message: message, violation: true}
}

func parseAuthorization(header string) (*authorization, error) {
	rest, ok := strings.CutPrefix(header, "AWS4-HMAC-SHA256 ")
	if !ok {
		return nil, &apiError{code: "MissingAuthenticationTokenException", message: "Missing Authentication Token", violation: true}
	}
	var a authorization
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Credential":
			f := strings.Split(value, "/")
			if len(f) != 5 || f[4] != "aws4_request" {
				return nil, badSignature("Credential " + value)
			}
			a.key, a.date, a.region, a.service = f[0], f[1], f[2], f[3]
		case "SignedHeaders":
			a.headers = strings.Split(value, ";")
		case "Signature":
			a.signature = value
		}
	}
	if a.service != "logs" || !slices.Contains(a.headers, "host") || !slices.Contains(a.headers, "x-amz-date") || len(a.signature) != 64 {
		return nil, badSignature("Authorization of service " + a.service + " over " + strings.Join(a.headers, ";"))
	}
	return &a, nil
}

// sign computes the signature of a request that was made with secret.
func (a *authorization) sign(r *http.Request, raw []byte, secret string) string {
	var canonical strings.Builder
	fmt.Fprintf(&canonical, "%s\n%s\n%s\n", r.Method, r.URL.EscapedPath(), r.URL.Query().Encode())
	for _, name := range a.headers {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = fmt.Sprint(r.ContentLength)
		}
		fmt.Fprintf(&canonical, "%s:%s\n", name, strings.TrimSpace(value))
	}
	fmt.Fprintf(&canonical, "\n%s\n%s", strings.Join(a.headers, ";"), hash(raw))

	scope := strings.Join([]string{a.date, a.region, a.service, "aws4_request"}, "/")
	text := strings.Join([]string{"AWS4-HMAC-SHA256", r.Header.Get("X-Amz-Date"), scope, hash([]byte(canonical.String()))}, "\n")
	key := []byte("AWS4" + secret)
	for _, part := range []string{a.date, a.region, a.service, "aws4_request", text} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key)
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
