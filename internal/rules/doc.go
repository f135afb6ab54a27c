// Package rules is the language of audit rules: what auditctl(8) reads, what
// the kernel takes, and what auditctl -l prints.
//
// A line is parsed to a Rule, a Rule encodes to the bytes of the kernel's
// struct audit_rule_data and back, and prints as auditctl lists it. Accepted,
// refused, encoded and printed as auditctl 3.0.9 does; the kernel's bytes are
// the judge. What auditctl lacks is the io_uring list.
//
// A Watch is an intent (this directory, these operations) which Expand turns
// into the rules that a machine needs for it. MakePlan compares what sources
// want with what the kernel holds and with what was ours before (State), and a
// Plan applies all of it or nothing.
//
// # Not here
//
// No sockets: the kernel is behind an interface. No commands are run. Paths and
// accounts are looked up through Options only.
package rules
