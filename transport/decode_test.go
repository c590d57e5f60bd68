package transport_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/transport"
)

// compress returns text as w writes it.
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
	d, _ := flate.NewWriter(w, flate.BestCompression) // the level is one that there is
	return d
}

// A client that asks for compression itself is given what the API sends. The caller gets
// it byte for byte as it came.
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
		{"gzip", compress(t, `{"a":"`+strings.Repeat("x", 4096)+`","code":1024}`, inGzip), false}, // beyond what is looked at
		{"gzip", compress(t, strings.Repeat(" ", 4<<20), inGzip), false},                          // a bomb
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
	a := &answer{status: http.StatusOK, media: jsonMedia, text: compress(t, codeBody, inGzip), header: http.Header{"Content-Encoding": {"gzip"}}}
	assertJudged(t, &transport.Transport{LegacyRejections: true}, http.MethodGet, a, true)
}

// gRPC says in a trailer that the token is no good.
func TestIsRejection_SeesTheTrailersOnceItHasReadAll(t *testing.T) {
	for name, announced := range map[string]bool{"announced": true, "not announced": false} {
		for proto, start := range map[string]func(*httptest.Server){
			"HTTP/1.1": (*httptest.Server).StartTLS,
			"HTTP/2":   func(s *httptest.Server) { s.EnableHTTP2 = true; s.StartTLS() },
		} {
			t.Run(name+", "+proto, func(t *testing.T) {
				srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					status, key := "0", "Grpc-Status"
					if r.Header.Get("Authorization") != "Bearer new" {
						status = "16"
					}
					if announced {
						w.Header().Set("Trailer", key)
					} else {
						key = http.TrailerPrefix + key
					}
					_, _ = io.WriteString(w, "some frames")
					_ = http.NewResponseController(w).Flush()
					w.Header().Set(key, status)
				}))
				start(srv)
				defer srv.Close()
				var seen []string
				tr := &transport.Transport{Source: newSource("old", "new"), Base: srv.Client().Transport, IsRejection: func(resp *http.Response) bool {
					_, err := io.ReadAll(resp.Body)
					assert.NoError(t, err)
					seen = append(seen, resp.Trailer.Get("Grpc-Status"))
					return resp.Trailer.Get("Grpc-Status") == "16"
				}}
				client := &http.Client{Transport: tr}
				resp, err := client.Do(get(t, srv.URL).Request)
				require.NoError(t, err)
				defer resp.Body.Close()
				text, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				assert.Equal(t, "some frames", string(text))
				assert.Equal(t, "0", resp.Trailer.Get("Grpc-Status"))
				assert.Equal(t, []string{"16"}, seen)
				client.CloseIdleConnections()
			})
		}
	}
}

// A reverse proxy passes on the Host that it was sent, and a server goes by that.
func TestAllowHosts_TheHostFieldIsJudgedToo(t *testing.T) {
	for _, tc := range []struct {
		allow []string
		host  string
		want  string
	}{
		{[]string{"api.example.com"}, "", "t"},
		{[]string{"api.example.com"}, "api.example.com", "t"},
		{[]string{"api.example.com"}, "API.example.com:443", "t"},
		{[]string{"api.example.com"}, "attacker.example", ""},
		{[]string{"api.example.com"}, "api.example.com.attacker.example", ""},
		{[]string{"api.example.com:443"}, "api.example.com:8443", ""},
		{[]string{"api.example.com", "front.example.com"}, "front.example.com", "t"},
		{[]string{"front.example.com"}, "front.example.com", ""},
		{nil, "front.example.com", "t"}, // the caller names both
	} {
		base := newBase(ok())
		c := get(t, urlAPI)
		c.Host = tc.host
		resp, err := c.through(t, &transport.Transport{Source: newSource("t"), Base: base, AllowHosts: tc.allow})
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		base.assertTokens(t, tc.want)
	}
}

// A redirect that keeps the URL's origin and changes the Host leads to somebody else.
func TestRedirect_ToAnotherHostField(t *testing.T) {
	base := newBase(ok())
	c := get(t, urlAPI)
	before := get(t, urlAPI).Request
	before.Host = "front.example.com"
	c.Host, c.Response = "attacker.example", &http.Response{Request: before}
	resp, err := c.through(t, &transport.Transport{Source: newSource("t"), Base: base})
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	base.assertTokens(t, "")
}
