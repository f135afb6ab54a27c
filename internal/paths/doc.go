// Package paths finds the true paths of the names in events.
//
// # Promise
//
// No path is invented. The kernel prints the caller's working directory as the
// parent of a name that was given relative to a directory descriptor. Such a
// name is resolved only when facts about inodes, or a look at the running system,
// prove where the directory was; otherwise the event says that its path is the
// caller's claim, or that it is unresolved, and carries the directory's inode.
//
// # Not here
//
// No clock, no files, no network: a [Lookup] answers what only the running system
// knows, and Tick brings the time.
package paths
