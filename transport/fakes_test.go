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

// plainSource has no optional methods.
type plainSource func() (*oauth2.Token, error)

func (s plainSource) Token() (*oauth2.Token, error) { return s() }

// fakeSource returns its first token until that is invalidated, then the next one. It keeps
// the last one.
type fakeSource struct {
	onAsk func(ctx context.Context) error // called by TokenContext

	mu          sync.Mutex // guards all below
	tokens      []string
	calls       int
	invalidated []string
}

func newSource(tokens ...string) *fakeSource { return &fakeSource{tokens: tokens} }

// Token panics: TokenContext must be called instead.
func (*fakeSource) Token() (*oauth2.Token, error) { panic("Token was called, and not TokenContext") }

func (s *fakeSource) TokenContext(ctx context.Context) (*oauth2.Token, error) {
	s.mu.Lock()
	s.calls++
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

func (s *fakeSource) assertCalls(t *testing.T, times int, invalidated ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	assert.Equal(t, times, s.calls, "calls of the source")
	assert.Equal(t, invalidated, s.invalidated, "tokens invalidated")
}

// countingBody counts the bytes that are read and the calls of Close.
type countingBody struct {
	io.Reader
	read   atomic.Int64
	closed atomic.Int64
	once   sync.Once
	done   chan struct{} // closed by Close
}

func newBody(text string) *countingBody {
	return &countingBody{Reader: strings.NewReader(text), done: make(chan struct{})}
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.read.Add(int64(n))
	return n, err
}

func (b *countingBody) Close() error {
	b.closed.Add(1)
	b.once.Do(func() { close(b.done) })
	return nil
}

// response is a response of a fakeBase.
type response struct {
	status int
	media  string // the Content-Type
	text   string
	header http.Header
	// trailer is set once the body has been read.
	trailer http.Header
	err     error
	length  int64                     // ContentLength; 0 means that of text
	before  func(*http.Request)       // called before the response is returned; may panic
	wrap    func(io.Reader) io.Reader // wraps the body

	body *countingBody // set by http
}

const (
	urlAPI    = "https://api.example.com/v1/things"
	jsonMedia = "application/json"
	codeBody  = `{"resultCode":"99999:403","localeMessage":"none","requestId":"r","result":"Bearer Token Expired"}`
)

func ok() *response { return &response{status: http.StatusOK, text: "fine"} }
func unauthorized() *response {
	return &response{status: http.StatusUnauthorized, text: "who are you?"}
}

func forbidden(text string) *response {
	return &response{status: http.StatusForbidden, media: jsonMedia, text: text}
}

func (a *response) http() *http.Response {
	a.body = newBody(a.text)
	if a.wrap != nil {
		a.body.Reader = a.wrap(a.body.Reader)
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
	resp := &http.Response{StatusCode: a.status, Header: header, Body: a.body, ContentLength: length}
	if a.trailer != nil {
		a.body.Reader = io.MultiReader(a.body.Reader, readFunc(func([]byte) (int, error) {
			resp.Trailer = a.trailer
			return 0, io.EOF
		}))
	}
	return resp
}

// sentRequest is a request as the base received it.
type sentRequest struct {
	token string // without "Bearer "
	req   *http.Request
	body  string
}

// fakeBase returns its responses in turn. It panics if an earlier one is open. It reads and
// closes the request's body and modifies a request with our token, which must be a copy.
type fakeBase struct {
	mu        sync.Mutex // guards all below
	responses []*response
	seen      []sentRequest
}

func newBase(responses ...*response) *fakeBase { return &fakeBase{responses: responses} }

func (b *fakeBase) RoundTrip(req *http.Request) (*http.Response, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.responses[:len(b.seen)] {
		if a.body != nil && a.body.closed.Load() != 1 {
			panic("a request is sent while an earlier response is open: " + a.text)
		}
	}
	s := sentRequest{req: req.Clone(req.Context())}
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
		modifyRequest(req)
	}
	a := b.responses[len(b.seen)-1]
	if a.before != nil {
		a.before(req)
	}
	if a.err != nil {
		return nil, a.err
	}
	return a.http(), nil
}

// modifyRequest modifies all of a request but its header values.
func modifyRequest(req *http.Request) {
	for name, vv := range req.Header {
		_ = append(vv, "modified")
		req.Header[name] = []string{"modified"}
	}
	req.Header.Set("X-Modified", "yes")
	req.URL.Host, req.URL.Path = "modified", "/modified"
	req.Method, req.Host, req.ContentLength = "MODIFIED", "modified", 99
}

// assertTokens asserts the tokens of all requests.
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

// baseFunc is a function as a base.
type baseFunc func(*http.Request) (*http.Response, error)

func (f baseFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// assertClosedExcept asserts that all responses but one were closed once.
func (b *fakeBase) assertClosedExcept(t *testing.T, but *response) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, a := range b.responses[:len(b.seen)] {
		if a != but && a.body != nil {
			assert.EqualValues(t, 1, a.body.closed.Load(), "times response %d was closed", i)
		}
	}
}

// assertOpen asserts that the response is this one, unread and open, and closes it.
func assertOpen(t *testing.T, want *response, resp *http.Response) {
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
