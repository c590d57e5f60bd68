package daemon_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/daemon"
	"github.com/agsauth/agsauth/tokensource"
)

func TestParseSink(t *testing.T) {
	for text, want := range map[string]daemon.Sink{
		"/run/token":            {Path: "/run/token", Format: "raw"},
		"json:/run/token":       {Path: "/run/token", Format: "json"},
		"envoy-sds:sds.json":    {Path: "sds.json", Format: "envoy-sds"},
		`C:\token`:              {Path: `C:\token`, Format: "raw"},
		"header:C:/token":       {Path: "C:/token", Format: "header"},
		"./odd:name":            {Path: "./odd:name", Format: "raw"},
		"/run/with:colon/token": {Path: "/run/with:colon/token", Format: "raw"},
	} {
		got, err := daemon.ParseSink(text, 0)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for text, want := range map[string]string{
		"":            "there is no path",
		"json:":       "there is no path",
		"yaml:/token": `there is no format "yaml"; use raw, header, json, curl or envoy-sds`,
	} {
		_, err := daemon.ParseSink(text, 0)
		require.ErrorContains(t, err, want, text)
	}
}

func TestNew_RefusesASink(t *testing.T) {
	dir := t.TempDir()
	for name, tt := range map[string]struct {
		sink daemon.Sink
		want string
	}{
		"no folder":      {daemon.Sink{Path: filepath.Join(dir, "gone", "token"), Format: "raw"}, "no file can be written there"},
		"a folder":       {daemon.Sink{Path: dir, Format: "raw"}, "it exists and is not a file"},
		"no format":      {daemon.Sink{Path: filepath.Join(dir, "token"), Format: "xml"}, `there is no format "xml"`},
		"others read":    {daemon.Sink{Path: filepath.Join(dir, "token"), Format: "raw", Mode: 0o644}, "mode 0644 is not possible"},
		"the group does": {daemon.Sink{Path: filepath.Join(dir, "token"), Format: "raw", Mode: 0o660}, "mode 0660 is not possible"},
		"executable":     {daemon.Sink{Path: filepath.Join(dir, "token"), Format: "raw", Mode: 0o700}, "mode 0700 is not possible"},
		"nobody reads":   {daemon.Sink{Path: filepath.Join(dir, "token"), Format: "raw", Mode: 0o200}, "mode 0200 is not possible"},
	} {
		_, err := daemon.New(daemon.Config{Sinks: []daemon.Sink{tt.sink}})
		require.ErrorContains(t, err, tt.want, name)
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, entries, "nothing is left behind")
}

func TestNew_RemovesWhatAKilledProcessHasLeft(t *testing.T) {
	dir := t.TempDir()
	old, young, other := filepath.Join(dir, ".token.1.tmp"), filepath.Join(dir, ".token.2.tmp"), filepath.Join(dir, ".token2.1.tmp")
	for _, path := range []string{old, young, other} {
		require.NoError(t, os.WriteFile(path, []byte("partial"), 0o600))
	}
	long := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(old, long, long))
	require.NoError(t, os.Chtimes(other, long, long))
	_, err := daemon.New(daemon.Config{Sinks: []daemon.Sink{{Path: filepath.Join(dir, "token"), Format: "raw"}}})
	require.NoError(t, err)
	assert.False(t, exists(old))
	assert.True(t, exists(young), "somebody may be writing it")
	assert.True(t, exists(other))
}

// wantMode asserts that nobody else can read a file.
func wantMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		assert.Equal(t, want, info.Mode().Perm(), path)
	}
}

// reader reads a sink again and again, and counts the tokens that it has seen.
type reader struct {
	t    *testing.T
	path string
	stop atomic.Bool
	seen map[string]bool
}

func (r *reader) run() {
	r.seen = map[string]bool{}
	for !r.stop.Load() {
		text, err := os.ReadFile(r.path)
		if !assert.NoError(r.t, err) {
			return
		}
		var fields struct {
			Token string `json:"access_token"`
		}
		if !assert.NoError(r.t, json.Unmarshal(text, &fields), "%q", text) {
			return
		}
		r.seen[fields.Token] = true
		time.Sleep(100 * time.Microsecond) // or nobody else gets a processor
	}
}

func TestSink_IsWholeAtEachInstant(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not replace a file that is open")
	}
	r := newRig(t, agstest.Config{DeviceLimit: -1})
	dir := t.TempDir()
	path := filepath.Join(dir, "token.json")
	r.cfg.Sinks = []daemon.Sink{{Path: path, Format: "json"}}
	token := r.signOn()
	require.NoError(t, r.otherProcess().SetToken(t.Context(), token))
	r.start()
	r.eventually("the sink is written", func() bool { return exists(path) })

	readers := make([]*reader, 3)
	var reading sync.WaitGroup
	for i := range readers {
		readers[i] = &reader{t: t, path: path}
		reading.Go(readers[i].run)
	}
	const replacements = 100
	for range replacements {
		next, err := r.client.Refresh(t.Context(), token)
		require.NoError(t, err)
		token = next
		require.NoError(t, r.src.SetToken(t.Context(), token))
		r.eventually("it is in the sink", func() bool {
			text, err := os.ReadFile(path)
			return err == nil && strings.Contains(string(text), `"`+token.AccessToken.Reveal()+`"`)
		})
		wantMode(t, path, 0o600)
	}
	seen := 0
	for _, reader := range readers {
		reader.stop.Store(true)
	}
	reading.Wait()
	for _, reader := range readers {
		seen = max(seen, len(reader.seen))
	}
	assert.Greater(t, seen, replacements/4, "the readers were too slow to tell anything")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 1)
}

// A token that a former process has left is worse than none when the session has ended.
func TestSink_IsRemovedWithoutASession(t *testing.T) {
	r := newRig(t, agstest.Config{})
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, []byte("stale"), 0o600))
	r.cfg.Sinks = []daemon.Sink{{Path: path, Format: "raw"}}
	r.start()
	r.eventually("it is removed", func() bool { return !exists(path) })
	r.becomes("/readyz", 503)
}

// A token that was rejected by the gateway is served to its end, and then no longer.
func TestSink_IsRemovedWhenTheLastTokenExpires(t *testing.T) {
	r := newRig(t, agstest.Config{AccessLifetime: 3 * time.Second})
	path := filepath.Join(t.TempDir(), "token")
	r.cfg.Sinks = []daemon.Sink{{Path: path, Format: "raw", Mode: 0o640}}
	r.signOnElsewhere()
	r.gateway.RevokeSessions()
	r.start()
	require.NoError(t, r.gateway.Wait(t.Context(), agstest.Refresh, 1))
	r.eventually("it is written", func() bool { return exists(path) })
	wantMode(t, path, 0o640)
	r.eventually("it is removed", func() bool { return !exists(path) })
	_, err := r.src.TokenContext(t.Context())
	require.ErrorIs(t, err, tokensource.ErrLoginRequired)
}

// While the gateway is away the file stays, also if its token has expired.
func TestSink_StaysWhileTheSessionMayBeRefreshed(t *testing.T) {
	r := newRig(t, agstest.Config{AccessLifetime: time.Second})
	r.gateway.Always(agstest.Refresh, agstest.Fault{Status: 503})
	path := filepath.Join(t.TempDir(), "token")
	r.cfg.Sinks = []daemon.Sink{{Path: path, Format: "raw"}}
	r.signOnElsewhere()
	r.start()
	r.eventually("it is written", func() bool { return exists(path) })
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	body := r.becomes("/readyz", 503)
	assert.Equal(t, "the access token has expired, and was not refreshed yet (last attempt: unavailable)\n", body)
	r.stops <- os.Interrupt
	require.NoError(t, r.wantEnd())
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, before, after)
}

func TestSink_IsWrittenAgainWhenItIsGone(t *testing.T) {
	r := newRig(t, agstest.Config{})
	path := filepath.Join(t.TempDir(), "token")
	r.cfg.Sinks = []daemon.Sink{{Path: path, Format: "raw"}}
	r.signOnElsewhere()
	r.start()
	r.eventually("it is written", func() bool { return exists(path) })
	require.NoError(t, os.Remove(path))
	r.eventually("it is written again", func() bool { return exists(path) })
}

func TestSink_ThatCannotBeWritten(t *testing.T) {
	r := newRig(t, agstest.Config{})
	dir := filepath.Join(t.TempDir(), "run")
	require.NoError(t, os.Mkdir(dir, 0o700))
	path := filepath.Join(dir, "token")
	r.cfg.Sinks = []daemon.Sink{{Path: path, Format: "raw"}}
	r.start()
	r.becomes("/startupz", 200)
	require.NoError(t, os.Rename(dir, dir+".away"))
	r.signOnElsewhere()
	r.eventually("it is told", func() bool { return r.log.contains("a sink could not be written; trying again") })
	r.becomes("/readyz", 200)
	require.NoError(t, os.Rename(dir+".away", dir))
	r.eventually("it is written", func() bool { return exists(path) })
}

// Envoy does not start without the file, and does not notice that it is removed.
func TestSink_ForEnvoyIsAlwaysThere(t *testing.T) {
	r := newRig(t, agstest.Config{})
	path := filepath.Join(t.TempDir(), "sds.json")
	r.cfg.Sinks = []daemon.Sink{{Path: path, Format: "envoy-sds"}}
	contains := func(text string) func() bool {
		return func() bool {
			content, err := os.ReadFile(path)
			return err == nil && strings.Contains(string(content), text)
		}
	}
	r.start()
	r.eventually("it is empty", contains(`"inline_string":""`))
	r.signOnElsewhere()
	r.eventually("it has a token", contains(`"inline_string":"Bearer `))
	require.NoError(t, r.otherProcess().SignOut(t.Context()))
	r.eventually("it is empty again", contains(`"inline_string":""`))
}
