// Package redistest runs a Redis server of its own for a test: on a socket in a
// folder of its own, with nothing kept on disk unless asked for, and gone when the
// test is over. A test can stop it, kill it, pause it, empty it and bring it back.
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

// RequireVariable names the environment variable that makes a missing server a
// failure: where it is "1" no test is skipped.
const RequireVariable = "AGSAUTH_REQUIRE_REDIS"

// Server is a running server, or one that was stopped. Its methods fail the test
// where they cannot do what they say, and are called from its own goroutine.
type Server struct {
	// Network and Addr are where it listens, before and after a Restart: what
	// another process needs to know, as redis.Options has it.
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
	drained chan struct{} // closed when it will say no more
	log     *strings.Builder

	mu       sync.Mutex // guards expected
	expected map[string]chan struct{}

	callOff func() error // of who watches over it
}

// Start starts a server on a Unix socket, with options of its command line added
// to those that make it one of ours: ("--appendonly", "yes"), say. Without a
// redis-server or valkey-server to run it skips the test.
func Start(tb testing.TB, options ...string) *Server {
	tb.Helper()
	program, folder := find(tb), folderOf(tb)
	addr := filepath.Join(folder, "redis.sock")
	s := &Server{
		Network: "unix", Addr: addr, tb: tb, program: program, folder: folder,
		args: append([]string{"--port", "0", "--unixsocket", addr, "--dir", folder}, options...),
	}
	s.begin()
	return s
}

// StartTCP is [Start] with a port of the loopback address.
func StartTCP(tb testing.TB, options ...string) *Server {
	tb.Helper()
	program, folder := find(tb), folderOf(tb)
	addr := freeAddr(tb)
	_, port, _ := net.SplitHostPort(addr)
	s := &Server{
		Network: "tcp", Addr: addr, tb: tb, program: program, folder: folder,
		args: append([]string{"--port", port, "--bind", "127.0.0.1", "--dir", folder}, options...),
	}
	s.begin()
	return s
}

// StartCluster starts a cluster of one node, which has all slots. Its Addr is what
// redis.ClusterOptions takes.
func StartCluster(tb testing.TB, options ...string) *Server {
	tb.Helper()
	_, bus, _ := net.SplitHostPort(freeAddr(tb))
	s := StartTCP(tb, append([]string{"--cluster-enabled", "yes", "--cluster-port", bus}, options...)...)
	s.Do("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
	// It takes itself for down until it has looked again.
	for s.Do("CLUSTER", "INFO"); !strings.Contains(s.Do("CLUSTER", "INFO").(string), "cluster_state:ok"); {
		if s.tb.Context().Err() != nil {
			s.tb.Fatal("redistest: the cluster does not come up")
		}
	}
	return s
}

// find returns the program to run.
func find(tb testing.TB) string {
	tb.Helper()
	for _, name := range []string{"redis-server", "valkey-server"} {
		if program, err := exec.LookPath(name); err == nil {
			return program
		}
	}
	const missing = "no redis-server in the path: apt-get install redis-server, brew install redis"
	if os.Getenv(RequireVariable) == "1" {
		tb.Fatal(missing)
	}
	tb.Skip(missing)
	return ""
}

// folderOf returns a folder with a short name: that of a socket has 100 bytes or
// so at most, and tb.TempDir's is made of the test's.
func folderOf(tb testing.TB) string {
	tb.Helper()
	folder, err := os.MkdirTemp("", "redis")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}

// freeAddr returns an address that nobody listens on. Its port lies below those that
// a system hands out by itself (from 32768 on Linux, 49152 elsewhere): one of those
// could be given to another process before the server listens on it.
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

// begin starts the server for the first time.
func (s *Server) begin() {
	s.tb.Helper()
	s.Restart()
	s.admin = redis.NewClient(s.Options())
	s.tb.Cleanup(func() {
		_ = s.admin.Close()
		if s.running != nil {
			s.end(os.Kill)
		}
	})
}

// Restart starts the server again after a Stop or Kill. It returns when it takes
// connections.
func (s *Server) Restart() {
	s.tb.Helper()
	args := append([]string{"--save", "", "--appendonly", "no", "--daemonize", "no", "--loglevel", "notice"}, s.args...)
	// Not for the test's context: it is over before its cleanups are.
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
	callOff, err := watch(ctx, command.Process.Pid, s.folder)
	if err != nil {
		s.tb.Fatal(errors.Join(err, command.Process.Kill(), command.Wait()))
	}
	p := &process{command: command, drained: make(chan struct{}), log: &strings.Builder{}, callOff: callOff}
	ready := make(chan struct{})
	go func() {
		defer close(p.drained)
		lines, told := bufio.NewScanner(output), false
		for lines.Scan() {
			p.log.WriteString(lines.Text() + "\n")
			p.logged(lines.Text())
			if !told && strings.Contains(lines.Text(), "eady to accept connections") {
				told = true
				close(ready)
			}
		}
	}()
	s.running = p
	select {
	case <-ready:
	case <-p.drained:
		s.running = nil
		_ = command.Wait()
		_ = callOff()
		s.tb.Fatalf("redistest: %s did not start:\n%s", s.program, p.log)
	}
}

// ExpectLog returns a channel that is closed when the server, until it ends, next
// logs a line that contains text.
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

// Stop has the server end as it likes to, after it has written what it keeps.
func (s *Server) Stop() { s.tb.Helper(); s.end(os.Interrupt) }

// Kill ends the server at once.
func (s *Server) Kill() { s.tb.Helper(); s.end(os.Kill) }

func (s *Server) end(signal os.Signal) {
	s.tb.Helper()
	p := s.process()
	if err := p.command.Process.Signal(signal); err != nil {
		s.tb.Fatal(err)
	}
	<-p.drained
	_ = p.command.Wait()
	s.running = nil
	if err := p.callOff(); err != nil {
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

// Options returns how to connect, for one who adds to it.
func (s *Server) Options() *redis.Options {
	return &redis.Options{Network: s.Network, Addr: s.Addr}
}

// Client returns a client, which is closed when the test is over.
func (s *Server) Client() *redis.Client { return s.ClientWith(s.Options()) }

// ClientWith returns a client with options of the test's own.
func (s *Server) ClientWith(options *redis.Options) *redis.Client {
	client := redis.NewClient(options)
	s.tb.Cleanup(func() { _ = client.Close() })
	return client
}

// Flush removes all keys.
func (s *Server) Flush() { s.tb.Helper(); s.Do("FLUSHALL") }

// Do has the server carry out a command, and returns its answer.
func (s *Server) Do(command ...any) any {
	s.tb.Helper()
	result, err := s.admin.Do(s.tb.Context(), command...).Result()
	if err != nil {
		s.tb.Fatalf("redistest: %v: %v", command[0], err)
	}
	return result
}

// Calls returns how often each command was called since the server began, or
// since the last ResetCalls: by its name in small letters, "client|list" for one
// of several words. What scripts call counts too.
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

// ResetCalls begins the count of Calls anew.
func (s *Server) ResetCalls() { s.tb.Helper(); s.Do("CONFIG", "RESETSTAT") }
