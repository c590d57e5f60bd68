//go:build unix

package main_test

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/internal/multiproc"
)

// user runs the program with a home of its own.
type user struct {
	t   *testing.T
	env []string
}

func newUser(t *testing.T) user {
	t.Helper()
	home := t.TempDir()
	env := []string{"HOME=" + home, "XDG_CONFIG_HOME=" + home + "/config", "XDG_STATE_HOME=" + home + "/state", "NO_PROXY=*", raceVariable + "=" + os.Getenv(raceVariable), coverVariable + "=" + os.Getenv(coverVariable)}
	params := filepath.Join(home, "params")
	require.NoError(t, os.WriteFile(params, []byte("username=dave\npassword=open sesame\n"), 0o600))
	return user{t, append(env, "PATH="+os.Getenv("PATH"), "AGSAUTH_PARAM_FILE="+params)}
}

func (u user) command(args ...string) *exec.Cmd {
	cmd := exec.Command("agsauth", args...)
	cmd.Env = u.env
	return cmd
}

// run runs a command that must succeed, and returns its standard output.
func (u user) run(args ...string) string {
	u.t.Helper()
	cmd := u.command(args...)
	var errOut strings.Builder
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	require.NoError(u.t, err, "%v: %s", args, errOut.String())
	return string(out)
}

// Neither Ctrl-C nor a second one kills a refresh that is under way: its tokens are saved.
func TestToken_TwoSignalsDoNotLoseTheSession(t *testing.T) {
	t.Parallel()
	srv := agstest.NewServer(agstest.Config{AccessLifetime: time.Second})
	defer srv.Close()
	u := newUser(t)
	u.run("login", "--gateway", srv.URL)
	time.Sleep(1100 * time.Millisecond) // the life of the access token

	answer := srv.Hold(agstest.Refresh)
	defer answer()
	cmd := u.command("token")
	var out, errOut strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errOut
	require.NoError(t, cmd.Start())
	require.NoError(t, srv.Wait(t.Context(), agstest.Refresh, 1))
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	time.Sleep(100 * time.Millisecond) // two signals at once are one
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	time.Sleep(100 * time.Millisecond)
	answer()

	require.Error(t, cmd.Wait())
	assert.Equal(t, 130, cmd.ProcessState.ExitCode(), errOut.String())
	assert.Contains(t, errOut.String(), "agsauth: waits for a refresh or sign-on that is under way, so that its tokens are saved\n")
	assert.Empty(t, out.String())
	u.run("token")
	assert.Equal(t, 1, srv.Count(agstest.SignOn), "the session goes on")
}

// A command that is killed at any instant leaves a whole file; if refresh tokens can be
// used again, no session is lost.
func TestToken_KilledAtRandomInstants(t *testing.T) {
	multiproc.OptIn(t)
	srv := agstest.NewServer(agstest.Config{AccessLifetime: time.Second, ReusableRefreshTokens: true})
	defer srv.Close()
	u := newUser(t)
	u.run("login", "--gateway", srv.URL)

	// A slow answer is often the moment of the kill.
	srv.Always(agstest.Refresh, agstest.Fault{AfterWork: true, Delay: 20 * time.Millisecond})

	const kills = 100
	killed, runs := 0, 0
	for deadline := time.Now().Add(time.Minute); killed < kills && time.Now().Before(deadline); runs++ {
		cmd := u.command("token")
		require.NoError(t, cmd.Start())
		time.Sleep(rand.N(80 * time.Millisecond))
		_ = cmd.Process.Kill()
		if cmd.Wait() != nil {
			killed++
		}
	}
	t.Logf("%d of %d were killed before they had ended, %d refreshes", killed, runs, srv.Count(agstest.Refresh))
	assert.Equal(t, kills, killed)
	assert.True(t, strings.HasPrefix(u.run("token"), "eyJ"))
	assert.Equal(t, 1, srv.Count(agstest.SignOn))
	assert.Greater(t, srv.Count(agstest.Refresh), 5)
}
