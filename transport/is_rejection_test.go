package transport_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/transport"
)

func TestIsRejection_ReplacesTheRules(t *testing.T) {
	verdict := func(v bool) func(*http.Response) bool { return func(*http.Response) bool { return v } }
	assertJudged(t, &transport.Transport{IsRejection: verdict(false)}, http.MethodGet, unauthorized(), false)
	assertJudged(t, &transport.Transport{IsRejection: verdict(false)}, http.MethodGet, forbidden(codeBody), false)
	assertJudged(t, &transport.Transport{IsRejection: verdict(true)}, http.MethodGet, &response{status: 418, text: "tea"}, true)

	legacy := &transport.Transport{IsRejection: verdict(false), LegacyRejections: true}
	assertJudged(t, legacy, http.MethodGet, &response{status: 200, media: jsonMedia, text: codeBody}, false)

	upgrade := &response{status: http.StatusSwitchingProtocols, text: "stream"}
	assertJudged(t, &transport.Transport{IsRejection: verdict(true)}, http.MethodGet, upgrade, false)
}

func TestIsRejection_LimitedBody(t *testing.T) {
	text := strings.Repeat("0123456789", 1000)
	for name, chunks := range map[string]func(io.Reader) io.Reader{
		"at once":      func(r io.Reader) io.Reader { return r },
		"byte by byte": iotest.OneByteReader,
		"with its end": iotest.DataErrReader,
	} {
		t.Run(name, func(t *testing.T) {
			for _, length := range []int{0, 1, 4095, 4096, 4097, 10000} {
				a := &response{status: 418, text: text[:length]}
				base := newBase(a)
				chunked := baseFunc(func(req *http.Request) (*http.Response, error) {
					resp, err := base.RoundTrip(req)
					a.body.Reader = chunks(a.body.Reader)
					return resp, err
				})
				var seen string
				tr := &transport.Transport{Source: newSource("old", "new"), Base: chunked}
				tr.IsRejection = func(resp *http.Response) bool {
					data, err := io.ReadAll(resp.Body)
					assert.NoError(t, err)
					assert.NoError(t, resp.Body.Close())
					_, err = resp.Body.Read(make([]byte, 1))
					assert.Equal(t, io.EOF, err)
					assert.Equal(t, 418, resp.StatusCode)
					assert.Equal(t, urlAPI, resp.Request.URL.String())
					assert.Empty(t, resp.Request.Header)
					seen = string(data)
					return false
				}
				resp, err := get(t, urlAPI).through(t, tr)
				require.NoError(t, err)
				assert.Equal(t, text[:min(length, 4096)], seen)
				assertOpen(t, a, resp)
				base.assertTokens(t, "old")
			}
		})
	}
}

func TestIsRejection_UnreadBodyIsNotWrapped(t *testing.T) {
	a := unauthorized()
	tr := &transport.Transport{Source: newSource("t"), Base: newBase(a)}
	tr.IsRejection = func(*http.Response) bool { return false }
	resp, err := get(t, urlAPI).through(t, tr)
	require.NoError(t, err)
	assert.Same(t, a.body, resp.Body)
}

func TestIsRejection_CannotModifyTheResponse(t *testing.T) {
	a := unauthorized()
	tr := &transport.Transport{Source: newSource("t"), Base: newBase(a)}
	tr.IsRejection = func(resp *http.Response) bool {
		resp.StatusCode, resp.Body, resp.Request = 200, nil, nil
		return false
	}
	resp, err := get(t, urlAPI).through(t, tr)
	require.NoError(t, err)
	assertOpen(t, a, resp)
}

func TestIsRejection_NoBody(t *testing.T) {
	base := baseFunc(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusNoContent}, nil
	})
	calls := 0
	tr := &transport.Transport{Source: newSource("t"), Base: base}
	tr.IsRejection = func(resp *http.Response) bool {
		calls++
		data, err := io.ReadAll(resp.Body)
		assert.NoError(t, err)
		assert.Empty(t, data)
		return false
	}
	resp, err := get(t, urlAPI).through(t, tr)
	require.NoError(t, err)
	assert.Nil(t, resp.Body)
	assert.Equal(t, 1, calls)
}

// gRPC reports an invalid token in a trailer.
func TestIsRejection_Trailers(t *testing.T) {
	for name, announced := range map[string]bool{"announced": true, "not announced": false} {
		for proto, start := range protocols {
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
