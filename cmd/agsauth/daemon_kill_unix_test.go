//go:build unix

package main_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/internal/multiproc"
)

// A daemon that is killed at any instant leaves whole files; if refresh tokens can be used
// again, no session is lost.
func TestDaemon_KilledAtRandomInstants(t *testing.T) {
	multiproc.OptIn(t)
	srv := agstest.NewServer(agstest.Config{AccessLifetime: time.Second, ReusableRefreshTokens: true})
	defer srv.Close()
	// Slow answers, so that more daemons die while a refresh is under way.
	srv.AlwaysFunc(agstest.Refresh, func(agstest.Request) agstest.Fault {
		return agstest.Fault{Delay: rand.N(150 * time.Millisecond), AfterWork: rand.IntN(2) == 0}
	})
	u := newUser(t)
	folder := t.TempDir()
	session, sink := filepath.Join(folder, "session.json"), filepath.Join(folder, "token.json")
	u.env = append(u.env, "AGSAUTH_STORE="+session)
	u.run("login", "--gateway", srv.URL)

	const kills = 100
	amid := 0
	for n := range kills {
		cmd := u.command("daemon", "--sink", "json:"+sink)
		received := srv.Count(agstest.Refresh)
		require.NoError(t, cmd.Start())
		if n%3 == 0 { // at least these live until they refresh
			ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
			require.NoError(t, srv.Wait(ctx, agstest.Refresh, received+1))
			cancel()
		}
		time.Sleep(rand.N(150 * time.Millisecond))
		if srv.InFlight(agstest.Refresh) > 0 {
			amid++
		}
		require.NoError(t, cmd.Process.Kill(), "it has not ended by itself")
		_ = cmd.Wait()
		wantJSON(t, session)
		if _, err := os.Stat(sink); err == nil {
			wantJSON(t, sink)
		}
	}
	t.Logf("%d of %d were killed amid a refresh, %d refreshes", amid, kills, srv.Count(agstest.Refresh))
	assert.Greater(t, amid, 5)
	assert.True(t, strings.HasPrefix(u.run("token"), "eyJ"))
	assert.Equal(t, 1, srv.Count(agstest.SignOn), "the session is still the first one")
	assert.FileExists(t, sink)
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	assert.Less(t, len(entries), 20, "the killed leave little behind: %v", entries)
}

// wantJSON asserts that a file is whole.
func wantJSON(t *testing.T, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, json.Valid(content), "%s: %q", path, content)
}
