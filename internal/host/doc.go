// Package host tells what only the running system knows: where file systems are
// mounted, what a process has open, which user has a number, in which unit a process
// runs.
//
// Other people's processes and paths may hang whoever looks at them: a dead file
// server, a FUSE file system, a process whose memory map is held. So no answer is
// waited for without a deadline.
//
// It decides nothing: what a look proves is the resolver's to say.
package host
