// Command endpoint serves the tests' CloudWatch Logs on an address until it is
// killed, for tests in which it must be another process.
//
//	endpoint 127.0.0.1:4586
package main

import (
	"fmt"
	"os"

	"github.com/auditshipper/auditshipper/internal/logstest"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: endpoint HOST:PORT")
		os.Exit(2)
	}
	url, err := logstest.New(logstest.Options{}).Start(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "endpoint:", err)
		os.Exit(1)
	}
	fmt.Println(url)
	select {}
}
