// Command sharedrate compares two ways in which processes can share the rate of a gateway
// through Redis: the rate is divided by those alive ([redisstore.Shares], a Gate in each
// process), and a bucket in Redis is asked for each start, or for a batch of starts.
//
// It starts a Redis server, and itself again as 2 and then 4 processes for each way. All
// want to start more than the rate allows. Redis is paused for 5 seconds, and later one
// process is killed. It prints a table; bench/results/shared-rate.txt is its output.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	perSecond = 200
	workers   = 8 // of each process, which want to start calls without a pause
	settling  = 9 * time.Second
	steady    = 10 * time.Second
	paused    = 5 * time.Second
	recovery  = 8 * time.Second
	death     = 12 * time.Second
)

func main() {
	child := flag.String("child", "", "run as a process that shares the rate in this way")
	socket := flag.String("socket", "", "the Redis server of a child")
	flag.Parse()
	var err error
	if *child != "" {
		err = runChild(*child, *socket)
	} else {
		err = run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const head = `Processes that share a rate of %d starts a second over Redis, and want to start more. They start together and have %v;
then starts and Redis commands (without those inside of scripts) are counted for %v; then Redis is paused for %v; %v later one
of the processes is killed, and starts are counted for %v. The worst second is that of the whole run. The wait is the time that
a start waits for an answer of Redis.

                           processes  starts/s     worst commands/s     wait      wait starts in starts/s
                                                  second           (median)    (99 %%) the pause after kill
`

func run() error {
	fmt.Printf(head, perSecond, settling, steady, paused, recovery, death)
	for _, way := range []string{wayDivided, wayBucket, wayBatches} {
		for _, n := range []int{2, 4} {
			m, err := measure(way, n)
			if err != nil {
				return fmt.Errorf("%s with %d processes: %w", way, n, err)
			}
			fmt.Printf("%-26s %9d %9.1f %9d %9.1f %9v %9v %9d %9.1f\n", way, n, m.rate, m.worst, m.commands, m.median, m.p99, m.pausedStarts, m.afterKill)
		}
	}
	return nil
}

// A start is the start of a call by a process.
type start struct {
	at   time.Time
	wait time.Duration // for Redis
}

// starts are those of all processes.
type starts struct {
	mu  sync.Mutex
	all []start
}

func (s *starts) read(p *exec.Cmd) error {
	out, err := p.StdoutPipe()
	if err != nil {
		return err
	}
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			at, wait, _ := strings.Cut(lines.Text(), " ")
			nanos, err1 := strconv.ParseInt(at, 10, 64)
			waited, err2 := strconv.ParseInt(wait, 10, 64)
			if errors.Join(err1, err2) != nil {
				continue // the last line of a process that was killed
			}
			s.mu.Lock()
			s.all = append(s.all, start{time.Unix(0, nanos), time.Duration(waited)})
			s.mu.Unlock()
		}
	}()
	return nil
}

// between returns the starts in a span of time, in order.
func (s *starts) between(from, to time.Time) []start {
	s.mu.Lock()
	defer s.mu.Unlock()
	var some []start
	for _, st := range s.all {
		if !st.at.Before(from) && st.at.Before(to) {
			some = append(some, st)
		}
	}
	slices.SortFunc(some, func(a, b start) int { return a.at.Compare(b.at) })
	return some
}

// worst returns the starts in the second that has most of them. A second may begin at any
// time, and its end is not part of it.
func worst(all []start) (most int) {
	first := 0
	for i, st := range all {
		for st.at.Sub(all[first].at) >= time.Second {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// measurement is a row of the table.
type measurement struct {
	rate         float64 // starts a second
	worst        int     // starts in the worst second of the whole run
	commands     float64 // a second
	median, p99  time.Duration
	pausedStarts int
	afterKill    float64 // starts a second
}

func measure(way string, n int) (m measurement, err error) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	server, socket, client, err := startServer(ctx)
	if err != nil {
		return m, err
	}
	defer func() { _ = client.Close() }()
	var s starts
	processes := make([]*exec.Cmd, n)
	for i := range processes {
		processes[i] = exec.CommandContext(ctx, os.Args[0], "-child", way, "-socket", socket)
		processes[i].Stderr = os.Stderr
		if err := errors.Join(s.read(processes[i]), processes[i].Start()); err != nil {
			return m, err
		}
	}
	time.Sleep(settling)
	before, begin := commands(ctx, client), time.Now()
	time.Sleep(steady)
	end, after := time.Now(), commands(ctx, client)
	all := s.between(begin, end)
	m.rate = float64(len(all)) / end.Sub(begin).Seconds()
	m.commands = float64(after-before) / end.Sub(begin).Seconds()
	m.median, m.p99 = quantiles(all)

	begin = time.Now()
	if err := server.Process.Signal(syscall.SIGSTOP); err != nil {
		return m, err
	}
	time.Sleep(paused)
	end = time.Now()
	if err := server.Process.Signal(syscall.SIGCONT); err != nil {
		return m, err
	}
	time.Sleep(recovery)
	m.pausedStarts = len(s.between(begin, end))

	begin = time.Now()
	if err := processes[0].Process.Kill(); err != nil {
		return m, err
	}
	time.Sleep(death)
	m.worst = worst(s.between(time.Time{}, time.Now()))
	m.afterKill = float64(len(s.between(begin, begin.Add(death)))) / death.Seconds()
	return m, nil
}

func quantiles(all []start) (median, p99 time.Duration) {
	if len(all) == 0 {
		return 0, 0
	}
	waits := make([]time.Duration, 0, len(all))
	for _, st := range all {
		waits = append(waits, st.wait)
	}
	slices.Sort(waits)
	return waits[len(waits)/2].Round(time.Microsecond), waits[len(waits)*99/100].Round(time.Microsecond)
}

// commands returns how many scripts the server has run.
func commands(ctx context.Context, client *redis.Client) (n int) {
	info, _ := client.Info(ctx, "commandstats").Result()
	for line := range strings.Lines(info) {
		if name, rest, _ := strings.Cut(line, ":calls="); strings.HasPrefix(name, "cmdstat_eval") {
			calls, _, _ := strings.Cut(rest, ",")
			count, _ := strconv.Atoi(calls)
			n += count
		}
	}
	return n
}

// startServer starts a Redis server on a Unix socket. It runs until ctx ends.
func startServer(ctx context.Context) (server *exec.Cmd, socket string, client *redis.Client, err error) {
	dir, err := os.MkdirTemp("", "bench-sharedrate-")
	if err != nil {
		return nil, "", nil, err
	}
	context.AfterFunc(ctx, func() { _ = os.RemoveAll(dir) })
	socket = filepath.Join(dir, "redis.sock")
	server = exec.CommandContext(ctx, "redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", dir)
	if err := server.Start(); err != nil {
		return nil, "", nil, fmt.Errorf("redis-server: %w", err)
	}
	client = redis.NewClient(&redis.Options{Network: "unix", Addr: socket})
	for range 100 {
		if err = client.Ping(ctx).Err(); err == nil {
			return server, socket, client, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil, "", nil, err
}
