package config

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// ops are the operations a watch may name; which system calls each stands for
// is known to the rule language.
var ops = []string{"delete", "rename", "create", "write", "attr", "link", "exec"}

// retentions are the days PutRetentionPolicy takes, from its API reference.
var retentions = []int{0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

// maxKeyLen is AUDIT_MAX_KEY_LEN of include/uapi/linux/audit.h.
const maxKeyLen = 256

// validate reports every value that cannot be meant.
func (c *Config) validate(d *decoder) {
	check := func(ok bool, key, fix, format string, args ...any) {
		if !ok {
			d.fault(c.Place(key), key, fix, format, args...)
		}
	}
	oneOf := func(key, value string, allowed ...string) {
		check(slices.Contains(allowed, value), key, "", "%q is not one of %s", value, strings.Join(allowed, ", "))
	}
	c.validateWatches(check, oneOf)
	c.validateDrop(check)
	c.validateLabels(check)

	oneOf("rules.on_never_task", c.Rules.OnNeverTask, "warn", "fix", "fail")
	oneOf("rules.on_exit", c.Rules.OnExit, "auto", "keep", "remove")
	oneOf("source.mode", c.Source.Mode, "auto", "unicast", "multicast", "file", "stdin")
	check(c.Source.ReceiveBuffer >= 64<<10 && c.Source.ReceiveBuffer <= 1<<30, "source.receive_buffer", "", "%v is not between 64KiB and 1GiB", c.Source.ReceiveBuffer)
	check(c.Source.ResolveWait >= 0 && c.Source.ResolveWait <= time.Minute, "source.resolve_wait", "", "%v is not between 0s and 1m", c.Source.ResolveWait)
	check(c.Kernel.BacklogLimit >= 0, "kernel.backlog_limit", "", "%d is negative", c.Kernel.BacklogLimit)
	check(c.Kernel.BacklogWaitTime >= 0 && c.Kernel.BacklogWaitTime <= 600000, "kernel.backlog_wait_time", "", "%d is not between 0 and 600000", c.Kernel.BacklogWaitTime)
	oneOf("kernel.failure_mode", c.Kernel.FailureMode, "silent", "printk")

	check(filepath.IsAbs(c.StateDir), "state_dir", "", "%q is not an absolute path", c.StateDir)
	check(filepath.IsAbs(c.Socket), "socket", "", "%q is not an absolute path", c.Socket)
	check(c.Journal.MaxBytes >= 1<<20, "journal.max_bytes", "", "%v is below the minimum of 1MiB", c.Journal.MaxBytes)
	check(c.Journal.Sync > 0, "journal.sync", "", "must be positive, not %v", c.Journal.Sync)
	oneOf("output", c.Output, "auto", "cloudwatch", "stdout")
	oneOf("events", c.Events, "ours", "all")
	check(c.Heartbeat == 0 || c.Heartbeat >= 10*time.Second && c.Heartbeat <= 24*time.Hour, "heartbeat", "", "%v is neither 0 nor between 10s and 24h", c.Heartbeat)
	c.validateCloudWatch(check, oneOf)

	if c.Metrics.Listen != "" {
		_, _, err := net.SplitHostPort(c.Metrics.Listen)
		check(err == nil, "metrics.listen", "write it as 127.0.0.1:9464", "%q is not host:port", c.Metrics.Listen)
	}
	oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	oneOf("log.format", c.Log.Format, "auto", "console", "json")
}

type (
	checkFunc func(ok bool, key, fix, format string, args ...any)
	oneOfFunc func(key, value string, allowed ...string)
)

func (c *Config) validateWatches(check checkFunc, oneOf oneOfFunc) {
	for i, w := range c.Watches {
		key := func(name string) string { return fmt.Sprintf("watches[%d].%s", i, name) }
		check(w.Path != "", key("path"), "", "must be set")
		check(w.Path == "" || filepath.IsAbs(w.Path), key("path"), "", "%q is not an absolute path", w.Path)
		for j, op := range w.Ops {
			oneOf(fmt.Sprintf("%s[%d]", key("ops"), j), op, ops...)
		}
		check(len(w.Key) <= maxKeyLen, key("key"), "", "longer than the kernel's %d bytes", maxKeyLen)
		check(!strings.ContainsAny(w.Key, "\x00\x01\n\""), key("key"), "", "%q has a character that a key cannot hold", w.Key)
		oneOf(key("failures"), w.Failures, "denied", "all", "none")
		oneOf(key("require_mount"), w.RequireMount, "auto", "true", "false")
		for _, dir := range []string{c.StateDir, filepath.Dir(c.Socket)} {
			check(!within(dir, w.Path), key("path"), "move state_dir and socket out of what is watched", "holds %s, so that our own work would be an event and cause the next", dir)
		}
	}
}

// maxCommLen is the kernel's TASK_COMM_LEN without the NUL byte.
const maxCommLen = 15

// validateDrop refuses filters that could never agree with an event: nothing
// would ever show that they do not work.
func (c *Config) validateDrop(check checkFunc) {
	for i, f := range c.Drop {
		key := func(name string) string { return fmt.Sprintf("drop[%d].%s", i, name) }
		check(f != Drop{}, fmt.Sprintf("drop[%d]", i), "", "names nothing, and would drop everything")
		for _, p := range [][2]string{{"exe", f.Exe}, {"path", strings.TrimSuffix(f.Path, "/**")}} {
			name, path := p[0], p[1]
			if path == "" {
				continue
			}
			check(filepath.IsAbs(path), key(name), "", "%q is not an absolute path", path)
			check(!filepath.IsAbs(path) || filepath.Clean(path) == path, key(name), "write it as "+filepath.Clean(path), "%q is not how paths are written in events", path)
			check(!strings.ContainsAny(path, "*?"), key(name), "only /** at the end of path stands for more than itself", "%q has a wildcard", path)
		}
		check(len(f.Comm) <= maxCommLen, key("comm"), "", "longer than the %d bytes that the kernel keeps", maxCommLen)
		_, err := strconv.ParseUint(f.UID, 10, 32)
		check(f.UID == "" || err == nil, key("uid"), "", "%q is not a user's number", f.UID)
	}
}

// within reports whether dir is below root, or is it.
func within(dir, root string) bool {
	rel, err := filepath.Rel(root, dir)
	return root != "" && err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// The names that CreateLogGroup and CreateLogStream take, by the API reference.
var (
	groupName  = regexp.MustCompile(`^[.\-_/#A-Za-z0-9]+$`)
	streamName = regexp.MustCompile(`^[^:*]+$`)
)

// maxName is their length, which is counted beside the expression: one that
// counts to 512 takes 700 KiB and a millisecond to make, at every start.
const maxName = 512

func isName(form *regexp.Regexp, name string) bool {
	return utf8.RuneCountInString(name) <= maxName && form.MatchString(name)
}

func (c *Config) validateCloudWatch(check checkFunc, oneOf oneOfFunc) {
	w := &c.CloudWatch
	check(w.Group != "", "cloudwatch.group", "", "must be set")
	check(w.Group == "" || isName(groupName, w.Group), "cloudwatch.group", "letters, digits and ._/#- only, at most 512", "%q is not a log group's name", w.Group)
	check(w.Stream != "", "cloudwatch.stream", "", "must be set")
	check(w.Stream == "" || isName(streamName, w.Stream), "cloudwatch.stream", "anything but : and *, at most 512 characters", "%q is not a log stream's name", w.Stream)
	if w.EndpointURL != "" {
		u, err := url.Parse(w.EndpointURL)
		check(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "", "cloudwatch.endpoint_url", "write it as https://host:port", "%q is not a URL", w.EndpointURL)
		check(!w.UseFIPS && !w.UseDualstack, "cloudwatch.endpoint_url", "", "cannot go with use_fips or use_dualstack, which choose the endpoint themselves")
	}
	check(slices.Contains(retentions, w.RetentionDays), "cloudwatch.retention_days", "", "%d is not one of the service's %v (0 keeps for ever)", w.RetentionDays, retentions[1:])
	oneOf("cloudwatch.log_class", w.LogClass, "", "STANDARD", "INFREQUENT_ACCESS")
	oneOf("cloudwatch.format", w.Format, "json", "raw", "ocsf")
	check(w.FlushInterval >= 10*time.Millisecond && w.FlushInterval <= 5*time.Minute, "cloudwatch.flush_interval", "", "%v is not between 10ms and 5m", w.FlushInterval)
	check(w.Concurrency >= 1 && w.Concurrency <= 16, "cloudwatch.concurrency", "", "%d is not between 1 and 16", w.Concurrency)
	check(!w.IncludeRaw || w.Format == "json", "cloudwatch.include_raw", "", "goes with format json only")
}
