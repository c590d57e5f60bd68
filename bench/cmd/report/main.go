// Command report generates RESULTS.md and the charts from the measurements of
// bench/run.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"

	"github.com/agsauth/agsauth/bench/internal/scenario"
)

func main() {
	dir := flag.String("results", "results", "folder of the measurements")
	out := flag.String("out", "RESULTS.md", "file of the report")
	charts := flag.String("charts", "charts", "folder of the charts")
	outage := flag.Bool("outage", false, "draw the chart of the outage only")
	flag.Parse()
	if *outage {
		if err := drawOutage(filepath.Join(*dir, "outage.csv"), filepath.Join(*charts, "outage.svg")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if err := report(*dir, *out, *charts); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func report(dir, out, charts string) error {
	m, err := read(dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(charts, 0o755); err != nil {
		return err
	}
	if err := m.drawLatencies(filepath.Join(charts, "refresh.svg")); err != nil {
		return err
	}
	if err := m.drawCached(filepath.Join(charts, "cached.svg")); err != nil {
		return err
	}
	var text strings.Builder
	m.write(&text, charts)
	return os.WriteFile(out, []byte(text.String()), 0o644)
}

// measurements holds all results.
type measurements struct {
	machine   string
	micro     map[string]micro // by name
	scenarios []scenario.Result
}

// micro is the result of one micro-benchmark over all its runs.
type micro struct {
	time          benchmath.Summary // nanoseconds
	allocs, bytes float64
	runs          int
}

func read(dir string) (*measurements, error) {
	machine, err := os.ReadFile(filepath.Join(dir, "machine.txt"))
	if err != nil {
		return nil, err
	}
	m := &measurements{machine: strings.TrimSpace(string(machine))}
	if m.micro, err = readMicro(filepath.Join(dir, "bench.txt")); err != nil {
		return nil, err
	}
	m.scenarios, err = readScenarios(filepath.Join(dir, "scenarios.json"))
	return m, err
}

func readMicro(path string) (map[string]micro, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	times, allocs, bytes := map[string][]float64{}, map[string]float64{}, map[string]float64{}
	for r := benchfmt.NewReader(file, path); r.Scan(); {
		result, ok := r.Result().(*benchfmt.Result)
		if !ok {
			continue
		}
		name := result.Name.String()
		if v, ok := result.Value("sec/op"); ok {
			times[name] = append(times[name], v*1e9)
		}
		allocs[name], _ = result.Value("allocs/op")
		bytes[name], _ = result.Value("B/op")
	}
	all := map[string]micro{}
	for name, values := range times {
		sample := benchmath.NewSample(values, &benchmath.DefaultThresholds)
		all[name] = micro{benchmath.AssumeNothing.Summary(sample, 0.95), allocs[name], bytes[name], len(values)}
	}
	return all, nil
}

func readScenarios(path string) ([]scenario.Result, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	var all []scenario.Result
	for dec := json.NewDecoder(bufio.NewReader(file)); ; {
		var r scenario.Result
		if err := dec.Decode(&r); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
}

// figures returns the figures of one job, by implementation.
func (m *measurements) figures(job string) map[string]map[string]float64 {
	all := map[string]map[string]float64{}
	for _, r := range m.scenarios {
		if r.Job == job {
			all[r.Of] = r.Figures
		}
	}
	return all
}
