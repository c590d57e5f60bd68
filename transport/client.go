package transport

import (
	"context"
	"net/http"

	"golang.org/x/oauth2"
)

// Source is a source of tokens with both optional methods, such as
// [github.com/agsauth/agsauth/tokensource.Source].
type Source interface {
	oauth2.TokenSource
	// TokenContext returns a valid token. The wait for it ends with ctx.
	TokenContext(ctx context.Context) (*oauth2.Token, error)
	// Invalidate reports that an API has rejected an access token. It ignores a token
	// that is no longer current.
	Invalidate(accessToken string)
}

// NewClient returns a client that sends each request with a token of source, through
// [http.DefaultTransport]. It accepts only a Source: a wrapped one, such as the result of
// [oauth2.ReuseTokenSource], has neither TokenContext nor Invalidate, so a request's
// context would not end its wait for a token, and rejected tokens would not be replaced.
func NewClient(source Source) *http.Client {
	return &http.Client{Transport: &Transport{Source: source}}
}

// WithHeader calls call with a header that has a token of source in its Authorization.
// It is for clients that take header fields and no [http.RoundTripper], such as those of
// some WebSocket libraries:
//
//	resp, err := transport.WithHeader(ctx, source, func(header http.Header) (*http.Response, error) {
//		var resp *http.Response
//		var err error
//		conn, resp, err = websocket.DefaultDialer.DialContext(ctx, url, header)
//		return resp, err
//	})
//
// If the response is a 401, or a 403 with one of the platform's codes, WithHeader reports
// the rejected token to the source. If the source then has another one, WithHeader closes
// the response's body and calls call once more. It returns what the last call has
// returned. The response may be nil, and there may be both a response and an error.
//
// The optional methods of the source are used as in [Transport]. Errors of the source are
// wrapped. If ctx ends before call is called, the error is its cause. WithHeader does not
// check which host gets the token.
func WithHeader(ctx context.Context, source oauth2.TokenSource, call func(http.Header) (*http.Response, error)) (*http.Response, error) {
	t := &Transport{Source: source}
	sent, err := t.credential(ctx)
	if err != nil {
		return nil, err
	}
	resp, err := call(sent.header())
	if resp == nil {
		return nil, err
	}
	if rejected, _ := peekAt(resp, isRejectedByStatus); !rejected {
		return resp, err
	}
	t.invalidate(ctx, sent)
	next, tokenErr := t.credential(ctx)
	if tokenErr != nil || next.accessToken == sent.accessToken {
		return resp, err
	}
	if resp.Body != nil {
		_ = resp.Body.Close()
	}
	return call(next.header())
}

func (c *credential) header() http.Header { return http.Header{authorization: {c.value}} }
