// Command many measures what very many sessions cost: a pool.Pool beside one Source and
// one Run for each session, and beside a map of oauth2.ReuseTokenSource. Each row is
// measured in a process of its own, one after the other.
//
//	go run . -out ../results/many.txt
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// row is one measurement. It prints figures.
type row struct {
	name, what string
	measure    func(*figures, settings) error
}

// settings is how many sessions a row has.
type settings struct {
	sessions, due int
	tokens        float64 // what the tokens of a session take in memory, in bytes
	redis, file   string  // where the records of the rows about a restart are
}

// figures are the results of a row, in order.
type figures struct {
	Names  []string
	Values []string
}

func (f *figures) add(name, format string, values ...any) {
	f.Names = append(f.Names, name)
	f.Values = append(f.Values, fmt.Sprintf(format, values...))
}

func rows() []row {
	return []row{
		{"rest pool", "a pool at rest, sessions loaded from Redis", restPool},
		{"rest dormant", "the same, all evicted", restDormant},
		{"rest sources", "one Source and one Run each, in memory", restSources},
		{"rest oauth2", "a map of oauth2.ReuseTokenSource, in memory", restOAuth2},
		{"restart redis", "a pool loads all from Redis", restartRedis},
		{"restart bolt", "a pool loads all from a file of boltstore", restartBolt},
		{"due pool", "a pool, all due when it starts, over Redis", duePool},
		{"due sources", "one Source and one Run each, all due, over Redis", dueSources},
	}
}

func main() {
	s := settings{}
	flag.IntVar(&s.sessions, "sessions", 1_000_000, "sessions of the rows about rest and restart")
	flag.IntVar(&s.due, "due", 100_000, "sessions of the rows about those that are due")
	flag.StringVar(&s.redis, "redis", "", "address of the server of a row")
	flag.StringVar(&s.file, "file", "", "file of a row")
	only := flag.String("only", "", "run the rows that contain this")
	measure := flag.String("measure", "", "measure one row, in this process")
	out := flag.String("out", "", "where to write the results, besides the terminal")
	flag.Parse()
	run := func() error { return runRows(s, *only, *out) }
	if *measure != "" {
		run = func() error { return measureRow(s, *measure) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "many:", err)
		os.Exit(1)
	}
}

// measureRow measures a row, and prints its figures as JSON.
func measureRow(s settings, name string) error {
	for _, r := range rows() {
		if r.name != name {
			continue
		}
		f := &figures{}
		s.tokens = tokenBytes() // before there are sessions, whose heap would disturb that
		if err := r.measure(f, s); err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(f)
	}
	return fmt.Errorf("there is no row %q", name)
}

// runRows measures the rows, each in a process of its own.
func runRows(s settings, only, out string) error {
	var text strings.Builder
	w := io.MultiWriter(os.Stdout, &text)
	fmt.Fprintf(w, "%d sessions (%d where all are due), %s, %d cores, load %s\n", s.sessions, s.due, runtime.Version(), runtime.NumCPU(), load())
	data, err := prepare(s, only)
	if err != nil {
		return err
	}
	defer data.close()
	for _, r := range rows() {
		if !strings.Contains(r.name, only) {
			continue
		}
		f, err := inProcess(r.name, data.settings(s, r.name))
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		fmt.Fprintf(w, "\n%s: %s\n", r.name, r.what)
		for i, name := range f.Names {
			fmt.Fprintf(w, "  %-44s %s\n", name, f.Values[i])
		}
	}
	if out == "" {
		return nil
	}
	return os.WriteFile(out, []byte(text.String()), 0o644)
}

func inProcess(name string, s settings) (*figures, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(context.Background(), self, "-measure", name, "-sessions", fmt.Sprint(s.sessions), "-due", fmt.Sprint(s.due), "-redis", s.redis, "-file", s.file)
	cmd.Stderr = os.Stderr
	printed, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	f := &figures{}
	return f, json.Unmarshal(printed, f)
}

func load() string {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Fields(string(data))[0]
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
