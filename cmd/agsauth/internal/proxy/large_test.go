package proxy_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/proxy"
)

// zeros is an endless body.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// heapPeak samples the heap in use until the returned function is called, which returns the
// growth of its peak in bytes.
func heapPeak() func() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	start := int64(stats.HeapInuse)
	var peak atomic.Int64
	stop := make(chan struct{})
	var sampling sync.WaitGroup
	sampling.Go(func() {
		for {
			var stats runtime.MemStats
			runtime.ReadMemStats(&stats)
			peak.Store(max(peak.Load(), int64(stats.HeapInuse)))
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	})
	return func() int64 {
		close(stop)
		sampling.Wait()
		return peak.Load() - start
	}
}

// transfers is an API for large bodies.
func transfers(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/rejected":
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, "rejected")
	case "/download":
		w.Header().Set("Content-Length", strconv.Itoa(largeBody))
		_, _ = io.CopyN(w, zeros{}, largeBody)
	default:
		n, _ := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprint(w, n)
	}
}

// bounded runs a transfer, and requires that the heap does not grow with the body.
func bounded(t *testing.T, transfer func()) {
	t.Helper()
	peak := heapPeak()
	transfer()
	grown := peak()
	assert.Less(t, grown, int64(16<<20))
	t.Logf("heap grew by at most %d KiB", grown>>10)
}

// Large bodies pass in bounded memory, in both directions.
func TestProxy_LargeBodies(t *testing.T) {
	p := startProxy(t, newUpstream(t, transfers).URL, nil)
	for name, length := range map[string]int64{"of unknown length": -1, "of known length": largeBody} {
		t.Run("upload "+name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), "PUT", p.url, io.LimitReader(zeros{}, largeBody))
			require.NoError(t, err)
			req.ContentLength = length
			bounded(t, func() {
				resp, err := client(t).Do(req)
				require.NoError(t, err)
				defer resp.Body.Close()
				text, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				assert.Equal(t, strconv.Itoa(largeBody), string(text))
			})
		})
	}
	t.Run("download", func(t *testing.T) {
		req, err := http.NewRequestWithContext(t.Context(), "GET", p.url+"/download", nil)
		require.NoError(t, err)
		bounded(t, func() {
			resp, err := client(t).Do(req)
			require.NoError(t, err)
			defer resp.Body.Close()
			n, err := io.Copy(io.Discard, resp.Body)
			require.NoError(t, err)
			assert.EqualValues(t, largeBody, n)
		})
	})
}

// The rejection of a large body arrives.
func TestProxy_LargeBodyIsRejected(t *testing.T) {
	source := newSource("old", "new")
	p := startProxy(t, newUpstream(t, transfers).URL, func(cfg *proxy.Config) { cfg.Source = source })
	bounded(t, func() {
		resp, body := do(t, client(t), "PUT", p.url+"/rejected", unsized{io.LimitReader(zeros{}, largeBody)})
		assert.Equal(t, http.StatusUnauthorized, resp.StatusCode)
		assert.Equal(t, "rejected", body)
	})
	assert.Equal(t, []string{"old"}, source.invalidated)
}

// It also arrives at a client that reads only after it has sent everything.
func TestProxy_RejectionIsReadLate(t *testing.T) {
	const length = 64 << 20 // it must be sent within the time that the proxy allows
	p := startProxy(t, newUpstream(t, transfers).URL, nil)
	conn, err := net.Dial("tcp", p.addr)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	_, err = fmt.Fprintf(conn, "PUT /rejected HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", length)
	require.NoError(t, err)
	_, err = io.CopyN(conn, zeros{}, length)
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, http.StatusUnauthorized, resp.StatusCode)
	assert.Equal(t, "rejected", string(body))
}

// A thousand clients receive events at the same time. With HTTP/2, a connection takes fewer
// streams than are open here.
func TestProxy_ThousandStreams(t *testing.T) {
	t.Run("HTTP/1.1", func(t *testing.T) { testStreams(t, func(api *upstream) { api.Start() }, 1000) })
	t.Run("HTTP/2", func(t *testing.T) {
		testStreams(t, func(api *upstream) { api.EnableHTTP2 = true; api.StartTLS() }, 600)
	})
}

func testStreams(t *testing.T, start func(*upstream), streams int) {
	t.Helper()
	release := make(chan struct{})
	api := startUpstream(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/connect" {
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: first\n\n")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-release:
		case <-r.Context().Done():
			return
		}
		_, _ = io.WriteString(w, "data: second\n\n")
	})
	start(api)
	defer api.Close()
	p := startProxy(t, api.URL, func(cfg *proxy.Config) {
		if api.TLS != nil {
			cfg.Base = proxy.NewTransport(&tls.Config{RootCAs: api.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs})
		}
	})
	c := client(t)
	// The streams of HTTP/2 share this connection. Without it each would make one of its
	// own first, and so many handshakes take a slow machine longer than their limit.
	resp, err := c.Get(p.url + "/connect")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	first := make(chan struct{}, streams)
	var complete atomic.Int64
	var all sync.WaitGroup
	for range streams {
		all.Go(func() {
			if readStream(t, c, p.url, first) {
				complete.Add(1)
			}
		})
	}
	for range streams {
		<-first // all are open at once: none has its second event yet
	}
	close(release)
	all.Wait()
	assert.EqualValues(t, streams, complete.Load())
}

// readStream reads two events, and reports the first. It returns whether both arrived.
func readStream(t *testing.T, c *http.Client, url string, first chan<- struct{}) bool {
	t.Helper()
	reported := false
	report := func() {
		if !reported {
			reported = true
			first <- struct{}{}
		}
	}
	defer report() // also after a failure, so that the test ends
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if !assert.NoError(t, err) {
		return false
	}
	resp, err := c.Do(req)
	if !assert.NoError(t, err) {
		return false
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	line, err := lines.ReadString('\n')
	if !assert.NoError(t, err) || !assert.Equal(t, "data: first\n", line) {
		return false
	}
	report()
	rest, err := io.ReadAll(lines)
	return assert.NoError(t, err) && assert.Equal(t, "\ndata: second\n\n", string(rest))
}
