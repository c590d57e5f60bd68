package tokensource_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

// onShelf is a story with a Source on a store that can be locked.
func onShelf(t *testing.T, set func(*rig, *tokensource.Config), tell func(*testing.T, *rig, *lockedShelf)) {
	t.Helper()
	shelf := newLockedShelf()
	story(t, func(r *rig, c *tokensource.Config) {
		shelf = newLockedShelf()
		shelf.t = r.t
		c.Store = shelf
		if set != nil {
			set(r, c)
		}
	}, func(t *testing.T, r *rig) { tell(t, r, shelf) })
}

// restart makes a Source on the same record, as the next process would.
func (r *rig) restart(set func(*rig, *tokensource.Config), shelf *lockedShelf) {
	r.t.Helper()
	require.NoError(r.t, r.src.Close())
	r.src = r.source(func(r *rig, c *tokensource.Config) {
		c.Store, c.Token = shelf, nil
		if set != nil {
			set(r, c)
		}
	})
}

func TestStore_TheSessionSurvivesARestart(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.clock.Advance(access)
		r.want("a2")
		before := r.src.Status()
		r.clock.Advance(time.Minute)
		r.restart(nil, shelf)
		assert.Equal(t, tokensource.Unknown, r.src.Status().Phase)
		r.want("a2")
		after := r.src.Status()
		assert.Equal(t, before, after)
		r.clock.Advance(access)
		r.want("a4")
		assert.Equal(t, []string{"r1", "r2"}, r.gw.presented())
	})
}

func TestStore_WhatWasSetAtSignOnIsKeptOverARestart(t *testing.T) {
	onShelf(t, func(r *rig, c *tokensource.Config) {
		r.gw.fixed = 100 * time.Hour // announced ten hours ahead
		c.Token = r.gw.signOn()
	}, func(t *testing.T, r *rig, shelf *lockedShelf) {
		for range 80 {
			r.clock.Advance(access)
			_, err := r.ask()
			require.NoError(t, err)
		}
		r.restart(nil, shelf)
		for range 9 {
			_, err := r.ask()
			require.NoError(t, err)
			r.clock.Advance(access)
		}
		_, err := r.ask()
		require.NoError(t, err)
		assert.Zero(t, r.events.count(tokensource.EventEnding))
		r.clock.Advance(access)
		_, err = r.ask()
		require.NoError(t, err)
		assert.Equal(t, 1, r.events.count(tokensource.EventEnding))
	})
}

func TestStore_TheTokenOfTheConfigAgainstWhatIsStored(t *testing.T) {
	for _, tt := range []struct {
		name string
		give func(*ags.Token)
		want string
	}{
		{"issued later", func(t *ags.Token) { t.IssuedAt = t.IssuedAt.Add(time.Second) }, "given"},
		{"issued at the same time", func(*ags.Token) {}, "a1"},
		{"issued earlier", func(t *ags.Token) { t.IssuedAt = t.IssuedAt.Add(-time.Second) }, "a1"},
		{"issued nobody knows when", func(t *ags.Token) { t.IssuedAt = time.Time{} }, "a1"},
		{"of another client", func(t *ags.Token) { t.IssuedAt = time.Time{}; t.ClientID = "PUB_1" }, "given"},
		{"of another account", func(t *ags.Token) { t.IssuedAt = time.Time{}; t.AccountID = "1" }, "given"},
		{"of nobody in particular", func(t *ags.Token) { t.ClientID, t.AccountID = "", "" }, "a1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
				r.want("a1")
				given := r.gw.grant()
				given.AccessToken, given.IssuedAt = ags.NewSecret("given"), start
				tt.give(given)
				r.clock.Advance(time.Minute)
				r.restart(func(_ *rig, c *tokensource.Config) { c.Token = given }, shelf)
				r.want(tt.want)
				assert.Contains(t, shelf.pair(), tt.want)
				wantGeneration := 1.0
				if tt.want == "given" {
					wantGeneration = 2
				}
				assert.InDelta(t, wantGeneration, shelf.field("generation"), 0)
			})
		})
	}
}

func TestStore_ASignedOutSessionStaysSignedOut(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		old := r.gw.grant()
		r.want("a1")
		r.clock.Advance(time.Minute)
		require.NoError(t, r.src.SignOut(t.Context()))
		r.restart(func(_ *rig, c *tokensource.Config) { c.Token = old }, shelf)
		assert.Equal(t, "PUB_989", r.wantEnded(tokensource.SignedOut).ClientID)
		r.clock.Advance(time.Minute)
		fresh := r.gw.signOn()
		r.restart(func(_ *rig, c *tokensource.Config) { c.Token = fresh }, shelf)
		r.want(fresh.AccessToken.Reveal())
	})
}

func TestStore_ASignOutThatIsSavedAtOnceMakesUpForNothing(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		require.NoError(t, r.src.SignOut(t.Context()))
		assert.Equal(t, []string{"session ended"}, r.events.kinds())
		assert.NotNil(t, shelf.field("signed_out_at"))
	})
}

func TestStore_NoAttemptIsNotedOnWhatWasAdoptedAndIsFresh(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.clock.Advance(access)
		shelf.rotate(t, "theirs", r.clock.Now().Add(access))
		r.want("theirs")
		assert.Nil(t, shelf.field("attempt_at"), "or a neighbour's next rejection would be of unknown outcome")
		assert.Zero(t, r.gw.count())
	})
}

func TestStore_AnAttemptIsNotedBeforeItIsMade(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.gw.hold()
		r.clock.Advance(access)
		collect := r.callers(t.Context(), 1)
		assert.NotNil(t, shelf.field("attempt_at"))
		assert.Equal(t, "a1 r1", shelf.pair())
		assert.InDelta(t, 1, shelf.field("generation"), 0, "no pair, no generation")
		r.gw.release()
		collect()
		assert.Nil(t, shelf.field("attempt_at"))
		assert.InDelta(t, 2, shelf.field("generation"), 0)
	})
}

// Who finds under the lock that somebody else has refreshed notes no attempt of its
// own: it makes none.
func TestStore_NoAttemptIsNotedThatIsNotMade(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.clock.Advance(access)
		shelf.rotate(t, "theirs", r.clock.Now().Add(access))
		saves := len(shelf.saves)
		r.want("theirs")
		assert.Nil(t, shelf.field("attempt_at"))
		assert.Len(t, shelf.saves, saves)
		assert.Zero(t, r.gw.count())
	})
}

func TestStore_AfterACrashARejectionHasAnUnknownOutcome(t *testing.T) {
	for name, crashed := range map[string]bool{"crashed in the middle": true, "ended well": false} {
		t.Run(name, func(t *testing.T) {
			onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
				r.gw.fail(errBusy) // after a plain failure the note is taken back
				r.want("a1")
				r.clock.Advance(access)
				r.wantUnavailable()
				assert.Nil(t, shelf.field("attempt_at"))
				if crashed {
					shelf.edit(t, func(f map[string]any) { f["attempt_at"] = start })
				}
				r.restart(nil, shelf)
				r.gw.fail(errUnauthorized)
				assert.Equal(t, crashed, r.wantEnded(tokensource.RefreshRejected).OutcomeUnknown)
			})
		})
	}
}

func TestStore_RefreshesWithTheTokenAsLoaded(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		shelf.rotate(t, "theirs", start.Add(access))
		r.clock.Advance(access) // both are dead
		r.want("a2")
		assert.Equal(t, []string{"r-theirs"}, r.gw.presented())
		assert.InDelta(t, 3, shelf.field("generation"), 0)
	})
}

func TestStore_AnOlderRecordIsNotAdopted(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.clock.Advance(access)
		r.want("a2")
		shelf.edit(t, func(f map[string]any) {
			f["generation"], f["access_token"], f["issued_at"] = 1, "restored", start.Add(fixed)
		})
		require.NoError(t, r.src.Sync(t.Context()))
		r.want("a2")
		r.clock.Advance(access)
		r.want("a3")
		assert.Equal(t, []string{"r1", "r2"}, r.gw.presented())
		assert.InDelta(t, 4, shelf.field("generation"), 0)
	})
}

func TestStore_AnEmptiedStoreIsFilledAgain(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		shelf.put("")
		require.NoError(t, r.src.Sync(t.Context()))
		r.want("a1")
		assert.Equal(t, "a1 r1", shelf.pair())
		shelf.put("")
		r.clock.Advance(access)
		r.want("a2")
		assert.Equal(t, "a2 r2", shelf.pair())
		assert.InDelta(t, 4, shelf.field("generation"), 0)
	})
}

func TestStore_RecordsThatCannotBeRead(t *testing.T) {
	for name, record := range map[string]string{
		"not JSON":             `{"version":1,"access_tok`,
		"no version":           `{"generation":1,"access_token":"a1"}`,
		"no generation":        `{"version":1,"access_token":"a1"}`,
		"no token":             `{"version":1,"generation":1}`,
		"of the wrong type":    `{"version":1,"generation":1,"access_token":1}`,
		"an unreadable expiry": `{"version":1,"generation":1,"access_token":"a1","expires_at":"tomorrow"}`,
	} {
		t.Run("damaged: "+name, func(t *testing.T) {
			// A store that cannot set it aside is not overwritten.
			onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
				shelf.put(record)
				r.want("a1") // what was handed in is good meanwhile
				require.Equal(t, 1, r.events.count(tokensource.EventStoreFailed))
				assert.ErrorContains(t, r.events.all()[0].Err, "damaged")
				assert.True(t, r.src.Status().Unsaved)
				r.clock.Advance(access)
				r.want("a2") // and goes on in memory
				assert.Empty(t, shelf.saves)
			})
		})
	}
	t.Run("of a newer version", func(t *testing.T) {
		atTheDesk(t, func(_ *rig, c *tokensource.Config) {
			shelf := newLockedShelf()
			shelf.put(`{"version":2}`)
			c.Store, c.Token = shelf, nil
		}, func(t *testing.T, r *rig, d *desk) {
			for range 60 {
				assert.ErrorContains(t, r.wantUnavailable(), "newer version")
				r.clock.Advance(10 * time.Second)
			}
			assert.Zero(t, d.count(), "no sign-on is spent")
			assert.Zero(t, r.gw.count())
		})
	})
	t.Run("unknown fields are ignored", func(t *testing.T) {
		onShelf(t, func(_ *rig, c *tokensource.Config) { c.Token = nil }, func(_ *testing.T, r *rig, shelf *lockedShelf) {
			shelf.put(`{"version":1,"generation":7,"access_token":"stored","colour":"blue"}`)
			r.want("stored")
		})
	})
}

// asideShelf is a store that can set a record aside.
type asideShelf struct {
	*lockedShelf
	aside []string
	err   error
}

func (s *asideShelf) SetAside(_ context.Context, suffix string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if len(s.slot) == 0 {
		return errors.New("set aside without the lock")
	}
	s.aside = append(s.aside, suffix)
	s.record = nil
	return nil
}

func TestStore_ADamagedRecordIsSetAside(t *testing.T) {
	var shelf *asideShelf
	set := func(r *rig, c *tokensource.Config) {
		shelf = &asideShelf{lockedShelf: newLockedShelf()}
		shelf.t = r.t
		shelf.put("damaged")
		c.Store = shelf
	}
	t.Run("and what was handed in is stored", func(t *testing.T) {
		story(t, set, func(t *testing.T, r *rig) {
			r.want("a1")
			assert.Equal(t, []string{"damaged"}, shelf.aside)
			assert.Equal(t, "a1 r1", shelf.pair())
		})
	})
	t.Run("in the middle of a session too", func(t *testing.T) {
		story(t, set, func(t *testing.T, r *rig) {
			r.want("a1")
			shelf.put("damaged again")
			r.clock.Advance(access)
			r.want("a2")
			assert.Len(t, shelf.aside, 2)
			assert.Equal(t, "a2 r2", shelf.pair())
		})
	})
	t.Run("and when it cannot be, it stays and the session goes on", func(t *testing.T) {
		story(t, set, func(t *testing.T, r *rig) {
			r.want("a1")
			shelf.put("damaged again")
			shelf.err = errors.ErrUnsupported
			r.clock.Advance(access)
			r.want("a2")
			assert.Empty(t, shelf.pair())
			assert.True(t, r.src.Status().Unsaved)
			shelf.err = nil
			r.clock.Advance(time.Minute)
			r.want("a2")
			assert.Equal(t, "a2 r2", shelf.pair())
		})
	})
	t.Run("nothing left is no session", func(t *testing.T) {
		story(t, func(r *rig, c *tokensource.Config) { set(r, c); c.Token = nil }, func(_ *testing.T, r *rig) {
			r.wantEnded(tokensource.NoSession)
		})
	})
}

func TestStore_AwayAtTheStart(t *testing.T) {
	t.Run("a live token is served, and stored when it can be", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			shelf.away(errors.New("connection refused"))
			r.want("a1")
			r.clock.Advance(time.Minute)
			r.want("a1")
			assert.Equal(t, 1, r.events.count(tokensource.EventStoreFailed), "announced once")
			shelf.away(nil)
			r.clock.Advance(time.Minute)
			r.want("a1")
			assert.Equal(t, "a1 r1", shelf.pair())
		})
	})
	t.Run("a dead one is refreshed when the store stays away", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.clock.Advance(access)
			shelf.away(errors.New("connection refused"))
			shelf.lockErr = errors.New("connection refused")
			r.wantUnavailable()
			r.clock.Advance(29 * time.Second)
			r.wantUnavailable()
			assert.Zero(t, r.gw.count())
			r.clock.Advance(11 * time.Second)
			r.want("a2")
			assert.Equal(t, 1, r.events.count(tokensource.EventUnlocked))
		})
	})
}

func TestStore_AwayLaterOn(t *testing.T) {
	onShelf(t, func(_ *rig, c *tokensource.Config) { c.Rand = func() float64 { return 0.5 } },
		func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			shelf.away(errors.New("connection refused"))
			shelf.lockErr = errors.New("connection refused")
			r.clock.Advance(56 * time.Minute)
			for range 4*60 - 1 {
				r.want("a1") // a live token is served
				r.clock.Advance(time.Second)
			}
			assert.Zero(t, r.gw.count(), "and not refreshed past the others")
			collect := r.callers(t.Context(), 10) // it is dead, and the store has been away for long
			assert.Zero(t, r.gw.count())
			r.clock.Advance(time.Second) // half of the random two
			for _, a := range collect() {
				assert.Equal(t, answer{token: "a2"}, a)
			}
			assert.Equal(t, 1, r.gw.count())
			synctest.Wait()
			assert.Equal(t, 1, r.events.count(tokensource.EventUnlocked))
			assert.Equal(t, "a1 r1", shelf.pair())
			shelf.away(nil)
			shelf.mu.Lock()
			shelf.lockErr = nil
			shelf.mu.Unlock()
			r.clock.Advance(2 * time.Minute)
			r.want("a2")
			assert.Equal(t, "a2 r2", shelf.pair(), "the save is made up for")
		})
}

func TestStore_ThatHangs(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		shelf.hold()
		r.clock.Advance(access)
		collect := r.callers(t.Context(), 3)
		r.clock.Advance(5 * time.Second) // the note of the attempt is given up
		synctest.Wait()
		assert.Equal(t, 1, r.gw.count())
		r.clock.Advance(5 * time.Second) // and the save
		for _, a := range collect() {
			assert.Equal(t, answer{token: "a2"}, a)
		}
		shelf.release()
		r.clock.Advance(time.Minute)
		r.want("a2")
		assert.Equal(t, "a2 r2", shelf.pair())
	})
}

func TestStore_ALockHeldElsewhere(t *testing.T) {
	t.Run("is not waited for while there is a live token", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			unlock, err := shelf.Lock(t.Context())
			require.NoError(t, err)
			r.clock.Advance(55 * time.Minute)
			r.want("a1")
			r.clock.Advance(time.Second)
			r.want("a1")
			shelf.rotate(t, "theirs", r.clock.Now().Add(access))
			r.clock.Advance(time.Second)
			synctest.Wait()
			r.want("theirs")
			require.NoError(t, unlock())
			assert.Zero(t, r.gw.count())
		})
	})
	t.Run("is waited for when there is none", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			unlock, err := shelf.Lock(t.Context())
			require.NoError(t, err)
			r.clock.Advance(access)
			collect := r.callers(t.Context(), 5)
			r.clock.Advance(29 * time.Second)
			synctest.Wait()
			shelf.rotate(t, "theirs", r.clock.Now().Add(access))
			require.NoError(t, unlock())
			for _, a := range collect() {
				assert.Equal(t, answer{token: "theirs"}, a)
			}
			assert.Zero(t, r.gw.count())
		})
	})
	t.Run("by somebody who hangs is passed by in the end", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			r.want("a1")
			unlock, err := shelf.Lock(t.Context())
			require.NoError(t, err)
			r.clock.Advance(access)
			collect := r.callers(t.Context(), 5)
			r.clock.Advance(30 * time.Second)
			for _, a := range collect() {
				assert.Equal(t, answer{token: "a2"}, a)
			}
			assert.Equal(t, 1, r.events.count(tokensource.EventUnlocked))
			assert.Equal(t, "a2 r2", shelf.pair())
			require.NoError(t, unlock())
		})
	})
	t.Run("a login waits for it, and spends no sign-on", func(t *testing.T) {
		var shelf *lockedShelf
		atTheDesk(t, func(_ *rig, c *tokensource.Config) {
			shelf = newLockedShelf()
			c.Store, c.Token = shelf, nil
		}, func(t *testing.T, r *rig, d *desk) {
			unlock, err := shelf.Lock(t.Context())
			require.NoError(t, err)
			collect := r.callers(t.Context(), 2)
			r.clock.Advance(30 * time.Second)
			for _, a := range collect() {
				assert.ErrorIs(t, a.err, tokensource.ErrLoginRequired)
			}
			assert.Zero(t, d.count())
			require.NoError(t, unlock())
			r.clock.Advance(time.Second)
			r.want("a2")
		})
	})
}

func TestStore_ARejectionIsWithheldUntilTheStoreCanBeRead(t *testing.T) {
	for name, rotated := range map[string]bool{"and then ends the session": false, "and then was somebody else's refresh": true} {
		t.Run(name, func(t *testing.T) {
			onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
				r.want("a1")
				away := errors.New("connection refused")
				r.gw.script = append(r.gw.script, func(context.Context, *ags.Token) error {
					shelf.away(away)
					return errUnauthorized
				})
				r.clock.Advance(access)
				assert.ErrorIs(t, r.wantUnavailable(), away)
				if rotated {
					shelf.rotate(t, "theirs", r.clock.Now().Add(access))
				}
				shelf.away(nil)
				r.clock.Advance(10 * time.Second)
				if rotated {
					r.want("theirs")
				} else {
					r.wantEnded(tokensource.RefreshRejected)
				}
				assert.Equal(t, 1, r.gw.count(), "the gateway is not asked twice")
			})
		})
	}
}

func TestStore_SomebodyWhoDoesNotLockWins(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.gw.script = append(r.gw.script, func(context.Context, *ags.Token) error {
			shelf.rotate(t, "theirs", r.clock.Now().Add(access))
			return nil
		})
		r.clock.Advance(access)
		r.want("theirs") // read and adopted, not overwritten
		assert.Equal(t, "theirs r-theirs", shelf.pair())
	})
}

func TestStore_AnEndedSessionLooksAtMostOnceASecond(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		r.gw.fail(errUnauthorized)
		r.clock.Advance(access)
		r.wantEnded(tokensource.RefreshRejected)
		before := shelf.loads
		for range 100 { // ten seconds
			r.wantEnded(tokensource.RefreshRejected)
			r.clock.Advance(100 * time.Millisecond)
		}
		assert.InDelta(t, 10, shelf.loads-before, 1)
		shelf.rotate(t, "theirs", r.clock.Now().Add(access))
		r.clock.Advance(time.Second)
		r.want("theirs")
		assert.Equal(t, 1, r.gw.count())
	})
}

// hostile is a store whose every method panics, or ends its goroutine.
type hostile struct{ exit bool }

func (h hostile) act() {
	if h.exit {
		runtime.Goexit()
	}
	panic("the store's secret")
}
func (h hostile) Load(context.Context) ([]byte, error)       { h.act(); return nil, nil }
func (h hostile) Save(context.Context, []byte) error         { h.act(); return nil }
func (h hostile) Delete(context.Context) error               { h.act(); return nil }
func (h hostile) Lock(context.Context) (func() error, error) { h.act(); return nil, nil }
func (h hostile) SetAside(context.Context, string) error     { h.act(); return nil }

func TestStore_ThatPanicsHangsNobody(t *testing.T) {
	for _, exit := range []bool{false, true} {
		t.Run(fmt.Sprintf("exit %t", exit), func(t *testing.T) {
			story(t, func(_ *rig, c *tokensource.Config) { c.Store = hostile{exit} }, func(t *testing.T, r *rig) {
				r.want("a1")
				assert.NotContains(t, r.src.Status().Err.Error(), "secret")
				r.clock.Advance(access)
				r.want("a2")
				assert.Equal(t, 1, r.gw.count())
			})
		})
	}
}

func TestStore_WhoHasTheTurnIsWaitedFor(t *testing.T) {
	// begin starts a refresh that the gateway does not answer yet.
	begin := func(t *testing.T, r *rig) func() []answer {
		t.Helper()
		r.want("a1")
		r.gw.hold()
		r.clock.Advance(access)
		return r.callers(t.Context(), 1)
	}
	t.Run("by SetToken, whose token is saved after all", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			collect := begin(t, r)
			set := make(chan error, 1)
			go func() { set <- r.src.SetToken(t.Context(), r.gw.signOn()) }()
			synctest.Wait()
			assert.Empty(t, set)
			r.gw.release()
			require.NoError(t, <-set)
			assert.Equal(t, answer{token: "a2"}, collect()[0])
			assert.Equal(t, "a2 r2", shelf.pair())
			assert.Equal(t, []string{"a1 r1", "a1 r1", "a3 r3", "a2 r2"}, shelf.saves,
				"until then neighbours find the pair that was granted, not the one that it was granted for")
		})
	})
	t.Run("by SetToken until its context ends", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			collect := begin(t, r)
			ctx, cancel := context.WithCancel(t.Context())
			set := make(chan error, 1)
			go func() { set <- r.src.SetToken(ctx, r.gw.signOn()) }()
			synctest.Wait()
			cancel()
			require.ErrorIs(t, <-set, context.Canceled)
			assert.Equal(t, answer{token: "a2"}, collect()[0], "it is in use all the same")
			r.gw.release()
			r.clock.Advance(2 * time.Second)
			r.want("a2")
			r.want("a2")
			assert.Equal(t, "a2 r2", shelf.pair())
		})
	})
	t.Run("by SetToken, until another one comes", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			collect := begin(t, r)
			first, second := make(chan error, 1), make(chan error, 1)
			go func() { first <- r.src.SetToken(t.Context(), r.gw.signOn()) }()
			synctest.Wait()
			go func() { second <- r.src.SetToken(t.Context(), r.gw.signOn()) }()
			synctest.Wait()
			r.gw.release()
			require.ErrorContains(t, <-first, "another")
			require.NoError(t, <-second)
			assert.Equal(t, answer{token: "a3"}, collect()[0])
			assert.Equal(t, "a3 r3", shelf.pair())
		})
	})
	t.Run("by SignOut, which leaves its mark last", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			collect := begin(t, r)
			out := make(chan error, 1)
			go func() { out <- r.src.SignOut(t.Context()) }()
			assert.ErrorIs(t, collect()[0].err, tokensource.ErrLoginRequired, "the local end is at once")
			r.gw.release()
			require.NoError(t, <-out)
			assert.NotNil(t, shelf.field("signed_out_at"))
		})
	})
	t.Run("by Sync and SignOut until Close", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, _ *lockedShelf) {
			collect := begin(t, r)
			synced := make(chan error, 1)
			go func() { synced <- r.src.Sync(t.Context()) }()
			synctest.Wait()
			assert.Empty(t, synced)
			go func() { _ = r.src.Close() }()
			assert.ErrorIs(t, <-synced, tokensource.ErrClosed)
			assert.ErrorIs(t, collect()[0].err, tokensource.ErrClosed)
		})
	})
}
