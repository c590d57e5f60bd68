// Command embedded measures the embedded databases that could store the records of many
// sessions on one machine, and writes RESULTS.md: GOWORK=off go run . in this folder takes
// some five minutes. Each candidate runs in a process of its own, and groups the Saves that
// come while it commits into the next transaction, as package boltstore does.
//
// It is a separate module, so that no other one depends on the candidates.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

func main() {
	var p plan
	flag.IntVar(&p.records, "records", 100_000, "number of sessions")
	flag.IntVar(&p.rate, "rate", 500, "steady Saves a second")
	flag.DurationVar(&p.steady, "for", 20*time.Second, "how long to save at that rate")
	flag.IntVar(&p.size, "size", 2500, "bytes of a record")
	of := flag.String("of", "", "measure only this candidate, and print JSON")
	dir := flag.String("dir", "", "where to create the databases; by default the folder of temporary files")
	out := flag.String("out", "RESULTS.md", "where to write the results")
	flag.Parse()
	ctx := context.Background()
	var err error
	if *of != "" {
		err = child(ctx, *of, *dir, p)
	} else {
		err = all(ctx, *dir, *out, p)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child measures one candidate.
func child(ctx context.Context, name, dir string, p plan) error {
	for _, c := range candidates() {
		if c.name != name {
			continue
		}
		folder, err := os.MkdirTemp(dir, "embedded-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(folder) }()
		f, err := measure(ctx, c, folder, p)
		return errors.Join(err, json.NewEncoder(os.Stdout).Encode(f))
	}
	return fmt.Errorf("there is no candidate %q", name)
}

// all measures all candidates, one after the other, and writes the results.
func all(ctx context.Context, dir, out string, p plan) error {
	known, err := realRecord(ctx)
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	var names []string
	var results []figures
	for _, c := range candidates() {
		command := exec.CommandContext(ctx, program, "-of", c.name, "-dir", dir, "-for", p.steady.String(),
			"-records", fmt.Sprint(p.records), "-rate", fmt.Sprint(p.rate), "-size", fmt.Sprint(p.size))
		command.Stderr = os.Stderr
		output, err := command.Output()
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		var f figures
		if err := json.Unmarshal(output, &f); err != nil {
			return err
		}
		names, results = append(names, c.name+" ("+c.settings+")"), append(results, f)
		fmt.Printf("%s: %+v\n", c.name, f)
	}
	return os.WriteFile(out, []byte(report(p, len(known), names, results)), 0o600)
}

// report returns the results as a document.
func report(p plan, known int, names []string, results []figures) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<!-- Made by bench/embedded. Do not edit. -->\n# Embedded databases for the records of many sessions\n\n")
	fmt.Fprintf(&b, "%d records of %d bytes (that of a session with the test gateway has %d), on %s with %d cores (%s/%s), load %s at the end.\n",
		p.records, p.size, known, runtime.Version(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, load())
	fmt.Fprintf(&b, "Steady: %d Saves a second of random records for %v, all synced to disk; those that come during a commit are the next one.\n\n", p.rate, p.steady)
	fmt.Fprintf(&b, "| | %s |\n|---%s|\n", strings.Join(names, " | "), strings.Repeat("|---", len(names)))
	row := func(name, format string, value func(f figures) []any) {
		fmt.Fprintf(&b, "| %s ", name)
		for _, f := range results {
			fmt.Fprintf(&b, "| "+format+" ", value(f)...)
		}
		fmt.Fprintf(&b, "|\n")
	}
	row("load, 1,000 a transaction", "%.1f s", func(f figures) []any { return []any{f.LoadSeconds} })
	row("file", "%.0f MB", func(f figures) []any { return []any{f.SizeMB} })
	row("restart: open and read all", "%.2f s", func(f figures) []any { return []any{f.RestartSeconds} })
	row("heap while open", "%.1f MB", func(f figures) []any { return []any{f.HeapMB} })
	row("steady: commits", "%d", func(f figures) []any { return []any{f.Steady.Commits} })
	row("steady: median, 99 %, worst", "%.1f, %.1f, %.1f ms", func(f figures) []any { return []any{f.Steady.Median, f.Steady.P99, f.Steady.Worst} })
	row("steady: processor, of one core", "%.0f %%", func(f figures) []any { return []any{f.Steady.CPUPercent} })
	row("steady: written to disk", "%.0f MB", func(f figures) []any { return []any{f.WrittenMB} })
	row("a thousand Saves at once: all done, commits", "%.0f ms, %d", func(f figures) []any { return []any{1000 * f.Herd.Seconds, f.Herd.Commits} })
	row("files at the end", "%.0f MB", func(f figures) []any { return []any{f.SizeAfterMB} })
	row("resident memory, of which the process's own", "%.0f, %.0f MB", func(f figures) []any { return []any{f.ResidentMB, f.AnonymousMB} })
	return b.String()
}

func load() string {
	text, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(text), " ")
	if first == "" {
		return "unknown"
	}
	return first
}
