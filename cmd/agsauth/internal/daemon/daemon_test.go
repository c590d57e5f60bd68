package daemon_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/daemon"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

func TestDaemon_NoticesASignOnElsewhere(t *testing.T) {
	r := newRig(t, agstest.Config{})
	r.start()
	r.becomes("/startupz", 200)
	assert.Equal(t, "not signed on; run: agsauth login\n", r.becomes("/readyz", 503))
	status, _ := r.get("/livez")
	assert.Equal(t, 200, status)

	r.signOnElsewhere()
	assert.Equal(t, "ok\n", r.becomes("/readyz", 200))
	r.stops <- syscall.SIGTERM
	require.NoError(t, r.wantEnd())
	assert.Zero(t, r.gateway.Count(agstest.Refresh))
}

func TestDaemon_NoticesASignOutElsewhere(t *testing.T) {
	r := newRig(t, agstest.Config{})
	r.signOnElsewhere()
	sink := filepath.Join(t.TempDir(), "token")
	r.cfg.Sinks = []daemon.Sink{{Path: sink, Format: "raw"}}
	r.start()
	r.becomes("/readyz", 200)
	r.eventually("the sink is written", func() bool { return exists(sink) })

	require.NoError(t, r.otherProcess().SignOut(t.Context()))
	assert.Equal(t, "the session has ended: signed out; run: agsauth login\n", r.becomes("/readyz", 503))
	r.eventually("the sink is removed", func() bool { return !exists(sink) })
	status, _ := r.get("/livez")
	assert.Equal(t, 200, status)
}

// A store that is no file is read again and again.
func TestDaemon_NoticesASignOnInAnotherStore(t *testing.T) {
	r := newRig(t, agstest.Config{})
	memory := &store.Memory{}
	r.cfg.WatchedFile, r.source.Store = "", memory
	r.start()
	r.becomes("/readyz", 503)
	other, err := tokensource.New(tokensource.Config{Refresher: r.client, Store: memory.Peer()})
	require.NoError(t, err)
	defer func() { _ = other.Close() }()
	require.NoError(t, other.SetToken(t.Context(), r.signOn()))
	r.becomes("/readyz", 200)
	require.NoError(t, other.SignOut(t.Context()))
	r.becomes("/readyz", 503)
}

func TestDaemon_KeepsTheSessionFresh(t *testing.T) {
	r := newRig(t, agstest.Config{AccessLifetime: time.Second})
	r.signOnElsewhere()
	r.start()
	require.NoError(t, r.gateway.Wait(t.Context(), agstest.Refresh, 3))
	r.becomes("/readyz", 200)
	r.stops <- os.Interrupt
	require.NoError(t, r.wantEnd())
	assert.Equal(t, 1, r.gateway.MaxInFlight(agstest.Refresh))
	assert.Zero(t, r.gateway.Stats().Reuses)
}

func TestDaemon_SignsOnByItself(t *testing.T) {
	r := newRig(t, agstest.Config{})
	r.source.Login = tokensource.SignOnWith(r.client, request())
	r.start()
	r.becomes("/readyz", 200)
	assert.Equal(t, 1, r.gateway.Count(agstest.SignOn))
	assert.True(t, exists(r.path))
}

func TestDaemon_SignsOnAgainByItself(t *testing.T) {
	r := newRig(t, agstest.Config{})
	r.source.Login = tokensource.SignOnWith(r.client, request())
	r.signOnElsewhere()
	r.start()
	r.becomes("/readyz", 200)
	r.gateway.RevokeSessions()
	rejected, err := r.src.TokenContext(t.Context())
	require.NoError(t, err)
	r.src.Invalidate(rejected.AccessToken)
	next, err := r.src.TokenContext(t.Context())
	require.NoError(t, err)
	assert.NotEqual(t, rejected.AccessToken, next.AccessToken)
	r.becomes("/readyz", 200)
	assert.Equal(t, 2, r.gateway.Count(agstest.SignOn))
	assert.Equal(t, 1, r.gateway.Stats().Devices)
}

// inFlight starts a daemon and returns when a refresh is held at the gateway.
func inFlight(t *testing.T) (r *rig, release func()) {
	t.Helper()
	r = newRig(t, agstest.Config{AccessLifetime: 2 * time.Second})
	release = r.gateway.Hold(agstest.Refresh)
	t.Cleanup(release)
	r.signOnElsewhere()
	r.start()
	require.NoError(t, r.gateway.Wait(t.Context(), agstest.Refresh, 1))
	return r, release
}

func TestDaemon_SavesTheRefreshInFlightWhenItStops(t *testing.T) {
	r, release := inFlight(t)
	r.stops <- syscall.SIGTERM
	assert.Equal(t, "stopping\n", r.becomes("/readyz", 503))
	r.stops <- syscall.SIGTERM
	r.eventually("the second signal is answered", func() bool { return r.log.contains("already stopping: a refresh") })
	r.stops <- syscall.SIGINT
	select {
	case err := <-r.ended:
		t.Fatal("it has not waited for the refresh:", err)
	case <-time.After(100 * time.Millisecond):
	}
	status, _ := r.get("/livez")
	assert.Equal(t, 200, status)

	release()
	require.NoError(t, r.wantEnd())
	other := r.otherProcess()
	require.NoError(t, other.Sync(t.Context()))
	assert.EqualValues(t, 2, other.Status().Generation)
	_, err := other.TokenContext(t.Context())
	require.NoError(t, err)
	assert.Zero(t, r.gateway.Stats().Reuses)
}

// slowServer is a server whose only request ends when released is closed.
func slowServer(t *testing.T) (server daemon.Server, url string, begun, released chan struct{}) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	begun, released = make(chan struct{}), make(chan struct{})
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		close(begun)
		select {
		case <-released:
		case <-req.Context().Done():
		}
		w.WriteHeader(http.StatusNoContent)
	})}
	t.Cleanup(func() { _ = srv.Close() })
	serve := func(ctx context.Context) error {
		shutDown := make(chan error, 1)
		context.AfterFunc(ctx, func() { shutDown <- srv.Shutdown(context.WithoutCancel(ctx)) })
		if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return <-shutDown
	}
	return daemon.Server{Name: "proxy", Serve: serve}, "http://" + listener.Addr().String(), begun, released
}

// ask begins a request, and returns a channel for its status, 0 if it is cut off.
func ask(t *testing.T, url string) <-chan int {
	t.Helper()
	answered := make(chan int, 1)
	go func() {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Get(url)
		if err != nil {
			answered <- 0
			return
		}
		_ = resp.Body.Close()
		answered <- resp.StatusCode
	}()
	return answered
}

func TestDaemon_LetsRequestsEndWhenItStops(t *testing.T) {
	r := newRig(t, agstest.Config{})
	server, url, begun, released := slowServer(t)
	r.signOnElsewhere()
	r.start(server)
	answered := ask(t, url)
	<-begun
	r.becomes("/readyz", 200)
	r.stops <- syscall.SIGTERM
	r.becomes("/readyz", 503)
	r.eventually("no new requests", func() bool { return <-ask(t, url) == 0 })
	_, err := r.src.TokenContext(t.Context())
	require.NoError(t, err, "requests that are not over need tokens")
	close(released)
	assert.Equal(t, http.StatusNoContent, <-answered)
	require.NoError(t, r.wantEnd())
	_, err = r.src.TokenContext(t.Context())
	require.ErrorIs(t, err, tokensource.ErrClosed)
}

func TestDaemon_LeavesRequestsAfterTheSecondSignal(t *testing.T) {
	r := newRig(t, agstest.Config{})
	server, url, begun, released := slowServer(t)
	r.start(server)
	answered := ask(t, url)
	<-begun
	r.stops <- syscall.SIGTERM
	r.becomes("/readyz", 503)
	r.stops <- syscall.SIGTERM
	require.NoError(t, r.wantEnd())
	close(released)
	<-answered
}

func TestDaemon_EndsWithAServerThatFails(t *testing.T) {
	r := newRig(t, agstest.Config{})
	r.start(daemon.Server{Name: "proxy", Serve: func(context.Context) error { return errors.New("no port") }})
	require.EqualError(t, r.wantEnd(), "proxy has ended: no port")
}

// Requests that were cut off are no failure of a daemon that was told to stop.
func TestDaemon_EndsWellIfAServerDoesNot(t *testing.T) {
	r := newRig(t, agstest.Config{})
	r.start(daemon.Server{Name: "proxy", Serve: func(ctx context.Context) error {
		<-ctx.Done()
		return errors.New("cut off")
	}})
	r.becomes("/startupz", 200)
	r.stops <- syscall.SIGTERM
	require.NoError(t, r.wantEnd())
	assert.True(t, r.log.contains("a server did not end in good order"))
}

func TestDaemon_EndsWithItsListener(t *testing.T) {
	r := newRig(t, agstest.Config{})
	r.start()
	r.becomes("/livez", 200)
	require.NoError(t, r.cfg.Ops.Close())
	require.ErrorContains(t, r.wantEnd(), "the operations listener has ended")
}

// fickleStore cannot be read until it is mended.
type fickleStore struct {
	*store.Memory

	mended atomic.Bool
}

func (s *fickleStore) Load(ctx context.Context) ([]byte, error) {
	if !s.mended.Load() {
		return nil, errors.New("out of order")
	}
	return s.Memory.Load(ctx)
}

func TestDaemon_StartsWhenTheStoreIsRead(t *testing.T) {
	r := newRig(t, agstest.Config{})
	disk := &fickleStore{Memory: &store.Memory{}}
	r.cfg.WatchedFile, r.source.Store = "", disk
	manager := newManager(t, filepath.Join(shortDir(t), "notify"))
	r.cfg.Notify = manager.notify
	r.start()
	r.eventually("it has tried twice", func() bool { return r.log.contains("the session cannot be read; trying again") })
	assert.Equal(t, "the session has not been read yet\n", r.becomes("/startupz", 503))
	r.becomes("/readyz", 503)
	r.becomes("/livez", 200)
	assert.Empty(t, manager.told())

	disk.mended.Store(true)
	r.becomes("/startupz", 200)
	assert.Equal(t, "READY=1\nSTATUS=not signed on; run: agsauth login", manager.next())
}

func TestDaemon_StopsBeforeTheStoreIsRead(t *testing.T) {
	r := newRig(t, agstest.Config{})
	r.cfg.WatchedFile, r.source.Store = "", &fickleStore{Memory: &store.Memory{}}
	r.start()
	r.becomes("/livez", 200)
	r.stops <- syscall.SIGTERM
	require.NoError(t, r.wantEnd())
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
