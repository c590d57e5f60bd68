// Package redistest runs a Redis server for a test, in a temporary folder and by default
// without persistence. The server ends with the test, which can also stop, kill, pause,
// empty and restart it.
package redistest

import (
	"bufio"
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
)

// RequireVariable is the environment variable that, if set to "1", makes a test fail
// instead of skipping it when there is no server program.
const RequireVariable = "AGSAUTH_REQUIRE_REDIS"

// Server is a running or stopped server. Its methods fail the test on errors, and must be
// called from the goroutine of the test.
type Server struct {
	// Network and Addr are the address, as in redis.Options. They do not change.
	Network, Addr string

	tb      testing.TB
	program string
	folder  string
	args    []string
	running *process
	admin   *redis.Client
}

type process struct {
	command *exec.Cmd
	ended   chan struct{} // closed at the end of the output
	log     *strings.Builder

	mu       sync.Mutex // guards expected
	expected map[string]chan struct{}

	unwatch func() error // see watch
}

// Start starts a server on a Unix socket. The options are added to its command line, for
// example ("--appendonly", "yes"). Without a redis-server or valkey-server program it
// skips the test.
func Start(tb testing.TB, options ...string) *Server {
	tb.Helper()
	s := &Server{Network: "unix", tb: tb, program: find(tb), folder: tempFolder(tb)}
	s.Addr = filepath.Join(s.folder, "redis.sock")
	s.startFirst(append([]string{"--port", "0", "--unixsocket", s.Addr}, options...))
	return s
}

// StartTCP is [Start] with a port of the loopback address.
func StartTCP(tb testing.TB, options ...string) *Server {
	tb.Helper()
	s := &Server{Network: "tcp", Addr: freeAddr(tb), tb: tb, program: find(tb), folder: tempFolder(tb)}
	host, port, _ := net.SplitHostPort(s.Addr)
	s.startFirst(append([]string{"--port", port, "--bind", host}, options...))
	return s
}

// StartCluster starts a cluster of one node, which has all slots. Its Addr is what
// redis.ClusterOptions takes.
func StartCluster(tb testing.TB, options ...string) *Server {
	tb.Helper()
	_, bus, _ := net.SplitHostPort(freeAddr(tb))
	s := StartTCP(tb, append([]string{"--cluster-enabled", "yes", "--cluster-port", bus}, options...)...)
	s.Do("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
	// The state is down until the next check of the server.
	for s.Do("CLUSTER", "INFO"); !strings.Contains(s.Do("CLUSTER", "INFO").(string), "cluster_state:ok"); {
		if s.tb.Context().Err() != nil {
			s.tb.Fatal("redistest: the cluster does not start")
		}
	}
	return s
}

// find returns the path of the server program.
func find(tb testing.TB) string {
	tb.Helper()
	for _, name := range []string{"redis-server", "valkey-server"} {
		if program, err := exec.LookPath(name); err == nil {
			return program
		}
	}
	const missing = "no redis-server in the PATH: apt-get install redis-server, brew install redis"
	if os.Getenv(RequireVariable) == "1" {
		tb.Fatal(missing)
	}
	tb.Skip(missing)
	return ""
}

// tempFolder returns a folder with a short path, unlike tb.TempDir: the path of a socket
// has at most about 100 bytes.
func tempFolder(tb testing.TB) string {
	tb.Helper()
	folder, err := os.MkdirTemp("", "redis")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}

// freeAddr returns an address with a free port, below the ephemeral ports, which the
// system could assign to another process before the server listens.
func freeAddr(tb testing.TB) string {
	tb.Helper()
	const first, ports, tries = 12000, 20000, 100
	for range tries {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(first+rand.IntN(ports)))
		l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", addr)
		if err == nil {
			_ = l.Close()
			return addr
		}
	}
	tb.Fatal("redistest: there is no free port")
	return ""
}

func (s *Server) startFirst(args []string) {
	s.tb.Helper()
	s.args = append([]string{"--dir", s.folder}, args...)
	s.Restart()
	s.admin = redis.NewClient(s.Options())
	s.tb.Cleanup(func() {
		_ = s.admin.Close()
		if s.running != nil {
			s.end(os.Kill)
		}
	})
}

// Restart starts the server after Stop or Kill, and waits until it accepts connections.
func (s *Server) Restart() {
	s.tb.Helper()
	args := append([]string{"--save", "", "--appendonly", "no", "--daemonize", "no", "--loglevel", "notice"}, s.args...)
	// The context of the test ends before its cleanups.
	ctx := context.WithoutCancel(s.tb.Context())
	command := exec.CommandContext(ctx, s.program, args...)
	output, err := command.StdoutPipe()
	if err != nil {
		s.tb.Fatal(err)
	}
	command.Stderr = command.Stdout
	if err := command.Start(); err != nil {
		s.tb.Fatal(err)
	}
	unwatch, err := watch(ctx, command.Process.Pid, s.folder)
	if err != nil {
		s.tb.Fatal(errors.Join(err, command.Process.Kill(), command.Wait()))
	}
	p := &process{command: command, ended: make(chan struct{}), log: &strings.Builder{}, unwatch: unwatch}
	ready := make(chan struct{})
	go func() {
		defer close(p.ended)
		lines, isReady := bufio.NewScanner(output), false
		for lines.Scan() {
			p.log.WriteString(lines.Text() + "\n")
			p.logged(lines.Text())
			if !isReady && strings.Contains(lines.Text(), "eady to accept connections") {
				isReady = true
				close(ready)
			}
		}
	}()
	s.running = p
	select {
	case <-ready:
	case <-p.ended:
		s.running = nil
		_ = command.Wait()
		_ = unwatch()
		s.tb.Fatalf("redistest: %s did not start:\n%s", s.program, p.log)
	}
}

// ExpectLog returns a channel that is closed when the server logs a line that contains
// text.
func (s *Server) ExpectLog(text string) <-chan struct{} {
	s.tb.Helper()
	p, logged := s.process(), make(chan struct{})
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.expected == nil {
		p.expected = map[string]chan struct{}{}
	}
	p.expected[text] = logged
	return logged
}

func (p *process) logged(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for text, logged := range p.expected {
		if strings.Contains(line, text) {
			close(logged)
			delete(p.expected, text)
		}
	}
}

// Stop ends the server with an interrupt, so that it can persist its data.
func (s *Server) Stop() { s.tb.Helper(); s.end(os.Interrupt) }

// Kill kills the server.
func (s *Server) Kill() { s.tb.Helper(); s.end(os.Kill) }

func (s *Server) end(signal os.Signal) {
	s.tb.Helper()
	p := s.process()
	if err := p.command.Process.Signal(signal); err != nil {
		s.tb.Fatal(err)
	}
	<-p.ended
	_ = p.command.Wait()
	s.running = nil
	if err := p.unwatch(); err != nil {
		s.tb.Fatal(err)
	}
}

func (s *Server) process() *process {
	s.tb.Helper()
	if s.running == nil {
		s.tb.Fatal("redistest: the server is not running")
	}
	return s.running
}

// Options returns the options for a client, which the caller may change.
func (s *Server) Options() *redis.Options {
	return &redis.Options{Network: s.Network, Addr: s.Addr}
}

// Client returns a client that is closed at the end of the test.
func (s *Server) Client() *redis.Client { return s.ClientWith(s.Options()) }

// ClientWith returns a client with options that is closed at the end of the test.
func (s *Server) ClientWith(options *redis.Options) *redis.Client {
	client := redis.NewClient(options)
	s.tb.Cleanup(func() { _ = client.Close() })
	return client
}

// Flush removes all keys.
func (s *Server) Flush() { s.tb.Helper(); s.Do("FLUSHALL") }

// Do runs a command and returns its result.
func (s *Server) Do(command ...any) any {
	s.tb.Helper()
	result, err := s.admin.Do(s.tb.Context(), command...).Result()
	if err != nil {
		s.tb.Fatalf("redistest: %v: %v", command[0], err)
	}
	return result
}

// Calls returns how often each command was called since the start or the last ResetCalls.
// The keys are lower-case names, with a bar before a subcommand. Calls by scripts count.
func (s *Server) Calls() map[string]int {
	s.tb.Helper()
	info, err := s.admin.Info(s.tb.Context(), "commandstats").Result()
	if err != nil {
		s.tb.Fatal(err)
	}
	calls := map[string]int{}
	for line := range strings.Lines(info) {
		name, values, found := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "cmdstat_"), ":calls=")
		if !found {
			continue
		}
		number, _, _ := strings.Cut(values, ",")
		if calls[name], err = strconv.Atoi(number); err != nil {
			s.tb.Fatal(err)
		}
	}
	return calls
}

// ResetCalls resets the counts of Calls.
func (s *Server) ResetCalls() { s.tb.Helper(); s.Do("CONFIG", "RESETSTAT") }
