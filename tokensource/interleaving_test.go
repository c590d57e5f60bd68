package tokensource_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/tokensource"
)

// Stories of what comes at the wrong moment: while something else waits for the
// gateway, the store, its lock or its turn.

var errAway = errors.New("connection refused")

// gate makes calls wait while it is shut.
type gate struct {
	mu   sync.Mutex
	shut chan struct{} // closed by open; nil while the gate is open
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = make(chan struct{})
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.shut)
	g.shut = nil
}

// pass waits until the gate is open, and heeds nothing else.
func (g *gate) pass() {
	g.mu.Lock()
	shut := g.shut
	g.mu.Unlock()
	if shut != nil {
		<-shut
	}
}

// gatedShelf is a shelf with a lock whose loads and unlocks can be made to wait.
type gatedShelf struct {
	*lockedShelf
	loading, unlocking gate
}

func (s *gatedShelf) Load(ctx context.Context) ([]byte, error) {
	s.loading.pass()
	return s.lockedShelf.Load(ctx)
}

func (s *gatedShelf) Lock(ctx context.Context) (func() error, error) {
	unlock, err := s.lockedShelf.Lock(ctx)
	if err != nil {
		return nil, err
	}
	return func() error { s.unlocking.pass(); return unlock() }, nil
}

// onGatedShelf is a story with a Source on such a store.
func onGatedShelf(t *testing.T, tell func(*testing.T, *rig, *gatedShelf)) {
	t.Helper()
	var shelf *gatedShelf
	story(t, func(r *rig, c *tokensource.Config) {
		shelf = &gatedShelf{lockedShelf: newLockedShelf()}
		shelf.t = r.t
		c.Store = shelf
	}, func(t *testing.T, r *rig) { tell(t, r, shelf) })
}

// begin starts a call that is not over when all goroutines have come to rest, and
// returns how to break it off and what it came to.
func begin(t *testing.T, call func(context.Context) error) (cancel func(), came <-chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- call(ctx) }()
	synctest.Wait()
	require.Empty(t, result)
	return cancel, result
}

// setToken hands in the first pair of another session.
func (r *rig) setToken() func(context.Context) error {
	next := r.gw.signOn()
	return func(ctx context.Context) error { return r.src.SetToken(ctx, next) }
}

func TestOvertaken_ALateNoteOfAnAttemptSavesNobodyElse(t *testing.T) {
	// The refresh of a former session hangs while it notes that it is made. What a
	// human wants meanwhile cannot be saved before somebody gives up.
	t.Run("the token of SetToken is saved later", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			shelf.hold()
			r.clock.Advance(access)
			collect := r.callers(t.Context(), 1)
			cancel, came := begin(t, r.setToken())
			cancel()
			require.ErrorIs(t, <-came, context.Canceled)
			require.True(t, r.src.Status().Unsaved)
			shelf.release()
			assert.Equal(t, answer{token: "a2"}, collect()[0])
			synctest.Wait()
			assert.True(t, r.src.Status().Unsaved)
			assert.Equal(t, "a1 r1", shelf.pair())
			r.clock.Advance(2 * time.Second)
			r.want("a2")
			assert.Equal(t, "a2 r2", shelf.pair())
			assert.Zero(t, r.gw.count())
		})
	})
	t.Run("the mark of SignOut is stored later, and holds over a restart", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			shelf.hold()
			r.clock.Advance(access)
			collect := r.callers(t.Context(), 1)
			cancel, came := begin(t, r.src.SignOut)
			cancel()
			require.ErrorIs(t, <-came, context.Canceled)
			shelf.release()
			assert.ErrorIs(t, collect()[0].err, tokensource.ErrLoginRequired)
			synctest.Wait()
			assert.Equal(t, "a1 r1", shelf.pair())
			r.clock.Advance(2 * time.Second)
			r.wantEnded(tokensource.SignedOut)
			assert.NotNil(t, shelf.field("signed_out_at"))
			r.restart(nil, shelf)
			r.wantEnded(tokensource.SignedOut)
			assert.Zero(t, r.gw.count())
		})
	})
}

func TestOvertaken_ALateRejectionEndsOnlyItsOwnSession(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.gw.script = append(r.gw.script, func(context.Context, *ags.Token) error {
			shelf.away(errAway) // so that the rejection is withheld
			return errUnauthorized
		})
		r.gw.hold()
		r.clock.Advance(access)
		collect := r.callers(t.Context(), 1)
		cancel, came := begin(t, r.setToken())
		cancel()
		require.ErrorIs(t, <-came, context.Canceled)
		assert.Equal(t, answer{token: "a2"}, collect()[0])
		r.gw.release()
		synctest.Wait()
		shelf.away(nil)
		r.clock.Advance(access)
		r.want("a3")
		assert.Equal(t, []string{"r1", "r2"}, r.gw.presented(), "the next session's token is presented for itself")
		assert.Zero(t, r.events.count(tokensource.EventEnded))
	})
}

func TestOvertaken_AnIdentityReadLateIsNotTheNextSessions(t *testing.T) {
	onGatedShelf(t, func(t *testing.T, r *rig, shelf *gatedShelf) {
		r.want("a1")
		shelf.edit(t, func(f map[string]any) { f["client_id"] = "PUB_stored" })
		require.NoError(t, r.src.Close())
		r.src = r.source(func(_ *rig, c *tokensource.Config) { c.Store, c.Token = shelf, nil })

		shelf.loading.close()
		_, signedOut := begin(t, r.src.SignOut) // reads whose session it is
		cancel, set := begin(t, r.setToken())
		cancel()
		require.ErrorIs(t, <-set, context.Canceled)
		shelf.loading.open()
		require.NoError(t, <-signedOut)
		assert.Equal(t, "PUB_989", r.src.Status().ClientID)
		assert.Zero(t, r.gw.count())
	})
}

// onGatedSigner is such a story with a gateway that can be signed out of.
func onGatedSigner(t *testing.T, set func(*rig, *tokensource.Config, *gatedShelf), tell func(*testing.T, *rig, *signer, *gatedShelf)) {
	t.Helper()
	var gw *signer
	var shelf *gatedShelf
	story(t, func(r *rig, c *tokensource.Config) {
		gw, shelf = &signer{gateway: r.gw}, &gatedShelf{lockedShelf: newLockedShelf()}
		shelf.t = r.t
		c.Refresher, c.Store = gw, shelf
		if set != nil {
			set(r, c, shelf)
		}
	}, func(t *testing.T, r *rig) { tell(t, r, gw, shelf) })
}

func TestOvertaken_WhatASignOutFindsUnderWayIsSignedOutToo(t *testing.T) {
	t.Run("a pair that is being saved", func(t *testing.T) {
		onGatedSigner(t, nil, func(t *testing.T, r *rig, gw *signer, shelf *gatedShelf) {
			r.want("a1")
			r.gw.script = append(r.gw.script, func(context.Context, *ags.Token) error { shelf.hold(); return nil })
			r.clock.Advance(access)
			collect := r.callers(t.Context(), 1)
			_, came := begin(t, r.src.SignOut)
			assert.ErrorIs(t, collect()[0].err, tokensource.ErrLoginRequired)
			shelf.release()
			require.NoError(t, <-came)
			synctest.Wait()
			assert.Equal(t, []string{"a1", "a2"}, gw.signedOut)
			assert.NotNil(t, shelf.field("signed_out_at"))
			assert.Equal(t, 1, r.gw.count())
		})
	})
	t.Run("a login that was answered already", func(t *testing.T) {
		var gw *signer
		var answered gate
		story(t, func(r *rig, c *tokensource.Config) {
			gw = &signer{gateway: r.gw}
			answered.close()
			c.Token, c.Refresher = nil, gw
			c.Login = func(context.Context, *tokensource.LoginRequiredError) (*ags.Token, error) {
				token := r.gw.signOn()
				answered.pass()
				return token, nil
			}
		}, func(t *testing.T, r *rig) {
			collect := r.callers(t.Context(), 1)
			require.NoError(t, r.src.SignOut(t.Context()))
			assert.ErrorIs(t, collect()[0].err, tokensource.ErrLoginRequired)
			answered.open()
			synctest.Wait()
			assert.Equal(t, []string{"a2"}, gw.signedOut)
		})
	})
	t.Run("though another session was being handed in", func(t *testing.T) {
		onGatedSigner(t, nil, func(t *testing.T, r *rig, gw *signer, shelf *gatedShelf) {
			r.want("a1")
			r.gw.hold()
			r.clock.Advance(access)
			collect := r.callers(t.Context(), 1)
			_, set := begin(t, r.setToken())
			_, setAgain := begin(t, r.setToken()) // both wait for their turn
			_, came := begin(t, r.src.SignOut)
			assert.ErrorIs(t, collect()[0].err, tokensource.ErrLoginRequired)
			r.gw.release()
			require.ErrorContains(t, <-set, "came in between")
			require.ErrorContains(t, <-setAgain, "came in between")
			require.NoError(t, <-came)
			synctest.Wait()
			assert.Equal(t, []string{"a1", "a4"}, gw.signedOut)
			assert.NotNil(t, shelf.field("signed_out_at"))
		})
	})
	t.Run("a pair that is saved", func(t *testing.T) {
		onGatedSigner(t, nil, func(t *testing.T, r *rig, gw *signer, shelf *gatedShelf) {
			r.want("a1")
			shelf.unlocking.close()
			r.clock.Advance(access)
			collect := r.callers(t.Context(), 1)
			require.Equal(t, "a2 r2", shelf.pair())
			gw.errOf = map[string]error{"a2": ags.ErrUnauthorized} // a2 was of a1's session, after all
			_, came := begin(t, r.src.SignOut)
			collect()
			shelf.unlocking.open()
			require.NoError(t, <-came)
			synctest.Wait()
			assert.Equal(t, []string{"a1", "a2"}, gw.signedOut)
			assert.NotNil(t, shelf.field("signed_out_at"))
		})
	})
	t.Run("a login that is saved", func(t *testing.T) {
		login := func(r *rig, c *tokensource.Config, shelf *gatedShelf) {
			c.Token = nil
			c.Login = func(context.Context, *tokensource.LoginRequiredError) (*ags.Token, error) {
				shelf.unlocking.close()
				return r.gw.signOn(), nil
			}
		}
		onGatedSigner(t, login, func(t *testing.T, r *rig, gw *signer, shelf *gatedShelf) {
			collect := r.callers(t.Context(), 1)
			require.Equal(t, "a2 r2", shelf.pair())
			_, came := begin(t, r.src.SignOut)
			collect()
			shelf.unlocking.open()
			require.NoError(t, <-came)
			assert.Equal(t, []string{"a2"}, gw.signedOut)
			assert.NotNil(t, shelf.field("signed_out_at"))
		})
	})
	t.Run("a pair that is saved, and another session was being handed in", func(t *testing.T) {
		onGatedSigner(t, nil, func(t *testing.T, r *rig, gw *signer, shelf *gatedShelf) {
			r.want("a1")
			r.gw.script = append(r.gw.script, func(context.Context, *ags.Token) error {
				shelf.loading.close() // of the SetToken, which has its turn next
				return nil
			})
			r.gw.hold()
			r.clock.Advance(access)
			collect := r.callers(t.Context(), 1)
			_, set := begin(t, r.setToken())
			r.gw.release()
			synctest.Wait()
			require.Equal(t, "a3 r3", shelf.pair())
			gw.errOf = map[string]error{"a3": errAway}
			_, came := begin(t, r.src.SignOut)
			collect()
			shelf.loading.open()
			require.ErrorContains(t, <-set, "came in between")
			require.ErrorIs(t, <-came, errAway)
			assert.Equal(t, []string{"a1", "a3"}, gw.signedOut)
		})
	})
	t.Run("though another session was handed in since", func(t *testing.T) {
		var gw *signer
		story(t, func(r *rig, c *tokensource.Config) {
			gw = &signer{gateway: r.gw}
			c.Refresher = gw
		}, func(t *testing.T, r *rig) {
			r.gw.hold()
			r.clock.Advance(access)
			collect := r.callers(t.Context(), 1)
			require.NoError(t, r.src.SignOut(t.Context()))
			collect()
			require.NoError(t, r.setToken()(t.Context()))
			r.gw.release()
			synctest.Wait()
			assert.Equal(t, []string{"a1", "a3"}, gw.signedOut)
			r.want("a2")
			assert.Equal(t, 1, r.gw.count())
		})
	})
}

func TestSetToken_WhatIsNotSavedYetGivesWayToNobody(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		shelf.fail(errAway)
		require.ErrorIs(t, r.setToken()(t.Context()), errAway)
		r.gw.script = append(r.gw.script, func(context.Context, *ags.Token) error {
			shelf.fail(nil)
			shelf.rotate(t, "theirs", r.clock.Now().Add(access)) // somebody without our lock
			return nil
		})
		r.clock.Advance(access)
		r.want("a3") // neither before nor after its first refresh
		assert.Equal(t, "a3 r3", shelf.pair())
		assert.Equal(t, []string{"r2"}, r.gw.presented())
	})
}

func TestSignOut_IsDatedWhenItWasMade(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		shelf.away(errAway)
		require.ErrorIs(t, r.src.SignOut(t.Context()), errAway)
		r.clock.Advance(20 * time.Minute)
		shelf.away(nil)
		r.wantEnded(tokensource.SignedOut)
		assert.Equal(t, start.Format(time.RFC3339), shelf.field("signed_out_at"),
			"or it would outdate a token that was issued since")
		assert.Zero(t, r.gw.count())
	})
}

func TestSync_WhatItAdoptsIsLeftAloneByWhoWaitedForTheTurn(t *testing.T) {
	t.Run("it is not refreshed", func(t *testing.T) {
		onGatedShelf(t, func(t *testing.T, r *rig, shelf *gatedShelf) {
			r.want("a1")
			r.clock.Advance(access)
			shelf.rotate(t, "theirs", r.clock.Now().Add(access))
			shelf.loading.close()
			_, synced := begin(t, r.src.Sync)
			collect := r.callers(t.Context(), 1)
			shelf.loading.open()
			require.NoError(t, <-synced)
			assert.Equal(t, answer{token: "theirs"}, collect()[0])
			synctest.Wait()
			assert.Zero(t, r.gw.count())
		})
	})
	t.Run("it is not replaced by a login", func(t *testing.T) {
		var shelf *gatedShelf
		atTheDesk(t, func(_ *rig, c *tokensource.Config) {
			shelf = &gatedShelf{lockedShelf: newLockedShelf()}
			c.Store = shelf
		}, func(t *testing.T, r *rig, d *desk) {
			r.want("a1")
			r.gw.fail(errUnauthorized)
			d.script = []error{errSuspended}
			r.clock.Advance(access)
			r.wantEnded(tokensource.RefreshRejected)
			require.Equal(t, 1, d.count())
			r.clock.Advance(time.Minute) // the next login is due
			shelf.rotate(t, "theirs", r.clock.Now().Add(access))
			shelf.loading.close()
			_, synced := begin(t, r.src.Sync)
			collect := r.callers(t.Context(), 1)
			shelf.loading.open()
			require.NoError(t, <-synced)
			assert.Equal(t, answer{token: "theirs"}, collect()[0])
			synctest.Wait()
			assert.Equal(t, 1, d.count())
			assert.Equal(t, 1, r.gw.count())
		})
	})
}

func TestInvalidate_ServesTheOldTokenAgainWhenNothingComesOfIt(t *testing.T) {
	t.Run("because the store was never read", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			shelf.away(errAway)
			shelf.lockErr = errAway
			r.want("a1")
			r.clock.Advance(time.Minute)
			r.src.Invalidate("a1")
			for range 50 {
				r.want("a1")
				r.clock.Advance(time.Minute)
			}
			assert.Zero(t, r.gw.count())
		})
	})
	t.Run("because somebody hangs with the lock", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			unlock, err := shelf.Lock(t.Context())
			require.NoError(t, err)
			r.src.Invalidate("a1")
			collect := r.callers(t.Context(), 1)
			r.clock.Advance(30 * time.Second)
			assert.Equal(t, answer{token: "a1"}, collect()[0], "after LockTimeout")
			require.NoError(t, unlock())
			assert.Zero(t, r.gw.count(), "a live token is not refreshed past the lock")
		})
	})
	t.Run("because the login under way has failed", func(t *testing.T) {
		atTheDesk(t, func(r *rig, c *tokensource.Config) {
			r.gw.fixed = access
			c.Token = r.gw.signOn()
		}, func(t *testing.T, r *rig, d *desk) {
			d.held = make(chan struct{})
			d.script = []error{errSuspended}
			r.clock.Advance(access - 5*time.Minute)
			r.want("a2")
			r.src.Invalidate("a2")
			close(d.held)
			r.want("a2")
			assert.Equal(t, 1, d.count())
			assert.Equal(t, 1, r.gw.count(), "the refresh is made behind the caller")
			r.want("a3")
		})
	})
}

func TestLogin_ATokenNearItsEndIsNotAskedForInALoop(t *testing.T) {
	logins := 0
	story(t, func(_ *rig, c *tokensource.Config) {
		// A broker that keeps the refresh token, and hands on what it has cached.
		cached := &ags.Token{
			AccessToken: ags.NewSecret("cached"),
			IssuedAt:    start.Add(-57 * time.Minute), ExpiresAt: start.Add(3 * time.Minute),
		}
		c.Token = nil
		c.Login = func(ctx context.Context, _ *tokensource.LoginRequiredError) (*ags.Token, error) {
			if logins++; logins > 10 {
				<-ctx.Done() // or a loop would not end
			}
			return cached, nil
		}
	}, func(t *testing.T, r *rig) {
		cancel, ran := begin(t, r.src.Run)
		r.want("cached")
		assert.Equal(t, 1, logins)
		r.clock.Advance(time.Minute)
		r.want("cached")
		assert.Equal(t, 2, logins, "it is asked for again after the wait of a refusal")
		cancel()
		require.ErrorIs(t, <-ran, context.Canceled)
		assert.Zero(t, r.gw.count())
	})
}

func TestLogin_ItsFailureHoldsBackNoRefresh(t *testing.T) {
	atTheDesk(t, func(r *rig, c *tokensource.Config) {
		r.gw.fixed = access
		c.Token = r.gw.signOn()
	}, func(t *testing.T, r *rig, d *desk) {
		d.script = []error{errSuspended, errSuspended, errSuspended}
		r.clock.Advance(access - 5*time.Minute)
		for i, wait := range []time.Duration{0, time.Minute, 2 * time.Minute} {
			r.clock.Advance(wait)
			r.want("a2")
			require.Equal(t, i+1, d.count())
		}
		// No login for another four minutes; but by the wall clock, and by that
		// alone, all is over, so that the gateway is to be asked.
		r.clock.Suspend(2 * time.Minute)
		r.gw.fixedAt = r.clock.Now().Add(fixed)
		r.want("a3")
		assert.Equal(t, 3, d.count())
		assert.Equal(t, []string{"r2"}, r.gw.presented())
	})
}

func TestLifecycle_AnswersThatAreDeadOnArrivalAreOnTheBackOff(t *testing.T) {
	story(t, func(_ *rig, c *tokensource.Config) { c.Rand = func() float64 { return 0.5 } }, func(t *testing.T, r *rig) {
		r.gw.edit = func(t *ags.Token) { t.ExpiresAt = t.IssuedAt }
		r.clock.Advance(access)
		for range 600 { // a minute
			r.wantUnavailable()
			r.clock.Advance(100 * time.Millisecond)
		}
		assert.LessOrEqual(t, r.gw.count(), 15)
		assert.Greater(t, r.gw.count(), 7)
	})
}

func TestStore_TheTokenOfTheConfigAndWhatIsStoredMeanwhile(t *testing.T) {
	theirs := fmt.Sprintf(`{"version":1,"generation":2,"access_token":"theirs","refresh_token":"r-theirs",`+
		`"client_id":"PUB_989","account_id":"1663","issued_at":%q,"expires_at":%q}`,
		start.Add(time.Second).Format(time.RFC3339), start.Add(access).Format(time.RFC3339))
	t.Run("a neighbour that was given the same one, and has refreshed it", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			unlock, err := shelf.Lock(t.Context())
			require.NoError(t, err)
			collect := r.callers(t.Context(), 1) // finds nothing stored, and waits for the lock
			shelf.put(theirs)
			r.clock.Advance(time.Second) // the lock is not waited for longer
			assert.Equal(t, answer{token: "a1"}, collect()[0])
			r.clock.Advance(time.Minute)
			assert.Equal(t, "theirs r-theirs", shelf.pair(), "what is spent is not stored over what is good")
			require.NoError(t, unlock())
			r.clock.Advance(time.Minute)
			require.NoError(t, r.src.Sync(t.Context()))
			r.want("theirs")
			assert.Zero(t, r.gw.count())
		})
	})
	t.Run("somebody who does not lock", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			shelf.hold()
			collect := r.callers(t.Context(), 1) // has found nothing stored, and is about to store its own
			shelf.put(theirs)
			shelf.release()
			assert.Equal(t, answer{token: "theirs"}, collect()[0])
			assert.Equal(t, "theirs r-theirs", shelf.pair())
			assert.Zero(t, r.gw.count())
		})
	})
	t.Run("another account's, in a store that was away when it was refreshed", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			given := r.gw.signOn()
			given.AccountID, given.ClientID = "1664", "PUB_990"
			r.gw.edit = func(t *ags.Token) { t.AccountID, t.ClientID = "", "" }
			r.restart(func(_ *rig, c *tokensource.Config) { c.Token = given }, shelf)
			r.clock.Advance(access)
			shelf.away(errAway)
			shelf.lockErr = errAway
			for range 60 {
				_, _ = r.ask()
				r.clock.Advance(time.Second)
			}
			r.want("a4")
			shelf.away(nil)
			shelf.lockErr = nil
			r.clock.Advance(2 * time.Minute)
			r.want("a4")
			assert.Equal(t, "a4 r4", shelf.pair())
			assert.Equal(t, "1664", r.src.Status().AccountID)
			assert.Equal(t, []string{"r2"}, r.gw.presented(), "the other's session is not touched")
		})
	})
}

func TestStore_BesideADamagedRecord(t *testing.T) {
	t.Run("a session ends as any other", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			shelf.put("damaged")
			r.want("a1")
			r.clock.Advance(access)
			r.want("a2")
			r.clock.Advance(fixed)
			r.wantEnded(tokensource.FixedExpired)
			assert.Equal(t, 1, r.gw.count())
		})
	})
	t.Run("a rejection is withheld", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			shelf.put("damaged")
			r.gw.fail(errUnauthorized)
			r.clock.Advance(access)
			for range 5 {
				assert.ErrorIs(t, r.wantUnavailable(), ags.ErrUnauthorized)
				r.clock.Advance(10 * time.Second)
			}
			assert.Equal(t, 1, r.gw.count(), "nor is the token presented again")
			assert.Zero(t, r.events.count(tokensource.EventEnded))
		})
	})
}

func TestStore_ALockWaitedForASecondIsNotPassedBy(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		unlock, err := shelf.Lock(t.Context()) // a neighbour refreshes, which takes three seconds
		require.NoError(t, err)
		r.clock.Advance(access - 1500*time.Millisecond)
		r.want("a1")                 // a refresh is due, and waits for a second
		r.clock.Advance(time.Second) // in which the token dies
		collect := r.callers(t.Context(), 1)
		r.clock.Advance(2 * time.Second)
		synctest.Wait()
		assert.Zero(t, r.gw.count())
		shelf.rotate(t, "theirs", r.clock.Now().Add(access))
		require.NoError(t, unlock())
		assert.Equal(t, answer{token: "theirs"}, collect()[0])
		assert.Zero(t, r.gw.count())
		assert.Zero(t, r.events.count(tokensource.EventUnlocked))
	})
}

func TestStore_AnUnlockThatHangs(t *testing.T) {
	t.Run("keeps nobody from what was adopted", func(t *testing.T) {
		onGatedShelf(t, func(t *testing.T, r *rig, shelf *gatedShelf) {
			r.want("a1")
			r.clock.Advance(access)
			shelf.rotate(t, "theirs", r.clock.Now().Add(access))
			shelf.unlocking.close()
			assert.Equal(t, answer{token: "theirs"}, r.callers(t.Context(), 1)()[0])
			shelf.unlocking.open()
			assert.Zero(t, r.gw.count())
		})
	})
	t.Run("lets nobody have what was signed out", func(t *testing.T) {
		onGatedShelf(t, func(t *testing.T, r *rig, shelf *gatedShelf) {
			r.want("a1")
			shelf.edit(t, func(f map[string]any) { f["generation"], f["signed_out_at"] = 2, start })
			shelf.unlocking.close()
			r.clock.Advance(access - 5*time.Minute)
			r.want("a1") // and behind it the mark is found
			assert.Equal(t, tokensource.Ended, r.src.Status().Phase)
			r.wantEnded(tokensource.SignedOut)
			shelf.unlocking.open()
			assert.Zero(t, r.gw.count())
		})
	})
}

func TestStore_WhetherTheOutcomeIsKnown(t *testing.T) {
	t.Run("a lost answer is not forgotten over what was answered since", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			r.gw.fail(errLost, errLost, errBusy, errUnauthorized)
			r.clock.Advance(access)
			r.wantUnavailable()
			r.clock.Advance(10 * time.Second)
			r.wantUnavailable()
			assert.NotNil(t, shelf.field("attempt_at"), "the note is not taken back")
			r.restart(nil, shelf)
			assert.True(t, r.wantEnded(tokensource.RefreshRejected).OutcomeUnknown)
			assert.Equal(t, 4, r.gw.count())
		})
	})
	t.Run("the note of somebody who hangs counts though the lock is passed by", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			unlock, err := shelf.Lock(t.Context())
			require.NoError(t, err)
			r.clock.Advance(access)
			shelf.edit(t, func(f map[string]any) { f["attempt_at"] = r.clock.Now() })
			r.gw.fail(errUnauthorized)
			collect := r.callers(t.Context(), 1)
			r.clock.Advance(30 * time.Second)
			var ended *tokensource.LoginRequiredError
			require.ErrorAs(t, collect()[0].err, &ended)
			assert.True(t, ended.OutcomeUnknown)
			assert.NotNil(t, shelf.field("attempt_at"), "it is not ours to take back")
			require.NoError(t, unlock())
			assert.Equal(t, 1, r.gw.count())
		})
	})
	t.Run("a rejection that was answered is known to the next process too", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			r.gw.down(errUnauthorized)
			r.clock.Advance(access)
			assert.False(t, r.wantEnded(tokensource.RefreshRejected).OutcomeUnknown)
			r.restart(nil, shelf)
			assert.False(t, r.wantEnded(tokensource.RefreshRejected).OutcomeUnknown)
			assert.Equal(t, 2, r.gw.count())
		})
	})
}

func TestEvents_AreToldWithNoLockHeld(t *testing.T) {
	t.Run("not the store's", func(t *testing.T) {
		var shelf *lockedShelf
		told, held := 0, 0
		story(t, func(_ *rig, c *tokensource.Config) {
			shelf = newLockedShelf()
			c.Store = shelf
			c.OnEvent = func(tokensource.Event) { told++; held += len(shelf.slot) }
		}, func(t *testing.T, r *rig) {
			r.want("a1")
			shelf.rotate(t, "theirs", r.clock.Now().Add(2*access))
			r.clock.Advance(access)
			r.want("theirs")
			r.clock.Advance(access)
			r.want("a2")
			assert.Equal(t, 2, told)
			assert.Zero(t, held)
			assert.Equal(t, 1, r.gw.count())
		})
	})
	t.Run("nor the turn in this process: SetToken may answer an end", func(t *testing.T) {
		var shelf *lockedShelf
		story(t, func(r *rig, c *tokensource.Config) {
			shelf = newLockedShelf()
			c.Store = shelf
			c.OnEvent = func(e tokensource.Event) {
				r.events.record(e)
				if e.Kind == tokensource.EventEnded {
					assert.NoError(t, r.setToken()(context.Background()))
				}
			}
		}, func(t *testing.T, r *rig) {
			r.want("a1")
			shelf.edit(t, func(f map[string]any) { f["generation"], f["signed_out_at"] = 2, start })
			r.clock.Advance(access)
			_, _ = r.ask() // notices the mark
			r.want("a2")
			assert.Equal(t, []string{"session ended", "token set"}, r.events.kinds())
			assert.Zero(t, r.gw.count())
		})
	})
}

func TestEvents_AFailedSaveIsToldAfterWhatWasNotSaved(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.gw.script = append(r.gw.script, func(context.Context, *ags.Token) error { shelf.fail(errAway); return nil })
		r.clock.Advance(access)
		r.want("a2")
		require.Equal(t, []string{"refreshed", "store failed"}, r.events.kinds())
		for _, e := range r.events.all() {
			assert.Equal(t, start.Add(2*access), e.Status.ExpiresAt, "the session just after")
			assert.False(t, e.Status.Busy)
			assert.True(t, e.Status.Unsaved)
		}
		shelf.fail(nil)
		r.clock.Advance(time.Second)
		r.want("a2")
		require.Equal(t, []string{"refreshed", "store failed", "saved"}, r.events.kinds())
		assert.False(t, r.events.all()[2].Status.Unsaved)
		assert.Equal(t, 1, r.gw.count())
	})
}

func TestEvents_AnEndIsToldOnceASession(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.clock.Advance(sliding)
		r.wantEnded(tokensource.RefreshExpired)
		for range 2 {
			require.NoError(t, r.src.SignOut(t.Context()))
			r.wantEnded(tokensource.SignedOut)
		}
		assert.Equal(t, []string{"session ended"}, r.events.kinds())
		require.NoError(t, r.setToken()(t.Context()))
		require.NoError(t, r.src.SignOut(t.Context()))
		assert.Equal(t, []string{"session ended", "token set", "session ended"}, r.events.kinds())
		assert.Zero(t, r.gw.count())
	})
}

// panicky is a slog.Handler that fails whoever logs.
type panicky struct{ slog.Handler }

func (panicky) Enabled(context.Context, slog.Level) bool  { return true }
func (panicky) Handle(context.Context, slog.Record) error { panic("no space left on device") }

func TestEvents_ALoggerMayPanic(t *testing.T) {
	story(t, func(_ *rig, c *tokensource.Config) { c.Logger = slog.New(panicky{}) }, func(t *testing.T, r *rig) {
		r.clock.Advance(access)
		r.want("a2")
		assert.Equal(t, []string{"refreshed"}, r.events.kinds())
		assert.Equal(t, 1, r.gw.count())
	})
}

// countingClock counts the timers that are made.
type countingClock struct {
	*clock.Fake
	timers int
}

func (c *countingClock) NewTimer(d time.Duration) clock.Timer {
	c.timers++
	return c.Fake.NewTimer(d)
}

func TestClose_AtRestWaitsForNothing(t *testing.T) {
	counting := &countingClock{}
	story(t, func(r *rig, c *tokensource.Config) {
		counting = &countingClock{Fake: r.clock}
		c.Clock = counting
	}, func(t *testing.T, r *rig) {
		r.want("a1")
		require.NoError(t, r.src.Close())
		assert.Zero(t, counting.timers)
		assert.Zero(t, r.gw.count())
	})
}
