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

// floor is what no implementation can go below. Served is a pointer that is
// loaded, and a look at the clock; a refresh is made ahead of time on a goroutine
// that no caller waits for; who has to wait, waits on one channel. It copes with
// nothing: no failure, no second clock, no end of a session.
type floor struct {
	setup   Setup
	current atomic.Pointer[floorToken]
	mu      sync.Mutex
	flight  chan struct{} // closed when it lands
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
	if f.flight == nil {
		f.flight = make(chan struct{})
		go f.fly()
	}
	landed := f.flight
	f.mu.Unlock()
	select {
	case <-landed:
		if t := f.current.Load(); t != nil {
			return t, nil
		}
		return nil, errNoSession
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// fly gets a token, and the next one ahead of time.
func (f *floor) fly() {
	token, expires, err := f.setup.Fetch(f.ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		f.current.Store(&floorToken{
			token: &oauth2.Token{AccessToken: token, Expiry: expires}, expires: expires, header: []string{"Bearer " + token},
		})
		timer := time.AfterFunc(time.Until(expires)-f.setup.Margin, f.fly)
		context.AfterFunc(f.ctx, func() { timer.Stop() })
	}
	if f.flight != nil {
		close(f.flight)
		f.flight = nil
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

// LoopCopy is Loop with a copy of the token each time.
func (f *floor) LoopCopy(ctx context.Context, n int) {
	for range n {
		t, _ := f.token(ctx)
		c := *t.token
		kept.Store(&c)
	}
}

// kept keeps what a loop made from being optimised away.
var kept atomic.Pointer[oauth2.Token]

// send is the least that makes a request of one's own: a shallow copy, with a
// header that shares the caller's values. Whoever changes one of these below
// changes the caller's.
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

// deepCopy is all that a copy needs of which nothing is shared, in one allocation.
type deepCopy struct {
	req    http.Request
	url    url.URL
	values [8]string
}

// DeepFloor is the floor for a copy of which nothing is shared with the caller: the
// URL and each value of the header are copied too. It cannot close a body once, nor
// does it look where the token goes.
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
		out.values[i] = vv[0] // here each has one
		header[name] = out.values[i : i+1 : i+1]
		i++
	}
	out.values[i] = t.header[0]
	header["Authorization"] = out.values[i : i+1 : i+1]
	out.req.Header = header
	return base.RoundTrip(&out.req)
}
