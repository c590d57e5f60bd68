package endtoend_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/tokensource"
)

// signOnBody is the part of a sign-on request that identifies the device.
type signOnBody struct {
	ClientID          string          `json:"clientId"`
	DeviceInformation json.RawMessage `json:"deviceInformation"`
}

// signOns returns the device part of all sign-on requests, in their order.
func (s *stack) signOns() []signOnBody {
	s.t.Helper()
	var all []signOnBody
	for _, rq := range s.srv.Requests(agstest.SignOn) {
		var b signOnBody
		require.NoError(s.t, json.Unmarshal(rq.Body(), &b))
		all = append(all, b)
	}
	return all
}

// A suspended account is reported to callers. It neither ends the session nor causes
// a login, and the gateway is asked about it rarely.
func TestAccountSuspendedAndRestored(t *testing.T) {
	inBubble(t, options{source: withLogin}, func(t *testing.T, s *stack) {
		require.True(t, s.srv.SuspendAccount(agstest.DefaultAccountID))
		stats := s.poll(10, time.Minute, time.Hour-2*time.Second)
		assert.Empty(t, stats.errs, "no failure while the token is valid")
		assert.Equal(t, 3, s.srv.Count(agstest.Refresh), "at 55, 56 and 58 minutes")

		sleep(3 * time.Minute)
		later := s.wantUnavailable()
		var refusal *ags.Error
		require.ErrorAs(t, later.Err, &refusal)
		assert.Equal(t, 20002, refusal.Code)
		require.ErrorIs(t, later.Err, ags.ErrForbidden)
		stats = s.poll(10, 30*time.Second, 30*time.Minute)
		assert.Len(t, stats.errs, stats.calls)
		assert.InDelta(t, 10, s.srv.Count(agstest.Refresh), 1, "every five minutes")

		require.True(t, s.srv.RestoreAccount(agstest.DefaultAccountID))
		sleep(5 * time.Minute)
		s.wantServed(2)
		s.wantCount(agstest.SignOn, 1)
		assert.Empty(t, s.events.ofKind(tokensource.EventEnded))
		s.wantNoOverlap()
	})
}

// A deleted device signs on as a new device, and keeps the new identity.
func TestDeletedDeviceSignsOnAsANewOne(t *testing.T) {
	inBubble(t, options{source: withLogin}, func(t *testing.T, s *stack) {
		require.True(t, s.srv.DeleteDevice("PUB_1"))
		stats := s.poll(20, 2*time.Minute, 70*time.Minute)
		assert.Empty(t, stats.errs)
		assert.Zero(t, stats.slowest)
		s.wantCount(agstest.Refresh, 1)
		assert.Equal(t, "PUB_2", s.src.Status().ClientID)

		sleep(49 * time.Hour) // until the refresh token has expired
		require.NoError(t, s.get(t.Context()).asError())
		on := s.signOns()
		require.Len(t, on, 3)
		assert.Empty(t, on[1].ClientID)
		assert.JSONEq(t, `{"deviceType":"STB"}`, string(on[1].DeviceInformation))
		assert.Equal(t, "PUB_2", on[2].ClientID)
		assert.Empty(t, on[2].DeviceInformation)
		assert.Equal(t, 2, s.srv.Stats().Devices)
		s.wantCount(agstest.Refresh, 1)
		s.wantNoOverlap()
	})
}

// The same where only the login finds that the device was deleted.
func TestDeletedDeviceFoundByTheLogin(t *testing.T) {
	inBubble(t, options{source: withLogin}, func(t *testing.T, s *stack) {
		sleep(49 * time.Hour)
		require.True(t, s.srv.DeleteDevice("PUB_1"))
		for _, r := range s.burst(20) {
			require.NoError(t, r.asError())
			require.Equal(t, "PUB_2", r.echo.ClientID)
		}
		on := s.signOns()
		require.Len(t, on, 3)
		assert.Equal(t, "PUB_1", on[1].ClientID)
		assert.Empty(t, on[2].ClientID)
		assert.NotEmpty(t, on[2].DeviceInformation)
		s.wantCount(agstest.Refresh, 0)
		s.wantNoOverlap()
	})
}

// Every login sends the device identity of the first sign-on, whatever ended the
// session, and across restarts.
func TestLoginKeepsTheDevice(t *testing.T) {
	inBubble(t, options{source: withLogin}, func(t *testing.T, s *stack) {
		for session := 2; session < 5; session++ {
			sleep(49 * time.Hour)
			r := s.get(t.Context())
			require.NoError(t, r.asError())
			assert.Equal(t, session, r.echo.Session)
			s.srv.RevokeSessions()
			sleep(90 * time.Minute)
			session++
			r = s.get(t.Context())
			require.NoError(t, r.asError())
			assert.Equal(t, session, r.echo.Session)
		}
		s.wantCount(agstest.SignOn, 5)
		s.wantCount(agstest.Refresh, 2)
		for _, on := range s.signOns()[1:] {
			assert.Equal(t, "PUB_1", on.ClientID)
			assert.Empty(t, on.DeviceInformation)
		}
		assert.Equal(t, 1, s.srv.Stats().Devices)
		s.wantNoOverlap()
	})
}

// An account at its device limit is reported with the gateway's code, and is asked
// again after a minute. The sign-on succeeds once another device was deleted.
func TestDeviceLimit(t *testing.T) {
	opts := options{platform: agstest.Config{DeviceLimit: 1}, noSignOn: true, source: withLogin}
	inBubble(t, opts, func(t *testing.T, s *stack) {
		_, err := s.gw.SignOn(t.Context(), newDevice()) // of another user's device
		require.NoError(t, err)
		for _, r := range s.burst(50) {
			var e *tokensource.LoginRequiredError
			require.ErrorAs(t, r.err, &e)
			assert.Equal(t, tokensource.NoSession, e.Reason)
			var refusal *ags.Error
			require.ErrorAs(t, e, &refusal)
			assert.Equal(t, 20007, refusal.Code)
			require.ErrorIs(t, e, ags.ErrForbidden)
		}
		sleep(59 * time.Second)
		s.wantLoginRequired(tokensource.NoSession)
		s.wantCount(agstest.SignOn, 2)

		require.True(t, s.srv.DeleteDevice("PUB_1"))
		sleep(time.Second)
		s.wantServed(1)
		s.wantCount(agstest.SignOn, 3)
		s.wantNoOverlap()
	})
}

// When several accounts match, the AccountChoiceError reaches every caller. The user
// chooses an account, and the session begins.
func TestAccountChoice(t *testing.T) {
	for name, inAccounts := range map[string]bool{"one token for all": false, "a token in each": true} {
		t.Run(name, func(t *testing.T) {
			opts := options{
				platform: agstest.Config{
					Accounts: []agstest.Account{
						{ID: "17", Username: agstest.DefaultUsername, Password: agstest.DefaultPassword},
						{ID: "42", Username: agstest.DefaultUsername, Password: agstest.DefaultPassword},
					},
					Quirks: agstest.Quirks{UserTokenInAccounts: inAccounts},
				},
				noSignOn: true, source: withLogin,
			}
			inBubble(t, opts, func(t *testing.T, s *stack) {
				required := s.src.LoginRequired()
				var choice *ags.AccountChoiceError
				for _, r := range s.burst(20) {
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
				token, err := s.gw.SubsequentSignOn(ctx, choice.Accounts[1].UserToken, ags.SignOnRequest{
					Parameters: []ags.Parameter{{Name: "accountId", Value: info.AccountID}},
				})
				require.NoError(t, err)
				require.NoError(t, s.src.SetToken(ctx, token))
				r := s.get(t.Context())
				require.NoError(t, r.asError())
				assert.Equal(t, "42", r.echo.AccountID)
				s.wantCount(agstest.SignOn, 1)
				s.wantCount(agstest.SubsequentSignOn, 1)
				first, second := s.srv.Requests(agstest.SignOn)[0], s.srv.Requests(agstest.SubsequentSignOn)[0]
				assert.Equal(t, first.Header.Get("X-Correlation-Id"), second.Header.Get("X-Correlation-Id"))

				stats := s.poll(5, 5*time.Minute, 2*time.Hour)
				assert.Empty(t, stats.errs)
				s.wantCount(agstest.Refresh, 2)
				s.wantNoOverlap()
			})
		})
	}
}
