package rules

import (
	"slices"
	"strconv"
	"strings"
)

// uringOps are io_uring's operations by number (enum io_uring_op in
// include/uapi/linux/io_uring.h of Linux 6.17), IORING_OP_ and case taken off,
// as auditctl 3.1 and later name them.
var uringOps = []string{
	"nop", "readv", "writev", "fsync", "read_fixed", "write_fixed", "poll_add", "poll_remove",
	"sync_file_range", "sendmsg", "recvmsg", "timeout", "timeout_remove", "accept", "async_cancel",
	"link_timeout", "connect", "fallocate", "openat", "close", "files_update", "statx", "read", "write",
	"fadvise", "madvise", "send", "recv", "openat2", "epoll_ctl", "splice", "provide_buffers",
	"remove_buffers", "tee", "shutdown", "renameat", "unlinkat", "mkdirat", "symlinkat", "linkat",
	"msg_ring", "fsetxattr", "setxattr", "fgetxattr", "getxattr", "socket", "uring_cmd", "send_zc",
	"sendmsg_zc", "read_multishot", "waitid", "futex_wait", "futex_wake", "futex_waitv",
	"fixed_fd_install", "ftruncate", "bind", "listen", "recv_zc", "epoll_wait", "readv_fixed",
	"writev_fixed", "pipe",
}

// Operations that change files.
const (
	uringFallocate = 17
	uringRenameat  = 35
	uringUnlinkat  = 36
	uringMkdirat   = 37
	uringSymlinkat = 38
	uringLinkat    = 39
	uringFsetxattr = 41
	uringSetxattr  = 42
	uringFtruncate = 55
)

// operations takes -S of a rule for the io_uring list.
func (p *parser) operations(value string) *ParseError {
	for name := range strings.SplitSeq(value, ",") {
		if name == "" && strings.Contains(value, ",") {
			continue
		}
		if name == "all" {
			p.rule.all()
			p.calls = true
			continue
		}
		nr := slices.Index(uringOps, strings.ToLower(name))
		if nr < 0 && startsWithDigit(name) {
			nr = int(int32(cNumber(name, false)))
		}
		if nr < 0 {
			err := faultf("unknown io_uring operation %q", name)
			if near := nearest(strings.ToLower(name), uringOps); near != "" {
				return err.hint("did you mean %s?", near)
			}
			return err
		}
		if !p.rule.set(nr) {
			return faultf("io_uring operation %s is out of range", name)
		}
		p.calls = true
	}
	return nil
}

func uringName(nr int) string {
	if nr < len(uringOps) {
		return uringOps[nr]
	}
	return strconv.Itoa(nr)
}
