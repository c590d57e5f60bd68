// Benchtoken measures what a call of "agsauth token" costs while there is a live session,
// beside "agsauth version", which does nothing.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/agsauth/agsauth/agstest"
)

const rounds = 100

func main() {
	out := flag.String("out", "", "write the result to this `file`")
	flag.Parse()
	if err := run(context.Background(), *out); err != nil {
		fmt.Fprintln(os.Stderr, "benchtoken:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out string) (err error) {
	home, err := os.MkdirTemp("", "benchtoken")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	srv := agstest.NewServer(agstest.Config{})
	defer srv.Close()
	b := bench{binary: filepath.Join(home, "program"), home: home}
	if err := b.prepare(ctx, srv.URL); err != nil {
		return err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "Written by cmd/agsauth/internal/command/benchtoken. %s, %d cores. Medians of %d calls.\n\n", runtime.Version(), runtime.NumCPU(), rounds)
	fmt.Fprintf(&text, "%18s%16s%10s%12s\n", "", "processor time", "wall", "memory")
	for _, command := range []string{"version", "token"} {
		costs, err := b.measure(ctx, command)
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%18s%16s%10s%9.1f MB\n", "agsauth "+command, costs.cpu.Round(100*time.Microsecond),
			costs.wall.Round(100*time.Microsecond), float64(costs.memory)/1e6)
	}
	if out == "" {
		_, err = io.WriteString(os.Stdout, text.String())
		return err
	}
	return os.WriteFile(out, []byte(text.String()), 0o600)
}

// bench is the program with a home of its own.
type bench struct{ binary, home string }

// prepare builds the program and signs on.
func (b bench) prepare(ctx context.Context, gateway string) error {
	build := exec.CommandContext(ctx, "go", "build", "-o", b.binary, "github.com/agsauth/agsauth/cmd/agsauth")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build: %w", err)
	}
	params := filepath.Join(b.home, "params")
	content := "username=" + agstest.DefaultUsername + "\npassword=" + agstest.DefaultPassword + "\n"
	if err := os.WriteFile(params, []byte(content), 0o600); err != nil {
		return err
	}
	return b.command(ctx, "login", "--gateway", gateway, "--param-file", params).Run()
}

func (b bench) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, b.binary, args...)
	cmd.Env = []string{"HOME=" + b.home, "XDG_STATE_HOME=" + b.home, "XDG_CONFIG_HOME=" + b.home}
	cmd.Stderr = os.Stderr
	return cmd
}

// cost is what a call has cost.
type cost struct {
	cpu, wall time.Duration
	memory    int64 // bytes at the peak; 0 if unknown
}

// measure returns the medians of many calls.
func (b bench) measure(ctx context.Context, command string) (cost, error) {
	var costs []cost
	for range rounds {
		cmd := b.command(ctx, command)
		began := time.Now()
		if err := cmd.Run(); err != nil {
			return cost{}, fmt.Errorf("%s: %w", command, err)
		}
		state := cmd.ProcessState
		costs = append(costs, cost{state.UserTime() + state.SystemTime(), time.Since(began), peakMemory(state)})
	}
	return cost{
		median(costs, func(c cost) time.Duration { return c.cpu }),
		median(costs, func(c cost) time.Duration { return c.wall }),
		median(costs, func(c cost) int64 { return c.memory }),
	}, nil
}

func median[T cmp.Ordered](costs []cost, of func(cost) T) T {
	var values []T
	for _, c := range costs {
		values = append(values, of(c))
	}
	slices.Sort(values)
	return values[len(values)/2]
}
