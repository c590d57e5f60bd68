package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/proxy"
	"github.com/agsauth/agsauth/tokensource"
)

// server is a process that serves as upstream or as a proxy.
type server struct {
	Role    string
	URL     string // of what it serves
	Control string // of its figures
	addr    string
	pid     int
	stop    func()
}

// start starts this program in a role.
func start(ctx context.Context, role, target string) (*server, error) {
	cmd := exec.CommandContext(ctx, os.Args[0], "-role", role, "-target", target)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{pid: cmd.Process.Pid, stop: func() { _ = stdin.Close(); _ = cmd.Wait() }}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err == nil {
		err = json.Unmarshal([]byte(line), s)
	}
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("%s has not started: %w", role, err)
	}
	s.addr = strings.TrimPrefix(s.URL, "http://")
	return s, nil
}

// serveRole serves until the standard input ends.
func serveRole(role, target string) error {
	handler, err := handlerOf(role, target)
	if err != nil {
		return err
	}
	ctx := context.Background()
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	control, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	for l, h := range map[net.Listener]http.Handler{listener: handler, control: http.HandlerFunc(serveFigures)} {
		srv := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
		go func() { _ = srv.Serve(l) }()
	}
	if err := json.NewEncoder(os.Stdout).Encode(server{
		Role: role, URL: "http://" + listener.Addr().String(), Control: "http://" + control.Addr().String(),
	}); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	return nil
}

func handlerOf(role, target string) (http.Handler, error) {
	upstream, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	switch role {
	case "upstream":
		return http.HandlerFunc(serveUpstream), nil
	case "bare":
		return &httputil.ReverseProxy{
			// With Go's defaults, of two connections and new buffers, it would be far slower.
			Transport:  proxy.NewTransport(nil),
			BufferPool: &buffers{},
			Rewrite: func(pr *httputil.ProxyRequest) {
				pr.SetURL(upstream)
				pr.Out.Header.Set("Authorization", "Bearer "+accessToken())
			},
		}, nil
	case "agsauth":
		source, err := signedOn()
		if err != nil {
			return nil, err
		}
		return proxy.New(proxy.Config{Upstream: upstream, Source: source})
	}
	return nil, fmt.Errorf("there is no role %q", role)
}

// noRefresh is a gateway that is never asked.
type noRefresh struct{}

// Refresh implements [tokensource.Refresher].
func (noRefresh) Refresh(context.Context, *ags.Token) (*ags.Token, error) {
	return nil, errors.New("the token of a measurement is not refreshed")
}

// accessToken returns a token as long as those of the platform.
func accessToken() string { return strings.Repeat("t", 600) }

// signedOn returns a Source with a token for a day.
func signedOn() (*tokensource.Source, error) {
	source, err := tokensource.New(tokensource.Config{Refresher: noRefresh{}})
	if err != nil {
		return nil, err
	}
	now := time.Now()
	end := now.Add(24 * time.Hour)
	return source, source.SetToken(context.Background(), &ags.Token{
		AccessToken: ags.NewSecret(accessToken()), RefreshToken: ags.NewSecret("r"), TokenType: "bearer",
		IssuedAt: now, ExpiresAt: end, RefreshExpiresAt: end, FixedExpiresAt: end,
	})
}

// serveUpstream is the API.
func serveUpstream(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/upload":
		n, _ := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprint(w, n)
	case "/download":
		n, _ := strconv.ParseInt(r.URL.Query().Get("bytes"), 10, 64)
		w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
		_, _ = io.CopyN(w, zeros{}, n)
	case "/events":
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: first\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	default:
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"text":"`+strings.Repeat("x", 1000)+`"}`)
	}
}

// buffers are those of a bare ReverseProxy.
type buffers struct{ pool sync.Pool }

// Get implements [httputil.BufferPool].
func (b *buffers) Get() []byte {
	if buf, ok := b.pool.Get().(*[32 << 10]byte); ok {
		return buf[:]
	}
	return make([]byte, 32<<10)
}

// Put implements [httputil.BufferPool].
func (b *buffers) Put(buf []byte) { b.pool.Put((*[32 << 10]byte)(buf)) }

// zeros is an endless body.
type zeros struct{}

// Read implements [io.Reader].
func (zeros) Read(p []byte) (int, error) { return len(p), nil }
