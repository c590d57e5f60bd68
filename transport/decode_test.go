package transport_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/transport"
)

// compress returns the compressed text.
func compress(t *testing.T, text string, writer func(io.Writer) io.WriteCloser) string {
	t.Helper()
	var b bytes.Buffer
	w := writer(&b)
	_, err := io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

func inGzip(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }
func inZlib(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }

func inDeflate(w io.Writer) io.WriteCloser {
	d, _ := flate.NewWriter(w, flate.BestCompression) // the level is valid
	return d
}

// A client that asks for compression gets the compressed body unchanged.
func TestRejection_Compressed(t *testing.T) {
	for _, tc := range []struct {
		encoding, text string
		want           bool
	}{
		{"gzip", compress(t, codeBody, inGzip), true},
		{"GZIP", compress(t, codeBody, inGzip), true},
		{"x-gzip", compress(t, codeBody, inGzip), true},
		{"deflate", compress(t, codeBody, inZlib), true},
		{"deflate", compress(t, codeBody, inDeflate), true},
		{"gzip", compress(t, `{"errorCode":20019}`, inGzip), false},
		{"gzip", compress(t, `{"a":"`+strings.Repeat("x", 4096)+`","code":1024}`, inGzip), false}, // beyond the limit
		{"gzip", compress(t, strings.Repeat(" ", 4<<20), inGzip), false},                          // a compression bomb
		{"gzip", codeBody, false},
		{"gzip", "", false},
		{"gzip", compress(t, codeBody, inGzip)[:20], false},
		{"deflate", "", false},
		{"deflate", "x", false},
		{"deflate", codeBody, false},
		{"br", codeBody, false},
	} {
		a := forbidden(tc.text)
		a.header = http.Header{"Content-Encoding": {tc.encoding}}
		assertJudged(t, &transport.Transport{}, http.MethodGet, a, tc.want)
	}
}

func TestLegacyRejections_Compressed(t *testing.T) {
	a := &response{status: http.StatusOK, media: jsonMedia, text: compress(t, codeBody, inGzip), header: http.Header{"Content-Encoding": {"gzip"}}}
	assertJudged(t, &transport.Transport{LegacyRejections: true}, http.MethodGet, a, true)
}
