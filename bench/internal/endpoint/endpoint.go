// Package endpoint is the token endpoint that all implementations call: an HTTP server
// on loopback that can be made slow or unavailable, and that counts requests.
package endpoint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Endpoint issues tokens. A token contains its expiry, so that a caller can check
// whether the token it got has expired.
type Endpoint struct {
	URL string

	life  atomic.Int64 // of new tokens, in nanoseconds
	delay atomic.Int64 // before an answer, in nanoseconds
	down  atomic.Bool

	calls, failures, issued atomic.Int64
	onCall                  atomic.Pointer[func(failed bool)]
	margin                  time.Duration // before the expiry, in which ghinstallation refreshes

	client *http.Client
	server *http.Server
}

// Start listens on a free port of loopback until Close.
func Start(life, delay, margin time.Duration) (*Endpoint, error) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	e := &Endpoint{
		URL:    "http://" + listener.Addr().String(),
		margin: margin,
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}},
	}
	e.life.Store(int64(life))
	e.delay.Store(int64(delay))
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", e.serve(func(token string, expires time.Time) any {
		return answer{Token: token, Expires: expires}
	}))
	// The request of ghinstallation. It always refreshes a minute before the expiry
	// that it is given, so it gets one that makes it refresh when the others do.
	mux.HandleFunc("POST /app/installations/1/access_tokens", e.serve(func(token string, expires time.Time) any {
		return map[string]any{"token": token, "expires_at": expires.Add(time.Minute - e.margin)}
	}))
	e.server = &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = e.server.Serve(listener) }()
	return e, nil
}

// Close stops the server.
func (e *Endpoint) Close() {
	e.client.CloseIdleConnections()
	_ = e.server.Close()
}

// SetDown begins or ends an outage, in which every request is answered with 503 at
// once.
func (e *Endpoint) SetDown(down bool) { e.down.Store(down) }

// SetLife sets the lifetime of tokens issued from now on.
func (e *Endpoint) SetLife(life time.Duration) { e.life.Store(int64(life)) }

// OnCall makes the endpoint call f when a request arrives.
func (e *Endpoint) OnCall(f func(failed bool)) { e.onCall.Store(&f) }

// Calls returns the number of requests.
func (e *Endpoint) Calls() int64 { return e.calls.Load() }

// Failures returns the number of requests during outages.
func (e *Endpoint) Failures() int64 { return e.failures.Load() }

type answer struct {
	Token   string    `json:"access_token"`
	Expires time.Time `json:"expires"`
}

func (e *Endpoint) serve(body func(string, time.Time) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		e.calls.Add(1)
		down := e.down.Load()
		if f := e.onCall.Load(); f != nil {
			(*f)(down)
		}
		if down {
			e.failures.Add(1)
			http.Error(w, "unavailable", http.StatusServiceUnavailable)
			return
		}
		expires := time.Now().Add(time.Duration(e.life.Load()))
		time.Sleep(time.Duration(e.delay.Load()))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(body(NewToken(e.issued.Add(1), expires), expires))
	}
}

// NewToken returns the n-th token, which contains its expiry.
func NewToken(n int64, expires time.Time) string {
	return fmt.Sprintf("token-%d-%d", n, expires.UnixNano())
}

// ExpiredAt reports whether the token has expired, or is none of an Endpoint.
func ExpiredAt(token string, now time.Time) bool {
	nanos, err := strconv.ParseInt(token[strings.LastIndexByte(token, '-')+1:], 10, 64)
	return err != nil || now.UnixNano() >= nanos
}

// ErrDown is what Fetch returns in an outage.
var ErrDown = errors.New("endpoint: 503")

// Fetch requests a token. All implementations that accept a function get this one.
func (e *Endpoint) Fetch(ctx context.Context) (token string, expires time.Time, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL+"/token", bytes.NewReader([]byte("{}")))
	if err != nil {
		return "", time.Time{}, err
	}
	resp, err := e.client.Do(req)
	if err != nil {
		return "", time.Time{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		_, _ = io.Copy(io.Discard, resp.Body)
		return "", time.Time{}, ErrDown
	}
	var a answer
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		return "", time.Time{}, err
	}
	return a.Token, a.Expires, nil
}
