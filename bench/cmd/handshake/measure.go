//go:build unix

package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/agsauth/agsauth/ags"
)

// way is how the connections of refreshes are used.
type way struct {
	name   string
	http2  bool
	change func(*ags.Config)
}

func ways() []way {
	return []way{
		{"HTTP/1.1, a connection each", false, func(*ags.Config) {}},
		{"HTTP/2, a connection each", true, func(c *ags.Config) { transportOf(c).DisableKeepAlives = true }},
		{"HTTP/2, kept", true, func(*ags.Config) {}},
		{"HTTP/1.1, kept (KeepHTTP1Connections)", false, func(c *ags.Config) { c.KeepHTTP1Connections = true }},
	}
}

func transportOf(c *ags.Config) *http.Transport {
	t, _ := c.HTTPClient.Transport.(*http.Transport)
	return t
}

// result has the figures of one way, one of each round. All are for one refresh, the
// times in microseconds.
type result struct {
	name                              string
	connections, client, server, time []float64
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func machine() string {
	return fmt.Sprintf("%s, %d cores", runtime.Version(), runtime.NumCPU())
}

// greeting is the first line of the server's output.
type greeting struct {
	HTTP1, HTTP2 string // base URLs
	Certificate  string // DER, in base64
}

// usage is what the server reports on request.
type usage struct {
	CPU         time.Duration // since its start
	Connections int
}

// server is the server's process.
type server struct {
	greeting

	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startServer(ctx context.Context) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &server{cmd: exec.CommandContext(ctx, self, "-serve")}
	s.cmd.Stderr = os.Stderr
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.out = bufio.NewReader(out)
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	return s, s.read(&s.greeting)
}

func (s *server) read(v any) error {
	line, err := s.out.ReadBytes('\n')
	if err != nil {
		return err
	}
	return json.Unmarshal(line, v)
}

func (s *server) usage() (usage, error) {
	var u usage
	if _, err := io.WriteString(s.in, "\n"); err != nil {
		return u, err
	}
	return u, s.read(&u)
}

func (s *server) stop() error { return errors.Join(s.in.Close(), s.cmd.Wait()) }

// newClient returns a client of the server.
func (s *server) newClient(w way) (*ags.Client, error) {
	der, err := base64.StdEncoding.DecodeString(s.Certificate)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	cfg := ags.Config{
		BaseURL: s.HTTP1, AuthServiceID: "Customer Auth Service", TenantID: "nagra", Retry: ags.Retry{Max: -1},
		HTTPClient: &http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}, ForceAttemptHTTP2: true,
		}},
	}
	if w.http2 {
		cfg.BaseURL = s.HTTP2
	}
	w.change(&cfg)
	return ags.New(cfg)
}

func measure(rounds, refreshes int) (results []*result, err error) {
	ctx := context.Background()
	s, err := startServer(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	for _, w := range ways() {
		results = append(results, &result{name: w.name})
	}
	for round := range rounds + 1 {
		for i, w := range ways() {
			var r result
			if err := s.measure(ctx, w, refreshes, &r); err != nil {
				return nil, fmt.Errorf("%s: %w", w.name, err)
			}
			if round == 0 {
				continue // warms up
			}
			results[i].connections = append(results[i].connections, r.connections...)
			results[i].client = append(results[i].client, r.client...)
			results[i].server = append(results[i].server, r.server...)
			results[i].time = append(results[i].time, r.time...)
		}
	}
	return results, nil
}

// measure makes one round of refreshes, with a client of its own, and adds its figures
// to r.
func (s *server) measure(ctx context.Context, w way, refreshes int, r *result) error {
	client, err := s.newClient(w)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	token := &ags.Token{AccessToken: ags.NewSecret("an-access-token"), RefreshToken: ags.NewSecret("a-refresh-token")}
	runtime.GC()
	before, err := s.usage()
	if err != nil {
		return err
	}
	cpu, start := processorTime(), time.Now()
	for range refreshes {
		if _, err := client.Refresh(ctx, token); err != nil {
			return err
		}
	}
	elapsed, used := time.Since(start), processorTime()-cpu
	after, err := s.usage()
	if err != nil {
		return err
	}
	each := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) / float64(refreshes) }
	r.connections = append(r.connections, float64(after.Connections-before.Connections)/float64(refreshes))
	r.client = append(r.client, each(used))
	r.server = append(r.server, each(after.CPU-before.CPU))
	r.time = append(r.time, each(elapsed))
	return nil
}

// processorTime returns the processor time of this process so far.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
