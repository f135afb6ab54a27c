//go:build amd64

package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/kerneltest"
	"github.com/auditshipper/auditshipper/internal/logstest"
)

// TestKernelRenameOrder starts the daemon and expects the rename by which it learns the
// order of PARENT records: made by a child, printed by the kernel, and without a rule left.
func TestKernelRenameOrder(t *testing.T) {
	c := kerneltest.Need(t)
	r := newRig(t, "events: all\n")
	r.start()
	r.eventually(20*time.Second, "the rename of the daemon's child", func() bool {
		return slices.ContainsFunc(r.endpoint.Events("/g", "s"), func(e logstest.Event) bool {
			return strings.Contains(e.Message, `"key":"auditshipper_order","action":"rename"`) && strings.Contains(e.Message, `/order/other/file"`)
		})
	})
	list, err := c.ListRules()
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range list {
		if bytes.Contains(rule, []byte("auditshipper_order")) {
			t.Error("the rule is still there")
		}
	}
	r.stop()
}
