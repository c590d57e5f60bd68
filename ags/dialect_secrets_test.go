package ags_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
)

// querySecrets are what the calls of IASv2 have in their queries.
var querySecrets = map[string]string{
	"username": "dave+mark@example.com/ö", "password": passwordMark, "token": "REFRESH+mark/91cc%41&x=/==",
}

// queryCalls are the calls of IASv2.
func queryCalls() map[string]func(context.Context, *ags.Client) error {
	return map[string]func(context.Context, *ags.Client) error{
		"sign on": func(ctx context.Context, c *ags.Client) error {
			_, err := c.SignOn(ctx, ags.SignOnRequest{Parameters: []ags.Parameter{
				{Name: "username", Value: querySecrets["username"]}, {Name: "password", Value: querySecrets["password"]},
			}})
			return err
		},
		"refresh": func(ctx context.Context, c *ags.Client) error {
			_, err := c.Refresh(ctx, &ags.Token{RefreshToken: ags.NewSecret(querySecrets["token"])})
			return err
		},
	}
}

// wantNoQuerySecret asserts that text has none of the secrets, in none of the forms in which a
// URL, a log or a dump has them.
func wantNoQuerySecret(t *testing.T, text, what string) {
	t.Helper()
	text = strings.ToLower(text)
	for name, secret := range querySecrets {
		query := url.QueryEscape(secret)
		for _, form := range []string{
			secret, query, strings.ReplaceAll(query, "+", "%20"), url.PathEscape(secret), url.QueryEscape(query), toJSON(secret),
			strings.Trim(fmt.Sprintf("%q", secret), `"`), hex.EncodeToString([]byte(secret)), strings.Trim(fmt.Sprintf("%d", []byte(secret)), "[]"),
			base64.StdEncoding.EncodeToString([]byte(secret)), hex.EncodeToString([]byte(query)), secret[:12],
		} {
			if at := strings.Index(text, strings.ToLower(form)); at >= 0 {
				t.Errorf("%s: the %s was printed, after %q", what, name, text[max(0, at-100):at])
				return
			}
		}
	}
}

// errorTexts returns all output for an error and everything that it wraps.
func errorTexts(err error) string {
	texts := strings.Join(printedTexts(err), "\n") + err.Error()
	for _, form := range append(exportedForms(err), unexportedForms(err)...) {
		texts += fmt.Sprintf("%v %+v %#v %s %q %x", form, form, form, form, form, form)
	}
	switch e := any(err).(type) {
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			texts += errorTexts(inner)
		}
	default:
		if inner := errors.Unwrap(err); inner != nil {
			texts += errorTexts(inner)
		}
	}
	return texts
}

// quotingTransports return errors and responses that quote the URL of the request.
func quotingTransports() map[string]responder {
	quoted := func(r *http.Request, err error) error { return &url.Error{Op: "Post", URL: r.URL.String(), Err: err} }
	body := func(status int, format, contentType string) responder {
		return func(r *http.Request) (*http.Response, error) {
			text := fmt.Sprintf(format, r.URL)
			return respond(status, text, "Content-Type", contentType, "Location", r.URL.String(), "Link", text)(r)
		}
	}
	return map[string]responder{
		"a text":        func(r *http.Request) (*http.Response, error) { return nil, fmt.Errorf("cannot POST %s", r.URL) },
		"a url.Error":   func(r *http.Request) (*http.Response, error) { return nil, quoted(r, errLost) },
		"an unsent one": func(r *http.Request) (*http.Response, error) { return nil, quoted(r, errDial) },
		"a nested one":  func(r *http.Request) (*http.Response, error) { return nil, quoted(r, quoted(r, io.EOF)) },
		"a wrapped one": func(r *http.Request) (*http.Response, error) { return nil, fmt.Errorf("tried: %w", quoted(r, errLost)) },
		"a joined one":  func(r *http.Request) (*http.Response, error) { return nil, errors.Join(errLost, quoted(r, io.EOF)) },
		"an operation":  func(r *http.Request) (*http.Response, error) { return nil, &url.Error{Op: r.URL.RawQuery, Err: io.EOF} },
		"a network error": func(r *http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: r.URL.String(), Err: io.EOF}
		},
		"a DNS error": func(r *http.Request) (*http.Response, error) { return nil, &net.DNSError{Name: r.URL.String()} },
		"a body's error": func(r *http.Request) (*http.Response, error) {
			return respondTruncated(200, "{", quoted(r, errLost))(r)
		},
		"a dump":    func(r *http.Request) (*http.Response, error) { return nil, fmt.Errorf("%+v %#v", r, r.URL) },
		"a refusal": body(400, `{"message":"cannot serve %s"}`, "application/json"),
		"a decoded refusal": func(r *http.Request) (*http.Response, error) {
			decoded, err := url.QueryUnescape(r.URL.RawQuery)
			if err != nil {
				return nil, err
			}
			return respond(401, toJSON(map[string]string{"message": decoded}))(r)
		},
		"a 200":            body(200, `{"error_description":"%s is not valid"}`, "application/json"),
		"a code":           body(403, `{"errorCode":20020,"path":"%[1]s","message":"%[1]s"}`, "application/json"),
		"a nested message": body(500, `{"error":{"message":"at %s"}}`, "application/json"),
		"a page":           body(404, `<a href="%s">`, "text/html"),
		"a text body":      body(401, `%s`, "text/plain"),
		"a redirect":       body(307, `%s`, "text/plain"),
	}
}

func TestIASv2_NoSecretOfTheQueryIsPrinted(t *testing.T) {
	logged := captureLog(t)
	for name, respond := range quotingTransports() {
		for op, call := range queryCalls() {
			c, tr := newClient(t, func(c *ags.Config) { c.Dialect, c.Parameters = ags.IASv2, nil }, respond)
			err := call(ags.WithoutRetry(t.Context()), c)
			require.Error(t, err, name)
			for _, secret := range []string{"password", "token"} {
				escaped := strings.ReplaceAll(url.QueryEscape(querySecrets[secret]), "+", "%20")
				assert.Equal(t, (secret == "token") == (op == "refresh"), strings.Contains(tr.only().url, escaped), "what is not sent is not proven")
			}
			wantNoQuerySecret(t, errorTexts(err), name)
			wantNoQuerySecret(t, errorTexts(fmt.Errorf("wrapped: %w", &url.Error{Op: "Get", URL: "https://api", Err: err})), name)
			if _, ok := errors.AsType[*url.Error](err); ok {
				t.Errorf("%s: the transport's own error is given away", name)
			}
		}
	}
	assert.Empty(t, logged.String())
}

// captureLog redirects the standard log.
func captureLog(t *testing.T) *logBuffer {
	t.Helper()
	var b logBuffer
	log.SetOutput(&b)
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	return &b
}

// Over real connections: what net/http itself quotes, and where a redirect leads.
func TestIASv2_NoSecretOfTheQueryOverASocket(t *testing.T) {
	logged := captureLog(t)
	var strangers atomic.Int32
	stranger := newServer(t, (*httptest.Server).Start, func(http.ResponseWriter, *http.Request) { strangers.Add(1) })
	raw := func(format string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_, _ = fmt.Fprintf(conn, format, r.RequestURI)
				_ = conn.Close()
			}
		}
	}
	redirect := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, stranger.URL+r.RequestURI, status) }
	}
	for name, handle := range map[string]http.HandlerFunc{
		"garbage": raw("%s\r\n\r\n"), "a status line": raw("HTTP/1.1 %s\r\n\r\n"), "a header": raw("HTTP/1.1 200 OK\r\n%s\r\n\r\n"),
		"more than announced": raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}%s"), "dropped": dropConnection,
		"301": redirect(301), "302": redirect(302), "303": redirect(303), "307": redirect(307), "308": redirect(308),
		"refresh": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Refresh", "0; url="+stranger.URL+r.RequestURI)
		},
	} {
		g := newServer(t, (*httptest.Server).Start, handle)
		// The second base is a client's own: it follows redirects, and its errors are *url.Error.
		for _, base := range []http.RoundTripper{g.Client().Transport, clientTransport{g.Client()}} {
			for op, call := range queryCalls() {
				err := call(t.Context(), g.newClientWith(t, base, ags.IASv2))
				require.Error(t, err, name)
				wantNoQuerySecret(t, errorTexts(err), name+", "+op)
			}
		}
		g.Close()
		err := queryCalls()["refresh"](t.Context(), g.newClientWith(t, clientTransport{g.Client()}, ags.IASv2))
		wantNoQuerySecret(t, errorTexts(err), "refused")
		assert.True(t, asError(t, err).NotSent)
	}
	assert.Zero(t, strangers.Load(), "no redirect is followed")
	assert.Empty(t, logged.String())
}

// clientTransport is a transport whose errors are those of an http.Client.
type clientTransport struct{ client *http.Client }

func (c clientTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	own := *c.client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return errors.New("no redirects") }
	r = r.Clone(r.Context())
	r.RequestURI = ""
	return own.Do(r)
}

// newClientWith returns a client of this dialect without retries.
func (g *testServer) newClientWith(t *testing.T, base http.RoundTripper, d ags.Dialect) *ags.Client {
	t.Helper()
	c, err := ags.New(ags.Config{
		BaseURL: g.URL, TenantID: "t", Dialect: d, HTTPClient: &http.Client{Transport: base}, Retry: ags.Retry{Max: -1},
	})
	require.NoError(t, err)
	return c
}

// A hook of httptrace could ask for the request's context, header or address.
func TestIASv2_TraceHooksAreShownNothing(t *testing.T) {
	g := newServer(t, (*httptest.Server).Start, respondTokens)
	var called atomic.Int32
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GetConn:          func(string) { called.Add(1) },
		GotConn:          func(httptrace.GotConnInfo) { called.Add(1) },
		WroteHeaderField: func(string, []string) { called.Add(1) },
		WroteRequest:     func(httptrace.WroteRequestInfo) { called.Add(1) },
	})
	for _, call := range queryCalls() {
		require.NoError(t, call(ctx, g.newClientWith(t, g.Client().Transport, ags.IASv2)))
	}
	assert.Zero(t, called.Load())
	assert.EqualValues(t, 2, g.requests.Load())
}

// The values print without what they send.
func TestIASv2_NoSecretInPrintedValues(t *testing.T) {
	cfg := testConfig(&fakeTransport{tb: t})
	cfg.Dialect, cfg.DeviceInformation = ags.IASv2, []byte(toJSON(map[string]any{"password": passwordMark}))
	cfg.Parameters = []ags.Parameter{{Name: "username", Value: querySecrets["username"]}, {Name: "password", Value: passwordMark}}
	c, err := ags.New(cfg)
	require.NoError(t, err)
	for _, v := range []any{cfg, &cfg, c, *c, ags.SignOnRequest{Parameters: cfg.Parameters, DeviceInformation: cfg.DeviceInformation}} {
		text := strings.Join(printedTextsWith("vdsqxXtTbcoOeEfFgGUZ", v), "\n")
		wantNoQuerySecret(t, text, fmt.Sprintf("%T", v))
	}
	assert.Contains(t, cfg.String(), "ias-v2")
}
