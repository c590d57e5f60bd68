package ags_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
)

// wireRequest is a call and its request in testdata/wire.
type wireRequest struct {
	from   string // the first line of the file
	change func(*ags.Config)
	call   func(context.Context, *ags.Client) error
}

// The values of the sign-ons.
var (
	credentials = []ags.Parameter{{Name: "username", Value: "dave"}, {Name: "password", Value: `o"pen <sesame>`}}
	description = json.RawMessage(`{"deviceType":"STB"}`)
)

func wireRequests() map[string]wireRequest {
	calls := allCalls()
	discover, refresh, signOut := calls["discover"], calls["refresh"], calls["sign out"]
	signOn := func(r ags.SignOnRequest) func(context.Context, *ags.Client) error {
		return func(ctx context.Context, c *ags.Client) error { _, err := c.SignOn(ctx, r); return err }
	}
	withSession := func(r ags.SignOnRequest) func(context.Context, *ags.Client) error {
		r.Parameters = []ags.Parameter{{Name: "sessionToken", Value: "st-1"}}
		return func(ctx context.Context, c *ags.Client) error { _, err := c.SignOnWithSessionToken(ctx, r); return err }
	}
	return map[string]wireRequest{
		"discover": {"from the platform's public documentation: discovery", nil, discover},
		"discover-with-token": {
			"from the platform's public documentation: discovery with a token",
			func(c *ags.Config) { c.AuthServiceID, c.Header = "", http.Header{"token": {"dt-1"}} }, discover,
		},
		"sign-on-first": {
			"from the platform's public documentation: the first sign-on of a device describes it", nil,
			signOn(ags.SignOnRequest{Parameters: credentials, DeviceInformation: description}),
		},
		"sign-on-later": {
			"from the platform's public documentation: every later sign-on identifies the device", nil,
			signOn(ags.SignOnRequest{Parameters: credentials, ClientID: "PUB_989", DeviceInformation: description}),
		},
		"subsequent-sign-on": {
			"from the platform's public documentation: a sign-on to the account that was chosen", nil,
			func(ctx context.Context, c *ags.Client) error {
				parameters := []ags.Parameter{{Name: "accountId", Value: "1663"}}
				_, err := c.SubsequentSignOn(ctx, ags.NewSecret("ut-1"), ags.SignOnRequest{Parameters: parameters})
				return err
			},
		},
		"session-token": {
			"from the platform's public documentation: a head-end asks for a session token", nil,
			func(ctx context.Context, c *ags.Client) error {
				_, err := c.SessionToken(ctx, credentials[:1])
				return err
			},
		},
		"sign-on-with-session-token-first": {
			"from the platform's public documentation: the first sign-on of a device, with a session token", nil,
			withSession(ags.SignOnRequest{DeviceInformation: description}),
		},
		"sign-on-with-session-token-later": {
			"from the platform's public documentation: a later sign-on with a session token", nil,
			withSession(ags.SignOnRequest{ClientID: "PUB_989"}),
		},
		"refresh": {
			"from the published example of a refresh: its parameters; the Bearer before the token is seen in the field",
			nil, refresh,
		},
		"refresh-bare": {
			"from the published example of a refresh: the refresh token alone, by option",
			func(c *ags.Config) { c.BareRefreshToken = true }, refresh,
		},
		"refresh-without-parameters": {
			"our own decision: without configured parameters an empty list is sent",
			func(c *ags.Config) { c.Parameters = nil }, refresh,
		},
		"refresh-of-the-sister-service": {
			"seen by public clients in the field: another path, and an empty object for a body",
			func(c *ags.Config) {
				c.BaseURL, c.OmitParameters = "https://gateway.example.com:8443", true
				c.Paths.Refresh = "/ias/v3/token/actions/refresh"
			}, refresh,
		},
		"refresh-with-parameters-in-order": {
			"our own decision: a name may repeat, and the order is kept",
			func(c *ags.Config) {
				c.Parameters = []ags.Parameter{{Name: "b", Value: "2"}, {Name: "a"}, {Name: "b", Value: "<é>"}}
			},
			refresh,
		},
		"sign-out": {"from the platform's public documentation: a sign-out sends the access token", nil, signOut},
		"sign-out-empty-body": {
			"our own decision: sign-outs omit what refreshes omit",
			func(c *ags.Config) { c.BareRefreshToken, c.OmitParameters = true, true }, signOut,
		},
	}
}

func TestWire_Requests(t *testing.T) {
	requests := wireRequests()
	maps.Copy(requests, dialectRequests())
	for name, r := range requests {
		t.Run(name, func(t *testing.T) {
			sent := "# " + r.from + "\n" + r.written(t) + "\n"
			if *update {
				require.NoError(t, os.WriteFile(filepath.Join("testdata", "wire", name+requestSuffix), []byte(sent), 0o644))
			}
			wireParts(t, name+requestSuffix)
			assert.Equal(t, wireFile(t, name+requestSuffix), sent)
		})
	}
	assert.ElementsMatch(t, slices.Collect(maps.Keys(requests)), wireNames(t, requestSuffix), "each file has its row")
}

// written returns the request on the wire, with bare line feeds.
func (r wireRequest) written(t *testing.T) string {
	t.Helper()
	var sent string
	c, tr := newClient(t, func(c *ags.Config) {
		c.Parameters = credentials[:1]
		c.Header = http.Header{"Nagra-Device-Type": {"STB"}}
		if r.change != nil {
			r.change(c)
		}
	}, func(r *http.Request) (*http.Response, error) {
		r.Body, _ = bodyOf(r)
		b, err := httputil.DumpRequestOut(r, true)
		sent = string(b)
		return nil, errors.Join(err, errDial)
	})
	require.ErrorIs(t, r.call(ags.WithoutRetry(ags.WithCorrelationID(t.Context(), "flow-1")), c), ags.ErrUnavailable)
	tr.only()
	return strings.ReplaceAll(sent, "\r\n", "\n")
}

// bodyOf returns another reader of the request's body.
func bodyOf(r *http.Request) (io.ReadCloser, error) {
	if r.GetBody == nil {
		return http.NoBody, nil
	}
	return r.GetBody()
}
