package event

// The encoder imports this package, so that the tests of this package, which look at events
// as text, get it from joined_test.go.

// A TestEncoder is encode.Encoder.
type TestEncoder interface {
	AppendJSON(dst []byte, e *Event) []byte
	AppendOCSF(dst []byte, e *Event) []byte
	AppendRaw(dst []byte, e *Event) []byte
}

// TestNames is encode.Names.
type TestNames interface {
	UserName(uid uint32) string
	FileSystem(dev Dev) (id, accessPoint string)
}

// NewEncoder makes an encode.Encoder.
var NewEncoder func(host string, names TestNames, raw bool, maxBytes int) TestEncoder
