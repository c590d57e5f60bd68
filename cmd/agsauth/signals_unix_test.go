//go:build unix

package main_test

import (
	"bufio"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
)

// refreshing returns a user whose next refresh has been granted for a while before its
// answer comes.
func refreshing(t *testing.T) (user, *agstest.Server) {
	t.Helper()
	srv := agstest.NewServer(agstest.Config{AccessLifetime: time.Second})
	t.Cleanup(srv.Close)
	u := newUser(t)
	u.run("login", "--gateway", srv.URL)
	time.Sleep(1100 * time.Millisecond) // the process has no other clock
	srv.Script(agstest.Refresh, agstest.Fault{AfterWork: true, Delay: 2 * time.Second})
	return u, srv
}

// A terminal that is closed sends SIGHUP, and more than once; Ctrl-\ sends SIGQUIT.
func TestToken_NoSignalLosesTheSession(t *testing.T) {
	// Where the tests run under nohup, the program would ignore SIGHUP, too.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(hangups) })
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			u, srv := refreshing(t)
			cmd := u.command("token")
			var errOut strings.Builder
			cmd.Stderr = &errOut
			require.NoError(t, cmd.Start())
			require.Eventually(t, func() bool { return srv.Count(agstest.Refresh) == 1 }, 20*time.Second, 5*time.Millisecond)
			for range 3 {
				_ = cmd.Process.Signal(s)
				time.Sleep(20 * time.Millisecond)
			}
			_ = cmd.Wait()
			assert.Equal(t, 130, cmd.ProcessState.ExitCode(), errOut.String())
			assert.NotContains(t, errOut.String(), "goroutine")
			assert.NotEmpty(t, u.run("token"))
		})
	}
}

// The reader of the messages may have ended before, for example by the same Ctrl-C.
func TestToken_ABrokenPipeDoesNotLoseTheSession(t *testing.T) {
	t.Parallel()
	u, srv := refreshing(t)
	cmd := u.command("token")
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, reader.Close())
	cmd.Stderr = writer
	require.NoError(t, cmd.Start())
	require.NoError(t, writer.Close())
	require.Eventually(t, func() bool { return srv.Count(agstest.Refresh) == 1 }, 20*time.Second, 5*time.Millisecond)
	for range 3 {
		_ = cmd.Process.Signal(os.Interrupt)
		time.Sleep(20 * time.Millisecond)
	}
	_ = cmd.Wait()
	assert.Equal(t, 130, cmd.ProcessState.ExitCode())
	assert.NotEmpty(t, u.run("token"))
}

// A program that was started with nohup is not ended by a SIGHUP.
func TestExecProxy_LeavesAnIgnoredHangupIgnored(t *testing.T) {
	t.Parallel()
	srv := agstest.NewServer(agstest.Config{})
	defer srv.Close()
	u := newUser(t)
	u.run("login", "--gateway", srv.URL)
	cmd := u.command("exec", "--proxy", "--api", srv.URL, "--", "sh", "-c", "echo ready; sleep 0.5; echo done")
	cmd.Args = append([]string{"sh", "-c", `trap "" HUP; exec "$0" "$@"`}, cmd.Args...)
	cmd.Path = "/bin/sh"
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	require.NoError(t, cmd.Process.Signal(syscall.SIGHUP))
	require.True(t, lines.Scan())
	assert.Equal(t, "done", lines.Text())
	assert.NoError(t, cmd.Wait())
}

// The gateway registers the device before its answer comes. A sign-on that is interrupted
// must keep that device, or the next one needs another.
func TestSignOn_InterruptedKeepsItsDevice(t *testing.T) {
	for name, args := range map[string][]string{"first": {"login"}, "again": {"login", "--force"}, "daemon": {"daemon"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := agstest.NewServer(agstest.Config{})
			t.Cleanup(srv.Close)
			u := newUser(t)
			before, former := 0, ""
			if name == "again" {
				u.run("login", "--gateway", srv.URL)
				before, former = 1, u.run("token")
			}
			srv.Script(agstest.SignOn, agstest.Fault{AfterWork: true, Delay: 2 * time.Second})
			cmd := u.command(append(args, "--gateway", srv.URL)...)
			require.NoError(t, cmd.Start())
			require.Eventually(t, func() bool { return srv.Count(agstest.SignOn) == before+1 }, 20*time.Second, 5*time.Millisecond)
			for range 3 {
				time.Sleep(20 * time.Millisecond)
				_ = cmd.Process.Signal(syscall.SIGTERM)
			}
			_ = cmd.Wait()
			assert.Contains(t, []int{0, 130}, cmd.ProcessState.ExitCode())
			assert.Contains(t, u.run("login", "--gateway", srv.URL), "Already signed in")
			assert.NotEqual(t, former, u.run("token"))
			assert.Equal(t, before+1, srv.Count(agstest.SignOn))
		})
	}
}
