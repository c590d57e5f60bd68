package tokensource_test

import (
	"cmp"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

func TestSetToken_RevivesAndOvertakes(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.gw.hold()
		r.clock.Advance(access)
		collect := r.callers(t.Context(), 2)
		require.NoError(t, r.src.SetToken(t.Context(), r.gw.signOn()))
		for _, a := range collect() {
			assert.Equal(t, answer{token: "a2"}, a, "those who wait are served the new one")
		}
		r.gw.release()
		synctest.Wait()
		r.want("a2") // the answer to the former session's refresh, a3, is not used
		assert.Equal(t, 3, r.gw.granted)
		assert.Equal(t, 1, r.events.count(tokensource.EventTokenSet))
		assert.Zero(t, r.events.count(tokensource.EventRefreshed))
	})
}

func TestSetToken_KeepsTheDevice(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		given := r.gw.signOn()
		given.ClientID, given.AccountID = "", ""
		require.NoError(t, r.src.SetToken(t.Context(), given))
		st := r.src.Status()
		assert.Equal(t, []string{"PUB_989", "1663"}, []string{st.ClientID, st.AccountID})
		require.Error(t, r.src.SetToken(t.Context(), nil))
		require.Error(t, r.src.SetToken(t.Context(), &ags.Token{}))
		r.want("a2")
	})
}

func TestSetToken_IsSavedAsANewGeneration(t *testing.T) {
	shelf := newLockedShelf()
	story(t, func(_ *rig, c *tokensource.Config) { c.Store = shelf }, func(t *testing.T, r *rig) {
		r.want("a1")
		shelf.rotate(t, "theirs", r.clock.Now().Add(access))
		require.NoError(t, r.src.SetToken(t.Context(), r.gw.signOn()))
		assert.Equal(t, "a2 r2", shelf.pair(), "a human's wish goes over what others stored")
		assert.InDelta(t, 3, shelf.field("generation"), 0)
		r.want("a2")
	})
}

func TestSetToken_IsUsedThoughItCannotBeSaved(t *testing.T) {
	shelf := newLockedShelf()
	story(t, func(_ *rig, c *tokensource.Config) { c.Store = shelf }, func(t *testing.T, r *rig) {
		r.want("a1")
		full := errors.New("no space left on device")
		shelf.fail(full)
		r.clock.Advance(time.Minute)
		assert.ErrorIs(t, r.src.SetToken(t.Context(), r.gw.signOn()), full)
		r.want("a2")
		shelf.fail(nil)
		shelf.rotate(t, "theirs", r.clock.Now().Add(access))
		r.clock.Advance(2 * time.Second)
		r.want("a2")
		r.want("a2")
		assert.Equal(t, "a2 r2", shelf.pair())
	})
}

// signer is a gateway that can be signed out of.
type signer struct {
	*gateway
	signedOut []string
	err       error
	errOf     map[string]error // by access token
}

func (s *signer) SignOut(_ context.Context, t *ags.Token) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signedOut = append(s.signedOut, t.AccessToken.Reveal())
	return cmp.Or(s.errOf[t.AccessToken.Reveal()], s.err)
}

func TestSignOut_HereThereAndInTheStore(t *testing.T) {
	shelf := newLockedShelf()
	var gw *signer
	story(t, func(r *rig, c *tokensource.Config) {
		gw = &signer{gateway: r.gw}
		c.Store, c.Refresher = shelf, gw
	}, func(t *testing.T, r *rig) {
		r.want("a1")
		ended := r.src.LoginRequired()
		require.NoError(t, r.src.SignOut(t.Context()))
		assert.True(t, closed(ended))
		assert.Equal(t, "PUB_989", r.wantEnded(tokensource.SignedOut).ClientID)
		assert.Equal(t, []string{"a1"}, gw.signedOut)
		assert.Empty(t, shelf.pair())
		assert.NotNil(t, shelf.field("signed_out_at"), "a mark, for the others")
		assert.Equal(t, "PUB_989", shelf.field("client_id"), "the device stays known")
	})
}

func TestSignOut_TheLocalEndComesInAnyCase(t *testing.T) {
	shelf := newLockedShelf()
	away, refused := errors.New("connection refused"), errors.New("refused")
	story(t, func(r *rig, c *tokensource.Config) {
		c.Store, c.Refresher = shelf, &signer{gateway: r.gw, err: refused}
	}, func(t *testing.T, r *rig) {
		r.want("a1")
		shelf.away(away)
		err := r.src.SignOut(t.Context())
		assert.ErrorIs(t, err, away)
		assert.ErrorIs(t, err, refused)
		r.wantEnded(tokensource.SignedOut)
		assert.Equal(t, "a1 r1", shelf.pair())
		shelf.away(nil)
		shelf.rotate(t, "theirs", r.clock.Now().Add(access))
		r.clock.Advance(2 * time.Second)
		r.wantEnded(tokensource.SignedOut)
		r.wantEnded(tokensource.SignedOut)
		assert.NotNil(t, shelf.field("signed_out_at"), "what could not be stored is stored later, and wins")
	})
}

func TestSignOut_ARefreshThatComesTooLateIsSignedOutToo(t *testing.T) {
	var gw *signer
	story(t, func(r *rig, c *tokensource.Config) {
		gw = &signer{gateway: r.gw}
		c.Refresher = gw
	}, func(t *testing.T, r *rig) {
		gw.hold()
		r.clock.Advance(access)
		collect := r.callers(t.Context(), 1)
		require.NoError(t, r.src.SignOut(t.Context()))
		assert.ErrorIs(t, collect()[0].err, tokensource.ErrLoginRequired)
		gw.release()
		synctest.Wait()
		r.wantEnded(tokensource.SignedOut)
		assert.Equal(t, []string{"a1", "a2"}, gw.signedOut)
	})
}

func TestSignOut_OfASessionThatWasOnlyStored(t *testing.T) {
	shelf := newLockedShelf()
	var gw *signer
	story(t, func(_ *rig, c *tokensource.Config) { c.Store = shelf }, func(_ *testing.T, r *rig) { r.want("a1") })
	story(t, func(r *rig, c *tokensource.Config) {
		gw = &signer{gateway: r.gw}
		c.Store, c.Token, c.Refresher = shelf, nil, gw
	}, func(t *testing.T, r *rig) {
		require.NoError(t, r.src.SignOut(t.Context()))
		assert.Equal(t, []string{"a1"}, gw.signedOut)
		assert.Equal(t, "PUB_989", shelf.field("client_id"))
		r.wantEnded(tokensource.SignedOut)
	})
}

func TestSignOut_EndsTheNeighboursAndALoginRevivesThem(t *testing.T) {
	story(t, func(r *rig, c *tokensource.Config) {
		r.memory = &store.Memory{}
		c.Store = r.memory
	}, func(t *testing.T, r *rig) {
		r.want("a1")
		other := r.neighbours(1)[0]
		_, err := other.TokenContext(t.Context())
		require.NoError(t, err)
		require.NoError(t, other.SignOut(t.Context()))
		r.want("a1") // within one access lifetime
		r.clock.Advance(access)
		r.wantEnded(tokensource.SignedOut)
		assert.Zero(t, r.gw.count())

		require.NoError(t, other.SetToken(t.Context(), r.gw.signOn()))
		r.clock.Advance(time.Second)
		r.want("a3")
		require.NoError(t, other.Close())
	})
}

func TestSync_AdoptsAndNeverCallsTheGateway(t *testing.T) {
	shelf := newLockedShelf()
	story(t, func(_ *rig, c *tokensource.Config) { c.Store = shelf }, func(t *testing.T, r *rig) {
		r.want("a1")
		shelf.rotate(t, "theirs", r.clock.Now().Add(access))
		r.want("a1")
		require.NoError(t, r.src.Sync(t.Context()))
		r.want("theirs")
		require.NoError(t, r.src.Sync(t.Context()), "nothing newer is nothing wrong")
		r.clock.Advance(access)
		require.NoError(t, r.src.Sync(t.Context()))
		away := errors.New("connection refused")
		shelf.away(away)
		assert.ErrorIs(t, r.src.Sync(t.Context()), away)
		assert.Zero(t, r.gw.count())
		assert.Equal(t, 1, r.events.count(tokensource.EventAdopted))
	})
	story(t, nil, func(t *testing.T, r *rig) { assert.NoError(t, r.src.Sync(t.Context())) })
}

func TestRun_KeepsAnIdleSessionAlive(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- r.src.Run(ctx) }()
		synctest.Wait()
		assert.ErrorContains(t, r.src.Run(ctx), "Run", "one at a time")
		for r.clock.Now().Before(start.Add(5 * 24 * time.Hour)) {
			require.NoError(t, r.clock.BlockUntil(ctx, 1))
			require.LessOrEqual(t, r.clock.AdvanceToNext(), time.Minute, "it looks at least once a minute")
			synctest.Wait()
		}
		assert.InDelta(t, 5*24*60/55, r.gw.count(), 1)
		cancel()
		assert.ErrorIs(t, <-ran, context.Canceled)
	})
}

func TestRun_NoticesTheEndAndWaits(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		ended := r.src.LoginRequired()
		r.gw.down(errUnauthorized)
		go func() { _ = r.src.Run(t.Context()) }()
		synctest.Wait()
		for range 120 {
			r.clock.Advance(time.Minute)
			synctest.Wait()
		}
		assert.True(t, closed(ended))
		assert.Equal(t, 1, r.gw.count())
		assert.Equal(t, 1, r.events.count(tokensource.EventEnded))
		r.gw.up()
		require.NoError(t, r.src.SetToken(t.Context(), r.gw.signOn()))
		for range 56 {
			r.clock.Advance(time.Minute)
			synctest.Wait()
		}
		assert.Equal(t, 2, r.gw.count(), "and goes on when there is a session")
	})
}

func TestRun_RetriesOnTheBackOff(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.gw.fail(errBusy, errBusy, errBusy)
		go func() { _ = r.src.Run(t.Context()) }()
		synctest.Wait()
		for r.gw.count() < 4 {
			require.NotZero(t, r.clock.AdvanceToNext())
			synctest.Wait()
		}
		assert.Equal(t, start.Add(55*time.Minute+(250+500+1000)*time.Millisecond*3/4), r.src.Status().IssuedAt)
	})
}

func TestClose_WaitsUntilTheAnswerIsSaved(t *testing.T) {
	shelf := newLockedShelf()
	story(t, func(_ *rig, c *tokensource.Config) { c.Store = shelf }, func(t *testing.T, r *rig) {
		r.want("a1")
		r.gw.hold()
		r.clock.Advance(access)
		collect := r.callers(t.Context(), 1)
		done := make(chan error, 1)
		go func() { done <- r.src.Close() }()
		assert.ErrorIs(t, collect()[0].err, tokensource.ErrClosed)
		r.gw.release()
		require.NoError(t, <-done)
		assert.Equal(t, "a2 r2", shelf.pair(), "it may be the only pair that is good")
		require.NoError(t, r.src.Close(), "again")
	})
}

func TestClose_WaitsNoLongerThanTheTimeouts(t *testing.T) {
	story(t, func(_ *rig, c *tokensource.Config) { c.RefreshTimeout, c.StoreTimeout = time.Minute, time.Second }, func(t *testing.T, r *rig) {
		block := make(chan struct{})
		r.gw.script = append(r.gw.script, func(context.Context, *ags.Token) error { <-block; return nil })
		r.clock.Advance(access)
		collect := r.callers(t.Context(), 1)
		done := make(chan error, 1)
		go func() { done <- r.src.Close() }()
		collect()
		synctest.Wait()
		r.clock.Advance(61*time.Second - 1)
		synctest.Wait()
		assert.Empty(t, done, "for both of them")
		r.clock.Advance(1)
		require.ErrorContains(t, <-done, "under way")
		close(block)
	})
}
