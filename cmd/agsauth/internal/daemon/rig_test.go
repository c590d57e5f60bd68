package daemon_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/daemon"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// rig is a gateway, and the file of a session that a daemon and other processes share.
type rig struct {
	t       *testing.T
	gateway *agstest.Server
	client  *ags.Client
	path    string
	log     *logBuffer

	// What start configures, to be changed before.
	cfg    daemon.Config
	source tokensource.Config

	ops    string // the URL of the operations listener
	src    *tokensource.Source
	stops  chan os.Signal
	ended  chan error
	reload chan os.Signal
}

func newRig(t *testing.T, gateway agstest.Config) *rig {
	t.Helper()
	srv := agstest.NewServer(gateway)
	t.Cleanup(srv.Close)
	client, err := ags.New(ags.Config{
		BaseURL: srv.URL, AuthServiceID: "Customer Auth Service", TenantID: "nagra", HTTPClient: srv.Client(),
	})
	require.NoError(t, err)
	r := &rig{
		t: t, gateway: srv, client: client, path: filepath.Join(t.TempDir(), "session.json"), log: &logBuffer{},
		stops: make(chan os.Signal, 3), reload: make(chan os.Signal, 1), ended: make(chan error, 1),
	}
	r.cfg = daemon.Config{
		Version: "v1.2.3", WatchedFile: r.path, WatchEvery: 20 * time.Millisecond,
		Stops: r.stops, Reloads: r.reload, Logger: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	r.source = tokensource.Config{Refresher: client, Store: &store.File{Path: r.path}}
	return r
}

// start runs a daemon. It is stopped at the end of the test, unless that has done so.
func (r *rig) start(servers ...daemon.Server) {
	r.t.Helper()
	ops, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(r.t, err)
	r.cfg.Ops, r.ops = ops, "http://"+ops.Addr().String()
	d, err := daemon.New(r.cfg)
	require.NoError(r.t, err)
	r.source.OnEvent = d.OnEvent
	r.src, err = tokensource.New(r.source)
	require.NoError(r.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.ended <- d.Run(ctx, r.src, servers...)
	}()
	r.t.Cleanup(func() {
		cancel()
		<-done
	})
}

// wantEnd waits until the daemon has ended.
func (r *rig) wantEnd() error {
	r.t.Helper()
	select {
	case err := <-r.ended:
		return err
	case <-time.After(time.Minute):
		r.t.Fatal("the daemon does not end")
	}
	return nil
}

// otherProcess returns a Source over the same file that another process may have.
func (r *rig) otherProcess() *tokensource.Source {
	r.t.Helper()
	src, err := tokensource.New(tokensource.Config{Refresher: r.client, Store: &store.File{Path: r.path}})
	require.NoError(r.t, err)
	r.t.Cleanup(func() { _ = src.Close() })
	return src
}

// signOnElsewhere signs on in another process.
func (r *rig) signOnElsewhere() {
	r.t.Helper()
	require.NoError(r.t, r.otherProcess().SetToken(r.t.Context(), r.signOn()))
}

func request() ags.SignOnRequest {
	return ags.SignOnRequest{Parameters: []ags.Parameter{
		{Name: "username", Value: agstest.DefaultUsername}, {Name: "password", Value: agstest.DefaultPassword},
	}, DeviceInformation: []byte(`{"name":"test"}`)}
}

func (r *rig) signOn() *ags.Token {
	r.t.Helper()
	token, err := r.client.SignOn(r.t.Context(), request())
	require.NoError(r.t, err)
	return token
}

// get asks the operations listener.
func (r *rig) get(path string) (status int, body string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.ops+path, nil)
	require.NoError(r.t, err)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	require.NoError(r.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(r.t, err)
	return resp.StatusCode, string(text)
}

// eventually waits until what is asked for is so.
func (r *rig) eventually(what string, isSo func() bool) {
	r.t.Helper()
	require.Eventually(r.t, isSo, time.Minute, 5*time.Millisecond, what)
}

// becomes waits until a probe answers with a status, and returns its text.
func (r *rig) becomes(path string, want int) (body string) {
	r.t.Helper()
	r.eventually(path, func() bool {
		var status int
		status, body = r.get(path)
		return status == want
	})
	return body
}

// logBuffer is a log that may be read while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) contains(text string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Contains(b.buf.String(), text)
}
