// Package kaudit speaks the kernel's audit protocol over netlink.
//
// It has two halves that share nothing, because replies and records on one
// socket would mix. A Control sends commands and reads their replies: status,
// rules, registration of nobody. A Listener receives records and nothing else;
// the one command it ever sends is its own registration, which the kernel ties
// to the socket that asks.
//
// # What a Listener promises
//
// A record the kernel has handed over is in the Landing, a file mapping shared
// with the kernel's page cache, before any code of ours has touched it. If the
// process is killed there and then, the next one finds it with Landing.Left.
//
// # Not here
//
// No parsing of records, no rule language, no policy. Receive waits for the
// kernel and for Wake, never for anything else.
package kaudit
