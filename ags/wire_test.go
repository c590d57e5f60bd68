package ags_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/clock"
)

var update = flag.Bool("update", false, "write the requests in testdata/wire anew")

func wireFile(tb testing.TB, name string) string {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "wire", name))
	require.NoError(tb, err)
	return string(b)
}

// answerFile answers with a file: a first line that says where it comes from,
// then a response as it is on the wire.
func answerFile(tb testing.TB, name string) step {
	tb.Helper()
	from, raw, _ := strings.Cut(wireFile(tb, name), "\n")
	require.True(tb, strings.HasPrefix(from, "# "), "%s does not say where it comes from", name)
	head, body, _ := strings.Cut(raw, "\n\n")
	head = strings.ReplaceAll(head, "\n", "\r\n")
	return func(r *http.Request) (*http.Response, error) {
		return http.ReadResponse(bufio.NewReader(strings.NewReader(head+"\r\n\r\n"+body)), r)
	}
}

func TestWire_RefreshAnswerOfTheDocumentation(t *testing.T) {
	body := wireFile(t, "refresh-response.json")
	var raw map[string]any
	require.NoError(t, json.Unmarshal([]byte(body), &raw))
	for _, off := range []time.Duration{0, time.Hour, -time.Hour, 300 * time.Millisecond} {
		at := issued.Add(off)
		token, err := refreshAt(t, at, held(), body)
		require.NoError(t, err)
		assert.Equal(t, raw["access_token"], token.AccessToken.Reveal())
		assert.Equal(t, raw["refresh_token"], token.RefreshToken.Reveal())
		assert.Equal(t, "bearer", token.TokenType)
		assert.Equal(t, "PUB_989", token.ClientID)
		assert.Equal(t, "1663", token.AccountID)
		assert.True(t, token.HasFixedClaim())
		assertInstant(t, at, token.IssuedAt, "issued")
		assertInstant(t, at.Add(3600*time.Second), token.ExpiresAt, "access")
		assertInstant(t, at.Add(172800*time.Second), token.RefreshExpiresAt, "refresh")
		fixed := at.Add(2592000 * time.Second)
		if off.Abs() < time.Second { // noise: the claim as it stands
			fixed = time.Unix(1657465493, 0)
		}
		assertInstant(t, fixed, token.FixedExpiresAt, "fixed")
	}
	token, err := refreshAt(t, time.Unix(1654873493, 0), held(), body)
	require.NoError(t, err)
	assertInstant(t, time.Unix(1654877093, 0), token.ExpiresAt, "access")
	assertInstant(t, time.Unix(1655046293, 0), token.RefreshExpiresAt, "refresh")
	assertInstant(t, time.Unix(1657465493, 0), token.FixedExpiresAt, "fixed")
}

func TestWire_RefreshRequestOfTheDocumentation(t *testing.T) {
	c, w := client(t, func(c *ags.Config) {
		c.Parameters = []ags.Parameter{{Name: "username", Value: "dave"}}
	}, reply(200, wireFile(t, "refresh-response.json")))
	_, err := c.Refresh(ags.WithCorrelationID(t.Context(), "flow-1"), held())
	require.NoError(t, err)
	r := w.only()
	assert.JSONEq(t, wireFile(t, "refresh-request.json"), r.body)
	assert.Equal(t, http.MethodPost, r.method)
	assert.Equal(t, "https://gateway.example.com/ags/refresh", r.url)
	assert.Equal(t, http.Header{
		"Accept":            {"application/json"},
		"Authorization":     {"Bearer " + refreshMark},
		"Content-Type":      {"application/json"},
		"Nv-Tenant-Id":      {"nagra"},
		"X-Auth-Service-Id": {"Customer Auth Service"},
		"X-Correlation-Id":  {"flow-1"},
	}, r.header)
}

func TestWire_Requests(t *testing.T) {
	parameters := []ags.Parameter{{Name: "username", Value: "dave"}, {Name: "password", Value: `o"pen <sesame>`}}
	first := ags.SignOnRequest{Parameters: parameters, DeviceInformation: json.RawMessage(`{"deviceType":"STB"}`)}
	later := ags.SignOnRequest{Parameters: parameters, ClientID: "PUB_989", DeviceInformation: first.DeviceInformation}
	session := ags.SignOnRequest{Parameters: []ags.Parameter{{Name: "sessionToken", Value: "st-1"}}, ClientID: "PUB_989"}
	chosen := ags.SignOnRequest{Parameters: []ags.Parameter{{Name: "accountId", Value: "1663"}}}
	for file, call := range map[string]func(context.Context, *ags.Client) error{
		"discover":      func(ctx context.Context, c *ags.Client) error { _, err := c.Discover(ctx); return err },
		"sign-on-first": func(ctx context.Context, c *ags.Client) error { _, err := c.SignOn(ctx, first); return err },
		"sign-on-later": func(ctx context.Context, c *ags.Client) error { _, err := c.SignOn(ctx, later); return err },
		"subsequent-sign-on": func(ctx context.Context, c *ags.Client) error {
			_, err := c.SubsequentSignOn(ctx, ags.NewSecret("ut-1"), chosen)
			return err
		},
		"session-token": func(ctx context.Context, c *ags.Client) error {
			_, err := c.SessionToken(ctx, parameters[:1])
			return err
		},
		"sign-on-with-session-token": func(ctx context.Context, c *ags.Client) error {
			_, err := c.SignOnWithSessionToken(ctx, session)
			return err
		},
		"refresh":  func(ctx context.Context, c *ags.Client) error { _, err := c.Refresh(ctx, held()); return err },
		"sign-out": func(ctx context.Context, c *ags.Client) error { return c.SignOut(ctx, held()) },
	} {
		t.Run(file, func(t *testing.T) {
			var sent string
			c, w := client(t, func(c *ags.Config) {
				c.Parameters = []ags.Parameter{{Name: "username", Value: "dave"}}
				c.Header = http.Header{"Nagra-Device-Type": {"STB"}}
			}, func(r *http.Request) (*http.Response, error) {
				r.Body, _ = bodyOf(r)
				b, err := httputil.DumpRequestOut(r, true)
				sent = "# what Client sends, written by -update\n" + strings.ReplaceAll(string(b), "\r\n", "\n") + "\n"
				return nil, errors.Join(err, errDial)
			})
			require.Error(t, call(ags.WithoutRetry(ags.WithCorrelationID(t.Context(), "flow-1")), c))
			w.only()
			name := file + ".request.http"
			if *update {
				require.NoError(t, os.WriteFile(filepath.Join("testdata", "wire", name), []byte(sent), 0o600))
			}
			assert.Equal(t, wireFile(t, name), sent)
		})
	}
}

// bodyOf returns a request's body once more.
func bodyOf(r *http.Request) (io.ReadCloser, error) {
	if r.GetBody == nil {
		return http.NoBody, nil
	}
	return r.GetBody()
}

func TestWire_Answers(t *testing.T) {
	fake := clock.NewFake(issued)
	at := func(c *ags.Config) { c.Clock = fake }

	c, w := client(t, at, answerFile(t, "sign-on.answer.http"))
	token, err := c.SignOn(t.Context(), ags.SignOnRequest{})
	require.NoError(t, err)
	assert.Equal(t, "PUB_989", token.ClientID)
	assertInstant(t, issued.Add(time.Hour), token.ExpiresAt, "access")
	w.only()

	c, w = client(t, at, answerFile(t, "sign-on-choice.answer.http"))
	_, err = c.SignOn(t.Context(), ags.SignOnRequest{})
	choice, ok := errors.AsType[*ags.AccountChoiceError](err)
	require.True(t, ok, "%v", err)
	assert.Len(t, choice.Accounts, 2)
	w.only()

	c, w = client(t, at, answerFile(t, "discover.answer.http"))
	d, err := c.Discover(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "Customer Auth Service", d.Services[0].AuthServiceName)
	assert.Equal(t, "Username", d.Services[0].Endpoints[0].ParameterProperties[0].Name)
	w.only()

	c, w = client(t, at, answerFile(t, "session-token.answer.http"))
	s, err := c.SessionToken(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, "st-1", s.Reveal())
	w.only()

	for file, want := range map[string]string{
		"refused-device-limit.answer.http": "ags: refresh: status 403 code 20007: device limit reached (correlation id flow-1)",
		"refused-by-firewall.answer.http":  "ags: refresh: status 403: the answer is text/html, not JSON (correlation id flow-1)",
		"overloaded.answer.http":           "ags: refresh: status 429: slow down (correlation id flow-1)",
	} {
		c, w = client(t, at, answerFile(t, file))
		_, err = c.Refresh(ags.WithoutRetry(ags.WithCorrelationID(t.Context(), "flow-1")), held())
		require.EqualError(t, err, want)
		w.only()
	}
}
