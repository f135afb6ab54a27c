// Package logstest is a CloudWatch Logs endpoint in memory, stricter than the
// real one is in practice: it enforces every limit which the service documents,
// so that a client which gets by here needs no luck there. It speaks awsJson1_1
// over HTTP, as the AWS SDK does.
//
// A request that breaks a limit is answered as the service would, and noted as
// a violation. A well-behaved client causes none, whatever happens to it; what
// happens to it is scripted with Faults.
//
// Times come from Options.Now, so that tests may run on a clock of their own.
// Memory is bounded only by what the server is given to keep.
package logstest
