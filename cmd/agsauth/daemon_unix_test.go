//go:build unix

package main_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
)

// runningDaemon is a daemon with a socket for probes, and a file for its log.
type runningDaemon struct {
	u           user
	cmd         *exec.Cmd
	socket, log string
	ended       chan error
}

// startDaemon starts a daemon. stdin may be empty.
func startDaemon(u user, stdin string, args ...string) *runningDaemon {
	u.t.Helper()
	folder, err := os.MkdirTemp("", "ags") // a socket's path is short
	require.NoError(u.t, err)
	d := &runningDaemon{u: u, socket: "unix:" + filepath.Join(folder, "ops"), log: filepath.Join(folder, "log"), ended: make(chan error, 1)}
	log, err := os.Create(d.log)
	require.NoError(u.t, err)
	d.cmd = u.command(append([]string{"daemon", "--ops-listen", d.socket}, args...)...)
	d.cmd.Stdin, d.cmd.Stderr = strings.NewReader(stdin), log
	require.NoError(u.t, d.cmd.Start())
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.ended <- d.cmd.Wait()
	}()
	u.t.Cleanup(func() {
		_ = d.cmd.Process.Kill()
		<-done
		_ = log.Close()
		_ = os.RemoveAll(folder)
	})
	return d
}

func (d *runningDaemon) signal(s syscall.Signal) {
	d.u.t.Helper()
	require.NoError(d.u.t, d.cmd.Process.Signal(s))
}

// eventually waits until the log has a text.
func (d *runningDaemon) eventually(text string) {
	d.u.t.Helper()
	require.Eventually(d.u.t, func() bool {
		content, err := os.ReadFile(d.log)
		return err == nil && strings.Contains(string(content), text)
	}, waitLimit, 10*time.Millisecond, text)
}

// stop ends the daemon, which must end well.
func (d *runningDaemon) stop() {
	d.u.t.Helper()
	d.signal(syscall.SIGTERM)
	select {
	case err := <-d.ended:
		require.NoError(d.u.t, err)
	case <-time.After(waitLimit):
		d.u.t.Fatal("the daemon does not end")
	}
}

// Standard input is read once, and there may be more than one sign-on.
func TestDaemon_ParametersOnStandardInput(t *testing.T) {
	t.Parallel()
	srv := agstest.NewServer(agstest.Config{})
	defer srv.Close()
	srv.Script(agstest.SignOn, agstest.Fault{Status: 503})
	d := startDaemon(newUser(t), "username=dave\npassword=open sesame\n", "--gateway", srv.URL, "--param-file", "-")
	d.u.run("health", "--wait", waitLimit.String(), d.socket)
	assert.GreaterOrEqual(t, srv.Count(agstest.SignOn), 2)
	d.stop()
}

func TestDaemon_SecondSignalDoesNotKillARefresh(t *testing.T) {
	t.Parallel()
	srv := agstest.NewServer(agstest.Config{AccessLifetime: 2 * time.Second})
	defer srv.Close()
	u := newUser(t)
	u.run("login", "--gateway", srv.URL)
	release := srv.Hold(agstest.Refresh)
	defer release()
	d := startDaemon(u, "")
	require.NoError(t, srv.Wait(t.Context(), agstest.Refresh, 1))
	d.signal(syscall.SIGTERM)
	d.eventually("msg=stopping")
	d.signal(syscall.SIGTERM)
	d.eventually("already stopping: a refresh that is under way is saved first")
	d.signal(syscall.SIGINT)
	assert.Equal(t, "ok\n", u.run("health", "--live", d.socket), "it is still there")
	release()
	select {
	case err := <-d.ended:
		require.NoError(t, err)
	case <-time.After(waitLimit):
		t.Fatal("the daemon does not end")
	}
	u.run("token")
	assert.Zero(t, srv.Stats().Reuses)
	assert.Equal(t, 1, srv.Count(agstest.SignOn))
}

// The authorities are those of another gateway. A hang-up makes the daemon read the file
// again, and then it can refresh the session.
func TestDaemon_HangUp(t *testing.T) {
	t.Parallel()
	certificate, err := agstest.NewCertificate()
	require.NoError(t, err)
	other, err := agstest.NewCertificate()
	require.NoError(t, err)
	srv := agstest.NewServer(agstest.Config{Certificate: certificate, AccessLifetime: time.Second})
	defer srv.Close()
	u := newUser(t)
	folder := t.TempDir()
	ca, params := filepath.Join(folder, "ca.pem"), filepath.Join(folder, "params")
	write := func(path, content string) {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	write(ca, string(certificate.CA))
	write(params, "username=dave\npassword=open sesame\n")
	u.run("login", "--gateway", srv.URL, "--ca-file", ca)
	write(ca, string(other.CA))
	d := startDaemon(u, "", "--param-file", params)
	d.eventually("the certificate was signed by unknown authority")

	write(ca, string(certificate.CA))
	write(params, "open sesame")
	d.signal(syscall.SIGHUP)
	d.eventually("reload failed; what was read before stays in use")
	write(params, "username=dave\npassword=open sesame\n")
	assert.Zero(t, srv.Count(agstest.Refresh))
	d.signal(syscall.SIGHUP)
	d.eventually("msg=reloaded")
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	require.NoError(t, srv.Wait(ctx, agstest.Refresh, 1))
	u.run("health", "--wait", waitLimit.String(), d.socket)
	assert.Equal(t, 1, srv.Count(agstest.SignOn))
	d.stop()
	content, err := os.ReadFile(d.log)
	require.NoError(t, err)
	assert.NotContains(t, string(content), "sesame")
}

// The open store and the session belong to the former settings.
func TestDaemon_HangUpDoesNotChangeTheSession(t *testing.T) {
	t.Parallel()
	srv := agstest.NewServer(agstest.Config{})
	defer srv.Close()
	u := newUser(t)
	folder := t.TempDir()
	config := filepath.Join(folder, "config.toml")
	write := func(store string) {
		text := "[profile.default]\ngateway = \"" + srv.URL + "\"\nstore = \"" + filepath.Join(folder, store) + "\"\n"
		require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
	}
	write("one")
	d := startDaemon(u, "", "--config", config)
	u.run("health", "--wait", waitLimit.String(), d.socket)
	write("two")
	d.signal(syscall.SIGHUP)
	d.eventually("the gateway, the tenant or the store has changed; restart agsauth to use the new one")
	u.run("health", d.socket)
	d.stop()
	assert.FileExists(t, filepath.Join(folder, "one"))
	assert.NoFileExists(t, filepath.Join(folder, "two"))
}

// A signal is not lost, however early it comes.
func TestDaemon_StopsWhileItStarts(t *testing.T) {
	t.Parallel()
	srv := agstest.NewServer(agstest.Config{})
	defer srv.Close()
	u := newUser(t)
	u.run("login", "--gateway", srv.URL)
	for n := range 60 {
		d := startDaemon(u, "")
		time.Sleep(time.Duration(n) * time.Millisecond)
		d.signal(syscall.SIGTERM)
		select {
		case err := <-d.ended: // in good order, interrupted, or killed before it could notice
			t.Logf("ended after %d ms: %v", n, err)
		case <-time.After(waitLimit):
			t.Fatal("the signal was lost after ", n)
		}
	}
}
