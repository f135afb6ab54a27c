package main

// What `aws setup` puts beside the log group. deploy/cloudformation and
// deploy/terraform hold the same; a test compares them.

const metricNamespace = "auditshipper"

// A metricFilter counts events that match Pattern, in CloudWatch Logs' JSON
// filter syntax, as Metric. It works on the json format.
type metricFilter struct {
	Name    string
	Pattern string
	Metric  string
}

var metricFilters = []metricFilter{
	{"auditshipper-deletes", `{ ($.action = "delete") && ($.success IS TRUE) }`, "Deletes"},
	{"auditshipper-denied", `{ ($.errno = "EACCES") || ($.errno = "EPERM") }`, "Denied"},
	{"auditshipper-gaps", `{ $.action = "gap" }`, "Gaps"},
	{"auditshipper-rules-changed", `{ $.action = "rules" }`, "RulesChanged"},
}

// A savedQuery is a Logs Insights query people find by its name.
type savedQuery struct {
	Name string
	Text string
}

// Failed calls are told by errno: they alone have one.
var savedQueries = []savedQuery{
	{"auditshipper/who deleted what", `fields @timestamp, host, coalesce(auid_name, uid_name) as who, comm, path
| filter action = "delete" and not ispresent(errno)
| sort @timestamp desc
| limit 1000`},
	{"auditshipper/who renamed what", `fields @timestamp, host, coalesce(auid_name, uid_name) as who, comm, path, dest
| filter action = "rename" and not ispresent(errno)
| sort @timestamp desc
| limit 1000`},
	{"auditshipper/top deleters", `filter action = "delete" and not ispresent(errno)
| stats count(*) as deletions, min(@timestamp) as since, max(@timestamp) as until by coalesce(auid_name, uid_name) as who, host, exe
| sort deletions desc
| limit 100`},
	{"auditshipper/refused", `fields @timestamp, host, coalesce(auid_name, uid_name) as who, comm, action, errno, coalesce(path, parent) as place
| filter ispresent(errno)
| sort @timestamp desc
| limit 1000`},
	{"auditshipper/gaps", `fields @timestamp, host, cause, @message
| filter action = "gap"
| sort @timestamp desc
| limit 1000`},
}
