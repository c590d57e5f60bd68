package daemon_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/daemon"
	"github.com/agsauth/agsauth/tokensource"
)

func TestHandler_BeforeRun(t *testing.T) {
	d, err := daemon.New(daemon.Config{})
	require.NoError(t, err)
	for _, tt := range []struct {
		method, path string
		want         int
	}{
		{http.MethodGet, "/livez", 200},
		{http.MethodHead, "/livez", 200},
		{http.MethodGet, "/readyz", 503},
		{http.MethodGet, "/startupz", 503},
		{http.MethodGet, "/metrics", 200},
		{http.MethodPost, "/livez", 405},
		{http.MethodGet, "/", 404},
	} {
		rec := httptest.NewRecorder()
		req := httptest.NewRequestWithContext(t.Context(), tt.method, tt.path, nil)
		req.Host = "10.1.2.3:9000" // of the pod
		d.Handler().ServeHTTP(rec, req)
		assert.Equal(t, tt.want, rec.Code, tt.method+" "+tt.path)
	}
}

func TestStatus_IsToldInAFewWords(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("", 3600))
	secret := errors.New("a body with hunter2 in it")
	for _, tt := range []struct {
		status         tokensource.Status
		notReady, text string
	}{
		{tokensource.Status{}, "the session has not been read yet", ""},
		{tokensource.Status{Phase: tokensource.Fresh, ExpiresAt: at}, "", "the session is fresh, the access token expires at 2026-03-01T11:00:00Z"},
		{tokensource.Status{Phase: tokensource.Ageing, Err: secret}, "", "the session is ageing"},
		{tokensource.Status{Phase: tokensource.Expired}, "the access token has expired, and was not refreshed yet", ""},
		{tokensource.Status{Phase: tokensource.Expired, Err: secret}, "the access token has expired, and was not refreshed yet (last attempt: other)", ""},
		{tokensource.Status{Phase: tokensource.Ended, Reason: tokensource.NoSession}, "not signed on; run: agsauth login", ""},
		{tokensource.Status{Phase: tokensource.Ended, Reason: tokensource.FixedExpired}, "the session has ended: fixed horizon passed; run: agsauth login", ""},
	} {
		assert.Equal(t, tt.notReady, daemon.NotReady(tt.status))
		if tt.text == "" {
			tt.text = tt.notReady
		}
		assert.Equal(t, tt.text, daemon.StatusText(tt.status))
	}
}

func TestStatus_TellsThatAPersonIsNeeded(t *testing.T) {
	rejected := tokensource.Status{Phase: tokensource.Ageing, Reason: tokensource.RefreshRejected}
	signedOut := tokensource.Status{Phase: tokensource.Ended, Reason: tokensource.SignedOut}
	for _, tt := range []struct {
		status  tokensource.Status
		signsOn bool
		want    string
	}{
		{tokensource.Status{Phase: tokensource.Fresh}, false, ""},
		{tokensource.Status{Phase: tokensource.Expired}, false, ""},
		{tokensource.Status{Phase: tokensource.Ended, Reason: tokensource.NoSession}, false, "not signed on; run: agsauth login --profile b"},
		{tokensource.Status{Phase: tokensource.Ended, Reason: tokensource.NoSession}, true, ""},
		{rejected, false, "the session has ended: refresh rejected; run: agsauth login --profile b"},
		{rejected, true, ""},
		{signedOut, true, "the session has ended: signed out; run: agsauth login --profile b"},
	} {
		assert.Equal(t, tt.want, daemon.NeedsPerson(tt.status, tt.signsOn))
	}
}
