//go:build unix

// Command handshake measures what the TLS handshakes of refreshes cost. It refreshes
// over loopback TLS with a connection for each refresh and with kept connections, and
// writes the processor time of the client and of the server, which is a process of its
// own, and the duration.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	rounds := flag.Int("rounds", 10, "how often each way is measured, in turn")
	refreshes := flag.Int("refreshes", 500, "how many refreshes in a row")
	out := flag.String("out", "", "the file for the results; standard output if empty")
	serve := flag.Bool("serve", false, "be the server")
	flag.Parse()
	if err := run(*serve, *rounds, *refreshes, *out); err != nil {
		fmt.Fprintln(os.Stderr, "handshake:", err)
		os.Exit(1)
	}
}

func run(serve bool, rounds, refreshes int, out string) error {
	if serve {
		return runServer(os.Stdin, os.Stdout)
	}
	results, err := measure(rounds, refreshes)
	if err != nil {
		return err
	}
	if out == "" {
		return report(os.Stdout, results, rounds, refreshes)
	}
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	if err := report(f, results, rounds, refreshes); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

// report writes the medians.
func report(w io.Writer, results []*result, rounds, refreshes int) error {
	if _, err := fmt.Fprintf(w, `Written by bench/cmd/handshake. %s. Medians of %d rounds of %d refreshes in a row, over loopback; each refresh.
TLS 1.3, a P-256 certificate, no session resumption. The server is a process of its own.

%-38s %12s %14s %14s %14s
`, machine(), rounds, refreshes, "", "connections", "client's CPU", "server's CPU", "time"); err != nil {
		return err
	}
	for _, r := range results {
		if _, err := fmt.Fprintf(w, "%-38s %12.3f %11.0f µs %11.0f µs %11.0f µs\n",
			r.name, median(r.connections), median(r.client), median(r.server), median(r.time)); err != nil {
			return err
		}
	}
	return nil
}
