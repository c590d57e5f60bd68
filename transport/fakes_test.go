package transport_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
)

// plainSource is an oauth2.TokenSource and nothing more.
type plainSource func() (*oauth2.Token, error)

func (s plainSource) Token() (*oauth2.Token, error) { return s() }

// fakeSource gives the first of its tokens until that is invalidated, then the
// next, and the last one for ever.
type fakeSource struct {
	onAsk func(ctx context.Context) error // called with every request for a token

	mu          sync.Mutex // guards all below
	tokens      []string
	asked       int
	invalidated []string
}

func newSource(tokens ...string) *fakeSource { return &fakeSource{tokens: tokens} }

// Token is not to be called: the source can do better.
func (*fakeSource) Token() (*oauth2.Token, error) { panic("Token was called, and not TokenContext") }

func (s *fakeSource) TokenContext(ctx context.Context) (*oauth2.Token, error) {
	s.mu.Lock()
	s.asked++
	onAsk := s.onAsk
	s.mu.Unlock()
	if onAsk != nil {
		if err := onAsk(ctx); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return &oauth2.Token{AccessToken: s.tokens[0]}, nil
}

func (s *fakeSource) Invalidate(accessToken string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.invalidated = append(s.invalidated, accessToken)
	if accessToken == s.tokens[0] && len(s.tokens) > 1 {
		s.tokens = s.tokens[1:]
	}
}

func (s *fakeSource) assertAsked(t *testing.T, times int, invalidated ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	assert.Equal(t, times, s.asked, "times the source was asked")
	assert.Equal(t, invalidated, s.invalidated, "tokens invalidated")
}

// body is the body of a request or of a response. It counts.
type body struct {
	io.Reader
	read   atomic.Int64
	closed atomic.Int64
	once   sync.Once
	gone   chan struct{} // closed with it
}

func newBody(text string) *body {
	return &body{Reader: strings.NewReader(text), gone: make(chan struct{})}
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.read.Add(int64(n))
	return n, err
}

func (b *body) Close() error {
	b.closed.Add(1)
	b.once.Do(func() { close(b.gone) })
	return nil
}

// answer is what a base is to answer.
type answer struct {
	status int
	media  string // the Content-Type
	text   string
	header http.Header
	err    error
	length int64                     // the ContentLength; 0 is that of text
	before func(*http.Request)       // called before it is given, and may panic
	slowly func(io.Reader) io.Reader // what stands between the text and who reads it

	body *body // of the response that was made of it
}

const (
	urlAPI    = "https://api.example.com/v1/things"
	jsonMedia = "application/json"
	codeBody  = `{"resultCode":"99999:403","localeMessage":"none","requestId":"r","result":"Bearer Token Expired"}`
)

func ok() *answer           { return &answer{status: http.StatusOK, text: "fine"} }
func unauthorized() *answer { return &answer{status: http.StatusUnauthorized, text: "who are you?"} }

func forbidden(text string) *answer {
	return &answer{status: http.StatusForbidden, media: jsonMedia, text: text}
}

func (a *answer) response() *http.Response {
	a.body = newBody(a.text)
	if a.slowly != nil {
		a.body.Reader = a.slowly(a.body.Reader)
	}
	header := a.header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if a.media != "" {
		header.Set("Content-Type", a.media)
	}
	length := a.length
	if length == 0 {
		length = int64(len(a.text))
	}
	return &http.Response{StatusCode: a.status, Header: header, Body: a.body, ContentLength: length}
}

// seen is a request as a base saw it.
type seen struct {
	token string // without "Bearer "
	req   *http.Request
	body  string
}

// fakeBase gives its answers, one after the other, and wants each to be done with
// before the next request is sent. It reads and closes the body of a request as it
// must, and then does to one that has our token, and so is a copy, what it must not.
type fakeBase struct {
	mu      sync.Mutex // guards all below
	answers []*answer
	seen    []seen
}

func newBase(answers ...*answer) *fakeBase { return &fakeBase{answers: answers} }

func (b *fakeBase) RoundTrip(req *http.Request) (*http.Response, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.answers[:len(b.seen)] {
		if a.body != nil && a.body.closed.Load() != 1 {
			panic("a request is sent while the answer before it is open: " + a.text)
		}
	}
	s := seen{req: req.Clone(req.Context())}
	var ours bool
	s.token, ours = strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
	if req.Body != nil {
		data, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		req.Body.Close()
		s.body = string(data)
	}
	b.seen = append(b.seen, s)
	if ours {
		vandalise(req)
	}
	a := b.answers[len(b.seen)-1]
	if a.before != nil {
		a.before(req)
	}
	if a.err != nil {
		return nil, a.err
	}
	return a.response(), nil
}

// vandalise does to a request what a RoundTripper below could do without writing into
// a value of its header.
func vandalise(req *http.Request) {
	for name, vv := range req.Header {
		_ = append(vv, "vandal")
		req.Header[name] = []string{"vandal"}
	}
	req.Header.Set("X-Vandal", "yes")
	req.URL.Host, req.URL.Path = "vandal", "/vandal"
	req.Method, req.Host, req.ContentLength = "VANDAL", "vandal", 99
}

// assertTokens asserts with which tokens requests were seen, and so how many.
func (b *fakeBase) assertTokens(t *testing.T, tokens ...string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var got []string
	for _, s := range b.seen {
		got = append(got, s.token)
	}
	assert.Equal(t, tokens, got, "tokens of the requests sent")
}

// baseFunc is a base for all other purposes.
type baseFunc func(*http.Request) (*http.Response, error)

func (f baseFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// assertDone asserts that all answers but one were closed, and once: those that
// the caller never gets.
func (b *fakeBase) assertDone(t *testing.T, but *answer) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, a := range b.answers[:len(b.seen)] {
		if a != but && a.body != nil {
			assert.EqualValues(t, 1, a.body.closed.Load(), "times answer %d was closed", i)
		}
	}
}

// assertOpen asserts that the response is the answer, unread so far as its caller
// can tell, and still open; then it closes it.
func assertOpen(t *testing.T, want *answer, resp *http.Response) {
	t.Helper()
	require.NotNil(t, resp)
	assert.Equal(t, want.status, resp.StatusCode)
	assert.Zero(t, want.body.closed.Load(), "times the response was closed")
	text, err := io.ReadAll(resp.Body)
	assert.NoError(t, err)
	assert.Equal(t, want.text, string(text))
	assert.NoError(t, resp.Body.Close())
	assert.EqualValues(t, 1, want.body.closed.Load(), "times the response was closed")
}
