package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/proxy"
)

// clients are programs in other languages. Each function returns the command line of a job.
func clients(t *testing.T) map[string]func(job, url string) []string {
	t.Helper()
	big := filepath.Join(t.TempDir(), "big")
	require.NoError(t, os.WriteFile(big, make([]byte, 8<<20), 0o600))
	script := func(interpreter, name string) func(job, url string) []string {
		return func(job, url string) []string {
			return []string{interpreter, filepath.Join("testdata", name), job, url}
		}
	}
	return map[string]func(job, url string) []string{
		"Python": script("python3", "client.py"),
		"Node":   script("node", "client.mjs"),
		"curl": func(job, url string) []string {
			return append([]string{"curl", "--silent", "--show-error", "--no-buffer", "--header", "Authorization: Bearer placeholder", url}, map[string][]string{
				"post":   {"--data-binary", strings.Repeat("x", 1024)},
				"upload": {"--upload-file", big, "--header", "Expect:"},
			}[job]...)
		},
	}
}

// needClient skips the test if a program is not installed, or fails if it must be.
func needClient(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("AGSAUTH_REQUIRE_CLIENTS") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// start runs a client in the background. Its standard output is to be read to its end.
func start(t *testing.T, command []string) (stdout io.Reader, wait func()) {
	t.Helper()
	needClient(t, command[0])
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	pipe, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	return pipe, func() {
		t.Helper()
		require.NoError(t, cmd.Wait(), stderr.String())
	}
}

func TestProxy_ClientsInOtherLanguages(t *testing.T) {
	for name, command := range clients(t) {
		t.Run(name, func(t *testing.T) {
			t.Run("post", func(t *testing.T) { testClientPosts(t, command) })
			t.Run("events", func(t *testing.T) { testClientReadsEvents(t, command) })
			t.Run("upload", func(t *testing.T) { testClientUploads(t, command) })
		})
	}
}

// A POST with a placeholder is done once, although its first token is rejected.
func testClientPosts(t *testing.T, command func(job, url string) []string) {
	t.Helper()
	api := newRejecting(t)
	p := startProxy(t, api.URL, func(cfg *proxy.Config) { cfg.Source = newSource("old", "new") })
	stdout, wait := start(t, command("post", p.url+"/orders"))
	text, err := io.ReadAll(stdout)
	require.NoError(t, err)
	wait()
	assert.Contains(t, string(text), "done")
	assert.Equal(t, []string{strings.Repeat("x", 1024)}, api.done)
	assert.Len(t, api.received(), 2)
	for _, r := range api.received() {
		assert.NotContains(t, fmt.Sprint(r.Header), "placeholder")
	}
}

// The first event is printed before the second one is sent.
func testClientReadsEvents(t *testing.T, command func(job, url string) []string) {
	t.Helper()
	next := make(chan string)
	p := startProxy(t, events(t, next).URL, nil)
	stdout, wait := start(t, command("events", p.url+"/events"))
	lines := bufio.NewReader(stdout)
	for _, event := range []string{"first", "second"} {
		next <- event
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		assert.Equal(t, "data: "+event, strings.TrimSpace(line))
		_, err = lines.ReadString('\n')
		require.NoError(t, err)
	}
	close(next)
	_, err := io.ReadAll(lines)
	require.NoError(t, err)
	wait()
}

// The rejection of a large upload arrives.
func testClientUploads(t *testing.T, command func(job, url string) []string) {
	t.Helper()
	api := newUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, "rejected")
	})
	p := startProxy(t, api.URL, func(cfg *proxy.Config) { cfg.Source = newSource("old", "new") })
	stdout, wait := start(t, command("upload", p.url+"/upload"))
	text, err := io.ReadAll(stdout)
	require.NoError(t, err)
	wait()
	assert.Contains(t, string(text), "rejected")
	assert.Len(t, api.received(), 1)
}
