package transport_test

import (
	"bufio"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/transport"
)

const responseSuffix = ".response.http"

// origins are the beginnings of the first line of a file, which says where it comes from.
var origins = []string{
	"# from the platform's public documentation: ",
	"# seen by public clients in the field: ",
	"# our own decision: ",
}

// wireResponse returns the response in a file.
func wireResponse(t *testing.T, name string, req *http.Request) *http.Response {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "wire", name+responseSuffix))
	require.NoError(t, err)
	text := string(data)
	require.True(t, slices.ContainsFunc(origins, func(origin string) bool { return strings.HasPrefix(text, origin) }),
		"%s does not say where it comes from", name)
	for strings.HasPrefix(text, "#") {
		_, text, _ = strings.Cut(text, "\n")
	}
	head, body, found := strings.Cut(text, "\n\n")
	require.True(t, found, "%s has a head that does not end", name)
	require.True(t, strings.HasPrefix(head, "HTTP/1.1 "+name[:3]+" "), "%s has another status", name)
	wire := strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + body
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(wire)), req)
	require.NoError(t, err)
	return resp
}

// outcome is how a response is treated.
type outcome uint8

const (
	accepted outcome = iota // not a rejection
	legacy                  // a rejection with LegacyRejections
	rejected                // a rejection
)

func wireOutcomes() map[string]outcome {
	return map[string]outcome{
		"401-empty":              rejected,
		"401-json":               rejected,
		"403-99999-expired":      rejected,
		"403-99999-undecodable":  rejected,
		"403-99999-no-length":    rejected,
		"403-99999-cut-off":      rejected,
		"403-99999-problem-json": rejected,
		"403-99999-in-text":      rejected,

		"403-1024-resultCode-number": rejected,
		"403-1024-resultCode-string": rejected,
		"403-1024-errorCode-number":  rejected,
		"403-1024-errorCode-string":  rejected,
		"403-1024-code-number":       rejected,
		"403-1024-code-string":       rejected,
		"403-1025-resultCode-number": rejected,
		"403-1025-resultCode-string": rejected,
		"403-1025-errorCode-number":  rejected,
		"403-1025-errorCode-string":  rejected,
		"403-1025-code-number":       rejected,
		"403-1025-code-string":       rejected,

		"200-99999-expired":     legacy,
		"200-99999-undecodable": legacy,
		"200-99999-no-length":   accepted,
		"200-1024":              accepted,

		"403-20018-vpn":         accepted,
		"403-20019-geo-blocked": accepted,
		"403-no-code":           accepted,
		"403-empty":             accepted,
		"403-html":              accepted,
	}
}

func TestWire_Responses(t *testing.T) {
	outcomes := wireOutcomes()
	for name, want := range outcomes {
		t.Run(name, func(t *testing.T) {
			assertOutcome(t, name, false, want == rejected)
			assertOutcome(t, name, true, want != accepted)
		})
	}
	paths, err := filepath.Glob(filepath.Join("testdata", "wire", "*"))
	require.NoError(t, err)
	var names []string
	for _, path := range paths {
		if name := filepath.Base(path); name != "README.md" {
			names = append(names, strings.TrimSuffix(name, responseSuffix))
		}
	}
	assert.ElementsMatch(t, slices.Collect(maps.Keys(outcomes)), names, "each file has its row")
}

// assertOutcome asserts whether the response in a file is treated as a rejection, and that the
// caller reads the last response unchanged.
func assertOutcome(t *testing.T, name string, legacyRejections, rejected bool) {
	t.Helper()
	for _, tokens := range [][]string{{"old", "new"}, {"only"}} {
		var sent []string
		base := baseFunc(func(req *http.Request) (*http.Response, error) {
			sent = append(sent, req.Header.Get("Authorization"))
			return wireResponse(t, name, req), nil
		})
		source := newSource(tokens...)
		tr := &transport.Transport{Source: source, Base: base, LegacyRejections: legacyRejections}
		resp, err := get(t, urlAPI).through(t, tr)
		require.NoError(t, err)
		direct := wireResponse(t, name, nil)
		want, wantErr := io.ReadAll(direct.Body)
		got, gotErr := io.ReadAll(resp.Body)
		assert.Equal(t, string(want), string(got))
		assert.Equal(t, wantErr, gotErr)
		assert.Equal(t, direct.StatusCode, resp.StatusCode)
		assert.Equal(t, direct.Header, resp.Header)
		assert.NoError(t, resp.Body.Close())

		if !rejected {
			assert.Equal(t, []string{"Bearer " + tokens[0]}, sent)
			source.assertCalls(t, 1)
			continue
		}
		wantSent := make([]string, 0, len(tokens))
		for _, token := range tokens {
			wantSent = append(wantSent, "Bearer "+token)
		}
		assert.Equal(t, wantSent, sent)
		source.assertCalls(t, 2, tokens[0])
	}
}
