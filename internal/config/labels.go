package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Bounds of labels: each is in every event, and a dimension of the metrics.
const (
	mostLabels    = 10
	maxLabelValue = 128 // bytes
)

// labelName is how the keys of an event look.
var labelName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)

// takenNames are the keys that events and metrics have of their own, or will have.
var takenNames = strings.Fields("_aws access_point action also auid auid_name backfilled boot_id cause chain cmd cmd_hex comm comm_hex config container " +
	"container_name count count_at_least cwd cwd_hex dest dest_from dest_hex dest_parent dest_parent_hex dest_parent_inode " +
	"detail dev errno error every exchange exe exe_hex from fs_id fstype gaps host id image inode key labels login_addr " +
	"login_term lost mode namespace oldest op overwrote parent parent_cmd parent_exe parent_hex parent_inode partial path " +
	"path_from path_hex pid planned pod pod_uid ppid principal raw removed rules rules_wanted sender_port seq ses ssm_session " +
	"success syscall target target_hex time to truncated tty type uid uid_name undelivered_bytes unit v version watched " +
	"delivered_events kernel_lost_records delivery_lag_seconds kernel_backlog_records journal_bytes")

// validateLabels refuses labels that could be taken for something that an event says
// itself, or that CloudWatch takes for no dimension.
func (c *Config) validateLabels(check checkFunc) {
	check(len(c.Labels) <= mostLabels, "labels", "", "%d labels are more than %d", len(c.Labels), mostLabels)
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		key, value := "labels."+name, c.Labels[name]
		check(labelName.MatchString(name), key, "", "a label's name is a lower-case letter, then at most 31 letters, digits and _")
		taken := slices.Contains(takenNames, name) || strings.HasPrefix(name, "msg_") || strings.HasPrefix(name, "also_")
		check(!taken, key, "choose another name", "events have a key %q of their own", name)
		check(strings.TrimSpace(value) != "", key, "", "must not be empty")
		check(len(value) <= maxLabelValue, key, "", "longer than %d bytes", maxLabelValue)
		strange := strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' })
		check(!strange, key, "", "%q has a character that CloudWatch takes in no dimension: printable ASCII only", value)
	}
}
