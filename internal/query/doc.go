// Package query reads events of the past, to search and to report.
//
// # Sources
//
// A [Source] streams events in the order of their time, as ausearch does, with
// bounded memory. [OpenJournal] reads a host's journal, delivered history
// included, whether the daemon runs or not; [OpenLog] reads audit.log files
// (plain, ENRICHED, compressed, a directory of rotated ones); [OpenReader]
// reads anything that streams such lines, as stdin does.
//
//	src, err := query.OpenLog("/var/log/audit", query.Options{Facts: true})
//	for {
//		e, err := src.Next()
//		if err == io.EOF { break }
//		…
//	}
//
// # Events
//
// An [Event] is its records, as lines of audit.log, and, if [Options] asked for
// them, its [Facts]: what the records mean, with true paths. Facts cost time,
// since they need every record of the log parsed; the lines alone do not. A
// source without records (a log group in JSON) has events with Facts and JSON
// and without Records.
//
// [Options].Keep sees every event before its facts are known, and says whether
// it is wanted: what is not kept still teaches where directories are. A
// condition on facts is the caller's to apply to what Next returns.
//
// # Times
//
// [Clock].Start and [Clock].End understand what ausearch does after -ts and -te, RFC 3339
// and, in [Clock].Since, durations.
package query
