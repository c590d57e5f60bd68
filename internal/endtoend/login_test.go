package endtoend_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/tokensource"
)

// signOnBody is what a sign-on says of the device.
type signOnBody struct {
	ClientID          string          `json:"clientId"`
	DeviceInformation json.RawMessage `json:"deviceInformation"`
}

// signOns returns what the gateway was told of the device, sign-on by sign-on.
func (h *house) signOns() []signOnBody {
	h.t.Helper()
	var all []signOnBody
	for _, rq := range h.srv.Requests(agstest.SignOn) {
		var b signOnBody
		require.NoError(h.t, json.Unmarshal(rq.Body(), &b))
		all = append(all, b)
	}
	return all
}

// The operator suspends an account, and restores it a while later: that is said to
// the caller, is no end of the session and no reason for a login, and is asked
// about rarely.
func TestEndToEnd_AccountSuspendedAndRestored(t *testing.T) {
	bubble(t, plan{source: withLogin}, func(t *testing.T, h *house) {
		require.True(t, h.srv.SuspendAccount(agstest.DefaultAccountID))
		y := h.crowd(10, time.Minute, time.Hour-2*time.Second)
		assert.Empty(t, y.errs, "nobody notices as long as the token lives")
		assert.Equal(t, 3, h.srv.Count(agstest.Refresh), "at 55, 56 and 58 minutes")

		sleep(3 * time.Minute)
		later := h.unavailable()
		var refusal *ags.Error
		require.ErrorAs(t, later.Err, &refusal)
		assert.Equal(t, 20002, refusal.Code)
		require.ErrorIs(t, later.Err, ags.ErrForbidden)
		y = h.crowd(10, 30*time.Second, 30*time.Minute)
		assert.Len(t, y.errs, y.calls)
		assert.InDelta(t, 10, h.srv.Count(agstest.Refresh), 1, "every five minutes")

		require.True(t, h.srv.RestoreAccount(agstest.DefaultAccountID))
		sleep(5 * time.Minute)
		h.served(2)
		h.wantCount(agstest.SignOn, 1)
		assert.Empty(t, h.events.of(tokensource.EventEnded))
		h.wantSound()
	})
}

// A device that was deleted signs on as a new one, and keeps that identity.
func TestEndToEnd_DeletedDeviceSignsOnAnew(t *testing.T) {
	bubble(t, plan{source: withLogin}, func(t *testing.T, h *house) {
		require.True(t, h.srv.DeleteDevice("PUB_1"))
		y := h.crowd(20, 2*time.Minute, 70*time.Minute)
		assert.Empty(t, y.errs)
		assert.Zero(t, y.slowest)
		h.wantCount(agstest.Refresh, 1)
		assert.Equal(t, "PUB_2", h.src.Status().ClientID)

		sleep(49 * time.Hour) // idle, until the refresh token is dead
		require.NoError(t, h.get(t.Context()).failed())
		on := h.signOns()
		require.Len(t, on, 3)
		assert.Empty(t, on[1].ClientID)
		assert.JSONEq(t, `{"deviceType":"STB"}`, string(on[1].DeviceInformation))
		assert.Equal(t, "PUB_2", on[2].ClientID)
		assert.Empty(t, on[2].DeviceInformation)
		assert.Equal(t, 2, h.srv.Stats().Devices)
		h.wantCount(agstest.Refresh, 1)
		h.wantSound()
	})
}

// The same where only the login learns of it.
func TestEndToEnd_DeletedDeviceLearnsOfItAtTheLogin(t *testing.T) {
	bubble(t, plan{source: withLogin}, func(t *testing.T, h *house) {
		sleep(49 * time.Hour)
		require.True(t, h.srv.DeleteDevice("PUB_1"))
		for _, r := range h.rush(20) {
			require.NoError(t, r.failed())
			require.Equal(t, "PUB_2", r.echo.ClientID)
		}
		on := h.signOns()
		require.Len(t, on, 3)
		assert.Equal(t, "PUB_1", on[1].ClientID)
		assert.Empty(t, on[2].ClientID)
		assert.NotEmpty(t, on[2].DeviceInformation)
		h.wantCount(agstest.Refresh, 0)
		h.wantSound()
	})
}

// Every login of a service sends the identity that the first sign-on gave it,
// whatever the reason, and across restarts.
func TestEndToEnd_LoginKeepsTheDevice(t *testing.T) {
	bubble(t, plan{source: withLogin}, func(t *testing.T, h *house) {
		for session := 2; session < 5; session++ {
			sleep(49 * time.Hour)
			r := h.get(t.Context())
			require.NoError(t, r.failed())
			assert.Equal(t, session, r.echo.Session)
			h.srv.RevokeSessions()
			sleep(90 * time.Minute)
			session++
			r = h.get(t.Context())
			require.NoError(t, r.failed())
			assert.Equal(t, session, r.echo.Session)
		}
		h.wantCount(agstest.SignOn, 5)
		h.wantCount(agstest.Refresh, 2)
		for _, on := range h.signOns()[1:] {
			assert.Equal(t, "PUB_1", on.ClientID)
			assert.Empty(t, on.DeviceInformation)
		}
		assert.Equal(t, 1, h.srv.Stats().Devices)
		h.wantSound()
	})
}

// The account has all the devices that it may have: that is told, with the code,
// and the sign-on is not repeated for a minute. A place that falls free is taken.
func TestEndToEnd_DeviceLimit(t *testing.T) {
	p := plan{platform: agstest.Config{DeviceLimit: 1}, unsigned: true, source: withLogin}
	bubble(t, p, func(t *testing.T, h *house) {
		_, err := h.gw.SignOn(t.Context(), newDevice()) // somebody else's
		require.NoError(t, err)
		for _, r := range h.rush(50) {
			var e *tokensource.LoginRequiredError
			require.ErrorAs(t, r.err, &e)
			assert.Equal(t, tokensource.NoSession, e.Reason)
			var refusal *ags.Error
			require.ErrorAs(t, e, &refusal)
			assert.Equal(t, 20007, refusal.Code)
			require.ErrorIs(t, e, ags.ErrForbidden)
		}
		sleep(59 * time.Second)
		h.ended(tokensource.NoSession)
		h.wantCount(agstest.SignOn, 2)

		require.True(t, h.srv.DeleteDevice("PUB_1"))
		sleep(time.Second)
		h.served(1)
		h.wantCount(agstest.SignOn, 3)
		h.wantSound()
	})
}

// Several accounts match: the choice comes out of whatever the program asked for,
// a human makes it, and the session begins.
func TestEndToEnd_AccountChoice(t *testing.T) {
	for name, inAccounts := range map[string]bool{"one token for all": false, "a token in each": true} {
		t.Run(name, func(t *testing.T) {
			p := plan{
				platform: agstest.Config{
					Accounts: []agstest.Account{
						{ID: "17", Username: agstest.DefaultUsername, Password: agstest.DefaultPassword},
						{ID: "42", Username: agstest.DefaultUsername, Password: agstest.DefaultPassword},
					},
					Quirks: agstest.Quirks{UserTokenInAccounts: inAccounts},
				},
				unsigned: true, source: withLogin,
			}
			bubble(t, p, func(t *testing.T, h *house) {
				required := h.src.LoginRequired()
				var choice *ags.AccountChoiceError
				for _, r := range h.rush(20) {
					require.ErrorIs(t, r.err, tokensource.ErrLoginRequired)
					require.ErrorAs(t, r.err, &choice)
				}
				assert.True(t, isClosed(required))
				require.Len(t, choice.Accounts, 2)
				var info struct {
					AccountID string `json:"accountId"`
				}
				require.NoError(t, json.Unmarshal(choice.Accounts[1].Information(), &info))
				assert.Equal(t, "42", info.AccountID)

				ctx := ags.WithCorrelationID(t.Context(), choice.CorrelationID)
				token, err := h.gw.SubsequentSignOn(ctx, choice.Accounts[1].UserToken, ags.SignOnRequest{
					Parameters: []ags.Parameter{{Name: "accountId", Value: info.AccountID}},
				})
				require.NoError(t, err)
				require.NoError(t, h.src.SetToken(ctx, token))
				r := h.get(t.Context())
				require.NoError(t, r.failed())
				assert.Equal(t, "42", r.echo.AccountID)
				h.wantCount(agstest.SignOn, 1)
				h.wantCount(agstest.SubsequentSignOn, 1)
				first, second := h.srv.Requests(agstest.SignOn)[0], h.srv.Requests(agstest.SubsequentSignOn)[0]
				assert.Equal(t, first.Header.Get("X-Correlation-Id"), second.Header.Get("X-Correlation-Id"))

				y := h.crowd(5, 5*time.Minute, 2*time.Hour)
				assert.Empty(t, y.errs)
				h.wantCount(agstest.Refresh, 2)
				h.wantSound()
			})
		})
	}
}

// A head-end signs its users on with session tokens, by a login of its own.
func TestEndToEnd_LoginWithSessionTokens(t *testing.T) {
	p := plan{unsigned: true, source: func(h *house, cfg *tokensource.Config) {
		cfg.Login = func(ctx context.Context, ended *tokensource.LoginRequiredError) (*ags.Token, error) {
			user := []ags.Parameter{{Name: "username", Value: agstest.DefaultUsername}}
			ticket, err := h.gw.SessionToken(ctx, user)
			if err != nil {
				return nil, err
			}
			return h.gw.SignOnWithSessionToken(ctx, ags.SignOnRequest{
				Parameters:        []ags.Parameter{{Name: "sessionToken", Value: ticket.Reveal()}},
				ClientID:          ended.ClientID,
				DeviceInformation: newDevice().DeviceInformation,
			})
		}
	}}
	bubble(t, p, func(t *testing.T, h *house) {
		h.served(1)
		sleep(49 * time.Hour)
		r := h.get(t.Context())
		require.NoError(t, r.failed())
		assert.Equal(t, 2, r.echo.Session)
		assert.Equal(t, "PUB_1", r.echo.ClientID)
		h.wantCount(agstest.SessionToken, 2)
		h.wantCount(agstest.SignOnWithSessionToken, 2)
		h.wantCount(agstest.Refresh, 0)
	})
}

// A login whose own HTTP client asks the very source that waits for it is told so,
// rather than waiting for itself.
func TestEndToEnd_LoginThatWaitsForItself(t *testing.T) {
	p := plan{unsigned: true, source: func(h *house, cfg *tokensource.Config) {
		cfg.Login = func(ctx context.Context, _ *tokensource.LoginRequiredError) (*ags.Token, error) {
			return nil, h.get(ctx).err
		}
	}}
	bubble(t, p, func(t *testing.T, h *house) {
		begin := time.Now()
		e := h.ended(tokensource.NoSession)
		require.Error(t, e.Err)
		assert.NotErrorIs(t, e.Err, tokensource.ErrLoginRequired, "what the login was told is its own error")
		assert.Zero(t, time.Since(begin))
		h.wantCount(agstest.API, 0)
	})
}

// A gateway that is down at the time of a login is asked again on the back-off.
func TestEndToEnd_LoginThroughAnOutage(t *testing.T) {
	p := plan{
		unsigned: true, source: withLogin,
		gateway: func(cfg *ags.Config) { cfg.Retry.Max = -1 },
	}
	bubble(t, p, func(t *testing.T, h *house) {
		h.srv.Script(agstest.SignOn, agstest.Fault{Status: http.StatusServiceUnavailable, Times: 3})
		for _, r := range h.rush(20) {
			require.ErrorIs(t, r.err, tokensource.ErrLoginRequired)
			require.ErrorIs(t, r.err, ags.ErrUnavailable)
		}
		h.wantCount(agstest.SignOn, 1)
		y := h.crowd(20, 100*time.Millisecond, 5*time.Second)
		assert.NotEmpty(t, y.errs)
		assert.Less(t, len(y.errs), y.calls/2)
		h.wantCount(agstest.SignOn, 4)
		h.served(1)
		h.wantSound()
	})
}

// Close ends a login, for which it would wait as long as an attempt may take, or a human.
func TestEndToEnd_CloseEndsALogin(t *testing.T) {
	bubble(t, plan{unsigned: true, source: withLogin}, func(t *testing.T, h *house) {
		release := h.srv.Hold(agstest.SignOn)
		defer release()
		told := make(chan reply, 1)
		go func() { told <- h.get(t.Context()) }()
		sleep(20 * time.Second)
		begin := time.Now()
		require.NoError(t, h.src.Close())
		require.ErrorIs(t, (<-told).err, tokensource.ErrClosed)
		assert.Zero(t, time.Since(begin))
		h.wantCount(agstest.SignOn, 1)
		h.wantCount(agstest.API, 0)
	})
}
