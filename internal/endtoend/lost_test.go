package endtoend_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// lostAnswers are the ways for an answer to be lost when its work was done.
func lostAnswers() map[string]agstest.Fault {
	return map[string]agstest.Fault{
		"lost":               {Kind: agstest.Lost, AfterWork: true},
		"cut off":            {Kind: agstest.Cut},
		"cut off, in chunks": {Kind: agstest.CutChunked},
	}
}

// An answer lost before the work was done costs one more request, at once.
func TestEndToEnd_LostRequestIsSentAgainAtOnce(t *testing.T) {
	bubble(t, plan{}, func(t *testing.T, h *house) {
		sleep(90 * time.Minute)
		h.srv.Script(agstest.Refresh, agstest.Fault{Kind: agstest.Lost})
		begin := time.Now()
		h.served(2)
		assert.Zero(t, time.Since(begin))
		h.wantCount(agstest.Refresh, 2)
		asked := h.srv.Requests(agstest.Refresh)
		assert.True(t, asked[0].SameAuthorization(asked[1]))
		assert.Equal(t, asked[0].Header.Get("X-Correlation-Id"), asked[1].Header.Get("X-Correlation-Id"),
			"it is the same call to the platform's logs")
		assert.NotEmpty(t, asked[0].Header.Get("X-Correlation-Id"))
		h.wantSound()
	})
}

// Where the gateway gives the same answer for a while, losing one is seen by
// nobody.
func TestEndToEnd_LostAnswerWithinTheGraceIsSeenByNobody(t *testing.T) {
	for name, fault := range lostAnswers() {
		t.Run(name, func(t *testing.T) {
			bubble(t, plan{platform: agstest.Config{ReuseGrace: time.Minute}}, func(t *testing.T, h *house) {
				sleep(90 * time.Minute)
				h.srv.Script(agstest.Refresh, fault)
				begin := time.Now()
				h.served(3) // the second pair never arrived
				assert.Zero(t, time.Since(begin))
				h.wantCount(agstest.Refresh, 2)
				sleep(0)
				assert.Empty(t, h.events.of(tokensource.EventRefreshFailed))
				assert.NoError(t, h.src.Status().Err)
				h.wantSound()
			})
		})
	}
}

// Where a refresh token is good once, the repetition is taken for a theft. The
// error says that the first attempt may have been granted.
func TestEndToEnd_LostAnswerToASingleUseToken(t *testing.T) {
	for name, fault := range lostAnswers() {
		t.Run(name, func(t *testing.T) {
			bubble(t, plan{}, func(t *testing.T, h *house) {
				sleep(56 * time.Minute)
				h.srv.Script(agstest.Refresh, fault)
				required := h.src.LoginRequired()
				h.served(1)
				sleep(0)
				h.wantCount(agstest.Refresh, 2)
				assert.Equal(t, 1, h.srv.Stats().Reuses)
				assert.True(t, isClosed(required), "the end is announced at once")

				h.served(1) // and what still lives is served
				sleep(4*time.Minute - 3*time.Second)
				h.served(1)
				sleep(3 * time.Second)
				e := h.ended(tokensource.RefreshRejected)
				assert.True(t, e.OutcomeUnknown)
				require.ErrorIs(t, e.Err, ags.ErrUnauthorized)
				assert.Equal(t, "PUB_1", e.ClientID)
				h.wantCount(agstest.Refresh, 2)
				h.wantCount(agstest.API, 3)
			})
		})
	}
}

// With a login the same is a sign-on, of the same device, that nobody notices.
func TestEndToEnd_LostAnswerIsMadeUpForByTheLogin(t *testing.T) {
	bubble(t, plan{source: withLogin}, func(t *testing.T, h *house) {
		sleep(56 * time.Minute)
		h.srv.Script(agstest.Refresh, agstest.Fault{Kind: agstest.Lost, AfterWork: true})
		y := h.crowd(20, time.Second, 10*time.Second)
		assert.Empty(t, y.errs)
		assert.Zero(t, y.slowest)
		h.wantCount(agstest.Refresh, 2)
		h.wantCount(agstest.SignOn, 2)
		assert.Equal(t, 1, h.srv.Stats().Devices)
		assert.Equal(t, 2, h.get(t.Context()).echo.Session)
	})
}

// An answer that is whole but of no use is not asked for again at once: the
// gateway has answered. If it was the only one, the error says so.
func TestEndToEnd_SpoiltAnswerToASingleUseToken(t *testing.T) {
	for name, fault := range map[string]agstest.Fault{
		"garbage":           {Kind: agstest.Garbage, AfterWork: true},
		"oversized":         {Kind: agstest.Oversized},
		"a proxy's timeout": {Status: http.StatusGatewayTimeout, AfterWork: true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, plan{}, func(t *testing.T, h *house) {
				sleep(90 * time.Minute)
				h.srv.Script(agstest.Refresh, fault)
				wait := time.Until(h.unavailable().NextAt)
				h.wantCount(agstest.Refresh, 1)
				sleep(wait)
				e := h.ended(tokensource.RefreshRejected)
				assert.True(t, e.OutcomeUnknown)
				h.wantCount(agstest.Refresh, 2)
				h.ended(tokensource.RefreshRejected)
				h.wantCount(agstest.Refresh, 2)
			})
		})
	}
}

// A rejection that follows nothing unknown is not said to.
func TestEndToEnd_PlainRejectionIsCertain(t *testing.T) {
	bubble(t, plan{}, func(t *testing.T, h *house) {
		sleep(90 * time.Minute)
		h.srv.Script(agstest.Refresh, agstest.Fault{Status: http.StatusServiceUnavailable})
		wait := time.Until(h.unavailable().NextAt)
		h.srv.RevokeSessions()
		sleep(wait)
		assert.False(t, h.ended(tokensource.RefreshRejected).OutcomeUnknown)
		h.wantCount(agstest.Refresh, 2)
	})
}

// A gateway that does not answer is waited for as long as one attempt may take,
// and no longer; what it did meanwhile is unknown.
func TestEndToEnd_GatewayThatNeverAnswers(t *testing.T) {
	bubble(t, plan{}, func(t *testing.T, h *house) {
		sleep(90 * time.Minute)
		h.srv.Script(agstest.Refresh, agstest.Fault{Delay: time.Hour, AfterWork: true})
		begin := time.Now()
		for _, r := range h.rush(20) {
			var ended *tokensource.LoginRequiredError
			require.ErrorAs(t, r.err, &ended)
			assert.True(t, ended.OutcomeUnknown)
		}
		assert.Equal(t, 10*time.Second, time.Since(begin), "the rest of the time is for the repeat")
		assert.True(t, h.ended(tokensource.RefreshRejected).OutcomeUnknown)
		h.wantCount(agstest.Refresh, 2)
	})
}

// A process that dies between the gateway's answer and the save leaves a note: the
// next one knows, when the token is rejected, that it may be spent.
func TestEndToEnd_CrashInTheMiddleOfARefresh(t *testing.T) {
	var memory store.Memory
	p := plan{source: func(_ *house, cfg *tokensource.Config) { cfg.Store = &memory }}
	bubble(t, p, func(t *testing.T, h *house) {
		h.served(1)
		sleep(56 * time.Minute)
		h.srv.Script(agstest.Refresh, agstest.Fault{Delay: 9 * time.Second, AfterWork: true})
		h.served(1)
		sleep(5 * time.Second)
		h.wantCount(agstest.Refresh, 1)
		left, err := memory.Peer().Load(t.Context()) // what the disk of a machine that dies now has
		require.NoError(t, err)

		var disk store.Memory
		require.NoError(t, disk.Save(t.Context(), left))
		next := h.source(func(_ *house, cfg *tokensource.Config) { cfg.Store, cfg.Token = disk.Peer(), nil })
		_, err = next.TokenContext(t.Context())
		require.NoError(t, err)
		sleep(0)
		h.wantCount(agstest.Refresh, 2)
		sleep(5 * time.Minute)
		_, err = next.TokenContext(t.Context())
		var e *tokensource.LoginRequiredError
		require.ErrorAs(t, err, &e)
		assert.Equal(t, tokensource.RefreshRejected, e.Reason)
		assert.True(t, e.OutcomeUnknown)
		require.NoError(t, next.Close())
	})
}

// Close waits for the answer of a refresh under way: it may be the only pair that
// is still good. After a restart it is there.
func TestEndToEnd_CloseSavesTheAnswerUnderWay(t *testing.T) {
	var memory store.Memory
	p := plan{source: func(_ *house, cfg *tokensource.Config) { cfg.Store = &memory }}
	bubble(t, p, func(t *testing.T, h *house) {
		sleep(90 * time.Minute)
		h.srv.Script(agstest.Refresh, agstest.Fault{Delay: 9 * time.Second, AfterWork: true})
		told := make(chan reply, 1)
		go func() { told <- h.get(t.Context()) }()
		sleep(time.Second)
		begin := time.Now()
		closed := make(chan error, 1)
		go func() { closed <- h.src.Close() }()
		require.ErrorIs(t, (<-told).err, tokensource.ErrClosed)
		assert.Zero(t, time.Since(begin), "who waits is told at once")
		require.NoError(t, <-closed)
		assert.Equal(t, 8*time.Second, time.Since(begin))
		require.ErrorIs(t, h.get(t.Context()).err, tokensource.ErrClosed)

		next := h.source(func(_ *house, cfg *tokensource.Config) { cfg.Store, cfg.Token = memory.Peer(), nil })
		r := send(t.Context(), h.clientOf(next), http.MethodGet, h.srv.URL+"/api/profile", "")
		require.NoError(t, errors.Join(r.failed(), next.Close()))
		assert.Equal(t, 2, r.echo.Generation)
		h.wantCount(agstest.Refresh, 1)
		h.wantSound()
	})
}
