// Package endpoint is the local token endpoint that every implementation is driven
// against: one HTTP server on loopback, slow or out of order on demand, which
// counts what it is asked.
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

// Endpoint gives tokens that live for Life. A token tells when it dies, so that
// whoever is served one can say whether it was dead.
type Endpoint struct {
	URL string

	life  atomic.Int64 // of the tokens given, nanoseconds
	delay atomic.Int64 // before an answer
	down  atomic.Bool

	calls, failures, granted atomic.Int64
	onCall                   atomic.Pointer[func(failed bool)]
	early                    time.Duration // how long before its expiry ghinstallation is to refresh

	client *http.Client
	server *http.Server
}

// Start serves on a free port of loopback until Close.
func Start(life, delay, margin time.Duration) (*Endpoint, error) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	e := &Endpoint{
		URL:    "http://" + listener.Addr().String(),
		early:  margin,
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}},
	}
	e.life.Store(int64(life))
	e.delay.Store(int64(delay))
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", e.serve(func(token string, expires time.Time) any {
		return answer{Token: token, Expires: expires}
	}))
	// What ghinstallation asks for. It refreshes a minute before the expiry that
	// it is told, which is put so that it does so when the others do.
	mux.HandleFunc("POST /app/installations/1/access_tokens", e.serve(func(token string, expires time.Time) any {
		return map[string]any{"token": token, "expires_at": expires.Add(time.Minute - e.early)}
	}))
	e.server = &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = e.server.Serve(listener) }()
	return e, nil
}

// Close ends the server.
func (e *Endpoint) Close() {
	e.client.CloseIdleConnections()
	_ = e.server.Close()
}

// SetDown begins and ends an outage: every call is answered with 503 at once.
func (e *Endpoint) SetDown(down bool) { e.down.Store(down) }

// SetLife sets how long the tokens given from now on live.
func (e *Endpoint) SetLife(life time.Duration) { e.life.Store(int64(life)) }

// OnCall has f told of each call as it comes in.
func (e *Endpoint) OnCall(f func(failed bool)) { e.onCall.Store(&f) }

// Calls is how often it was asked.
func (e *Endpoint) Calls() int64 { return e.calls.Load() }

// Failures is how often it was asked in an outage.
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
			http.Error(w, "out of order", http.StatusServiceUnavailable)
			return
		}
		expires := time.Now().Add(time.Duration(e.life.Load()))
		time.Sleep(time.Duration(e.delay.Load()))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(body(Name(e.granted.Add(1), expires), expires))
	}
}

// Name is the n-th token, which dies at expires.
func Name(n int64, expires time.Time) string {
	return fmt.Sprintf("token-%d-%d", n, expires.UnixNano())
}

// DeadAt reports whether the endpoint would refuse the token.
func DeadAt(token string, now time.Time) bool {
	nanos, err := strconv.ParseInt(token[strings.LastIndexByte(token, '-')+1:], 10, 64)
	return err != nil || now.UnixNano() >= nanos
}

// ErrDown is what Fetch returns in an outage.
var ErrDown = errors.New("endpoint: 503")

// Fetch asks for a token. All implementations that are given a function to get one
// with are given this.
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
