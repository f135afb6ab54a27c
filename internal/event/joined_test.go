package event_test

import (
	"github.com/auditshipper/auditshipper/internal/encode"
	"github.com/auditshipper/auditshipper/internal/event"
)

func init() {
	event.NewEncoder = func(host string, names event.TestNames, raw bool, maxBytes int) event.TestEncoder {
		return &encode.Encoder{Host: host, Names: names, IncludeRaw: raw, MaxBytes: maxBytes}
	}
}
