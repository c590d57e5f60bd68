package tokensource_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/tokensource"
)

func TestNew_RefusesWhatCannotWork(t *testing.T) {
	gw := newGateway(clock.NewFake(start))
	good := tokensource.Config{Refresher: gw}
	for name, spoil := range map[string]func(*tokensource.Config){
		"Refresher":           func(c *tokensource.Config) { c.Refresher = nil },
		"RefreshBefore":       func(c *tokensource.Config) { c.RefreshBefore = -1 },
		"RefreshTimeout":      func(c *tokensource.Config) { c.RefreshTimeout = -1 },
		"LockTimeout":         func(c *tokensource.Config) { c.LockTimeout = -1 },
		"StoreTimeout":        func(c *tokensource.Config) { c.StoreTimeout = -1 },
		"WarnBefore":          func(c *tokensource.Config) { c.WarnBefore = -1 },
		"Token has no access": func(c *tokensource.Config) { c.Token = &ags.Token{RefreshToken: ags.NewSecret("r")} },
	} {
		c := good
		spoil(&c)
		_, err := tokensource.New(c)
		assert.ErrorContains(t, err, name)
	}
	src, err := tokensource.New(good)
	require.NoError(t, err, "a Refresher is all it takes")
	require.NoError(t, src.Close())
}

func TestLifecycle_AMonthOfASession(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		failed, before := 0, time.Now()
		for r.clock.Now().Before(start.Add(fixed - time.Minute)) {
			r.clock.Advance(time.Minute)
			if _, err := r.ask(); err != nil {
				failed++
			}
		}
		assert.Zero(t, failed)
		// Every 55 minutes, the last one when what it wins is worth it.
		assert.Equal(t, int(fixed/(55*time.Minute)), r.gw.count())
		assert.Equal(t, before, time.Now(), "without waiting")
		r.clock.Advance(time.Minute)
		assert.Equal(t, start.Add(fixed), r.wantEnded(tokensource.FixedExpired).At)
	})
}

func TestLifecycle_RefreshAtTheMargin(t *testing.T) {
	for _, tt := range []struct {
		name     string
		access   time.Duration
		before   time.Duration
		draw     float64
		wantLeft time.Duration // before the expiry
	}{
		{"a tenth", 10 * time.Minute, 0, 0, time.Minute},
		{"at most five minutes", time.Hour, 0, 0, 5 * time.Minute},
		{"at least ten seconds", time.Minute, 0, 0, 10 * time.Second},
		{"never more than half", 12 * time.Second, 0, 0, 6 * time.Second},
		{"as configured", time.Hour, 20 * time.Minute, 0, 20 * time.Minute},
		{"configured beyond half", time.Hour, 50 * time.Minute, 0, 30 * time.Minute},
		{"up to a fifth more", time.Hour, 0, 0.5, 5*time.Minute + 30*time.Second},
		{"half and a fifth of it", 12 * time.Second, 0, 0.999, 7*time.Second + 198*time.Millisecond + 799999*time.Nanosecond + 201},
	} {
		t.Run(tt.name, func(t *testing.T) {
			story(t, func(r *rig, c *tokensource.Config) {
				r.gw.access = tt.access
				c.Token, c.RefreshBefore = r.gw.signOn(), tt.before
				c.Rand = func() float64 { return tt.draw }
			}, func(t *testing.T, r *rig) {
				due := r.src.Status().RefreshAt
				assert.WithinDuration(t, start.Add(tt.access-tt.wantLeft), due, time.Millisecond)
				r.clock.Advance(due.Sub(start) - 1)
				r.want("a2")
				assert.Equal(t, tokensource.Fresh, r.src.Status().Phase)
				assert.Zero(t, r.gw.count())
				r.clock.Advance(1)
				r.want("a2")
				r.want("a3")
				assert.Equal(t, 1, r.gw.count())
			})
		})
	}
}

func TestLifecycle_AnOutageInsideTheMarginIsNotSeen(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.gw.down(errBusy)
		r.clock.Advance(access - 5*time.Minute)
		for range 200 { // twenty seconds
			r.want("a1")
			r.clock.Advance(100 * time.Millisecond)
		}
		assert.LessOrEqual(t, r.gw.count(), 8)
		assert.Equal(t, tokensource.Ageing, r.src.Status().Phase)
		assert.ErrorIs(t, r.src.Status().Err, ags.ErrUnavailable)
		r.gw.up()
		r.clock.Advance(30 * time.Second)
		r.want("a1")
		r.want("a2")
		assert.NoError(t, r.src.Status().Err)
		assert.Equal(t, r.gw.count()-1, r.events.count(tokensource.EventRefreshFailed))
	})
}

func TestLifecycle_AnOutagePastTheExpiry(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.gw.down(errBusy)
		r.clock.Advance(access - time.Second - 1)
		r.want("a1")
		r.clock.Advance(1)
		before := r.gw.count()
		for range 600 { // ten minutes; the back-off is capped at ten seconds
			later := r.wantUnavailable()
			assert.LessOrEqual(t, later.NextAt.Sub(r.clock.Now()), 12500*time.Millisecond)
			r.clock.Advance(time.Second)
		}
		assert.LessOrEqual(t, r.gw.count()-before, 85)
		r.gw.up()
		r.clock.Advance(10 * time.Second)
		r.want("a2")
	})
}

func TestLifecycle_RefusalsThatAreNoEnd(t *testing.T) {
	for name, refusal := range map[string]error{
		"403 of another code": errSuspended,
		"400":                 &ags.Error{Op: "refresh", Status: 400},
		"404":                 &ags.Error{Op: "refresh", Status: 404},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, nil, func(t *testing.T, r *rig) {
				r.gw.down(refusal)
				r.clock.Advance(access)
				for _, wait := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 5 * time.Minute, 5 * time.Minute} {
					later := r.wantUnavailable()
					require.ErrorIs(t, later, refusal)
					require.Equal(t, r.clock.Now().Add(wait), later.NextAt, "no hammering")
					r.clock.Advance(wait)
				}
				assert.Equal(t, 5, r.gw.count())
				r.gw.up()
				r.want("a2")
			})
		})
	}
}

func TestLifecycle_WhatIsNotTheGatewaysAnswerEndsNothing(t *testing.T) {
	for name, failure := range map[string]error{
		"a firewall's page":      &ags.Error{Op: "refresh", Status: 403, Malformed: true},
		"a proxy's 401":          &ags.Error{Op: "refresh", Status: 401, Malformed: true},
		"another Refresher's":    errors.New("some error"),
		"an answer without both": nil,
	} {
		t.Run(name, func(t *testing.T) {
			story(t, nil, func(t *testing.T, r *rig) {
				r.gw.fail(failure)
				if failure == nil {
					r.gw.edit = func(t *ags.Token) { t.AccessToken = ags.Secret{} }
				}
				r.clock.Advance(access)
				r.wantUnavailable()
				r.gw.edit = nil
				r.clock.Advance(10 * time.Second)
				_, err := r.ask()
				require.NoError(t, err)
				assert.Equal(t, 2, r.gw.count())
			})
		})
	}
}

func TestLifecycle_ARejectionEndsTheRefreshingButServesTheRest(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		ended := r.src.LoginRequired()
		r.gw.fail(errUnauthorized)
		r.clock.Advance(access - 5*time.Minute)
		r.want("a1")
		assert.True(t, closed(ended), "announced at once")
		assert.Equal(t, tokensource.RefreshRejected, r.src.Status().Reason)
		r.clock.Advance(5*time.Minute - time.Second - 1)
		r.want("a1")
		assert.Equal(t, tokensource.Ageing, r.src.Status().Phase)
		r.clock.Advance(1)
		e := r.wantEnded(tokensource.RefreshRejected)
		assert.ErrorIs(t, e, ags.ErrUnauthorized)
		assert.Equal(t, start.Add(access-5*time.Minute), e.At)
		assert.Equal(t, "PUB_989", e.ClientID)
		assert.Equal(t, "1663", e.AccountID)
		assert.Equal(t, 1, r.gw.count(), "a rejected token is not presented again")
		assert.Equal(t, 1, r.events.count(tokensource.EventEnded), "announced once")
	})
}

func TestLifecycle_ADeletedDeviceIsForgotten(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.gw.fail(errDeviceDeleted)
		r.clock.Advance(access)
		assert.Empty(t, r.wantEnded(tokensource.RefreshRejected).ClientID)
	})
}

func TestLifecycle_NoStormNearTheFixedHorizon(t *testing.T) {
	story(t, func(r *rig, c *tokensource.Config) {
		// A gateway that cuts the access token's life at the fixed horizon.
		r.gw.fixed = 90 * time.Minute
		r.gw.edit = func(t *ags.Token) {
			if t.ExpiresAt.After(t.FixedExpiresAt) {
				t.ExpiresAt = t.FixedExpiresAt
			}
		}
		c.Token = r.gw.signOn()
	}, func(t *testing.T, r *rig) {
		for range 90*60 - 2 {
			r.clock.Advance(time.Second)
			_, err := r.ask()
			require.NoError(t, err)
		}
		assert.Equal(t, 1, r.gw.count())
		r.clock.Advance(time.Second)
		r.wantEnded(tokensource.FixedExpired)
		assert.Equal(t, 1, r.gw.count())
	})
}

func TestLifecycle_TheFixedHorizonHoldsForALiveToken(t *testing.T) {
	story(t, func(r *rig, c *tokensource.Config) {
		r.gw.fixed = 30 * time.Minute
		c.Token = r.gw.signOn()
	}, func(t *testing.T, r *rig) {
		r.clock.Advance(30*time.Minute - 1)
		tok, err := r.src.Token()
		require.NoError(t, err)
		assert.Equal(t, start.Add(30*time.Minute), tok.Expiry, "the earlier of the two")
		r.clock.Advance(1)
		r.wantEnded(tokensource.FixedExpired)
		assert.Zero(t, r.gw.count())
	})
}

func TestLifecycle_ARepeatedFixedConstantMovesNothing(t *testing.T) {
	story(t, func(r *rig, c *tokensource.Config) {
		r.gw.edit = func(t *ags.Token) { t.FixedExpiresAt = t.IssuedAt.Add(fixed) }
		c.Token = r.gw.signOn()
	}, func(t *testing.T, r *rig) {
		for range 5 {
			r.clock.Advance(access)
			_, err := r.ask()
			require.NoError(t, err)
		}
		assert.Equal(t, start.Add(fixed), r.src.Status().FixedExpiresAt)
	})
}

func TestLifecycle_AGrantPastTheFixedHorizonProvesItWrong(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.want("a1")
		r.clock.Suspend(2 * fixed)
		r.gw.fixedAt = r.clock.Now().Add(time.Hour * 24)
		r.want("a2")
		assert.Equal(t, r.gw.fixedAt, r.src.Status().FixedExpiresAt)
		r.clock.Advance(time.Hour * 24)
		r.wantEnded(tokensource.FixedExpired)
	})
}

func TestLifecycle_WhatAnAnswerOmitsIsKept(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.gw.edit = func(t *ags.Token) {
			t.ClientID, t.AccountID, t.RefreshToken, t.FixedExpiresAt = "", "", ags.Secret{}, time.Time{}
		}
		r.clock.Advance(access)
		r.want("a2")
		st := r.src.Status()
		assert.Equal(t, []string{"PUB_989", "1663"}, []string{st.ClientID, st.AccountID})
		assert.Equal(t, start.Add(fixed), st.FixedExpiresAt)
		r.clock.Advance(access)
		r.want("a3")
		assert.Equal(t, []string{"r1", "r1"}, r.gw.presented())
	})
}

func TestLifecycle_WithoutHorizonsATokenIsServedUntilRejected(t *testing.T) {
	story(t, func(r *rig, c *tokensource.Config) {
		r.gw.access, r.gw.sliding, r.gw.fixed = 0, 0, 0
		c.Token = r.gw.signOn()
	}, func(t *testing.T, r *rig) {
		r.clock.Advance(10 * 365 * 24 * time.Hour)
		r.want("a2")
		assert.Zero(t, r.gw.count())
		r.src.Invalidate("a2")
		r.want("a3")
	})
}

func TestLifecycle_WithoutARefreshTokenTheAccessTokenIsTheSession(t *testing.T) {
	story(t, func(r *rig, c *tokensource.Config) {
		r.gw.edit = func(t *ags.Token) { t.RefreshToken = ags.Secret{} }
		c.Token = r.gw.signOn()
	}, func(t *testing.T, r *rig) {
		r.clock.Advance(access - 2*time.Second)
		r.want("a2")
		assert.Equal(t, 1, r.events.count(tokensource.EventEnding), "announced ahead of time")
		r.clock.Advance(time.Second)
		ended := r.wantEnded(tokensource.RefreshExpired)
		assert.Equal(t, start.Add(access), ended.At, "whatever is told of a refresh token that is not there")
		assert.Zero(t, r.gw.count())
	})
}

func TestLifecycle_AnAnswerThatIsDeadOnArrivalIsNotServed(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.gw.edit = func(t *ags.Token) { t.ExpiresAt = t.IssuedAt }
		r.clock.Advance(access)
		for range 3 {
			r.wantUnavailable()
		}
		assert.Equal(t, 1, r.gw.count(), "nor asked for in a loop")
		r.gw.edit = nil
		r.clock.Advance(time.Second)
		r.want("a3")
		assert.Equal(t, []string{"r1", "r2"}, r.gw.presented(), "but its refresh token is the one that is good")
	})
}

func TestLifecycle_TinyLifetimesAreOnTheBackOff(t *testing.T) {
	story(t, func(r *rig, c *tokensource.Config) {
		r.gw.access = 100 * time.Millisecond
		c.Token = nil
		c.Login = func(context.Context, *tokensource.LoginRequiredError) (*ags.Token, error) { return r.gw.signOn(), nil }
	}, func(t *testing.T, r *rig) {
		go func() { _ = r.src.Run(t.Context()) }()
		synctest.Wait()
		for range 1000 { // ten seconds
			r.clock.Advance(10 * time.Millisecond)
			synctest.Wait()
		}
		assert.Equal(t, 6, r.gw.count(), "after 0.25, 0.375, 0.75, 1.5 and 3 s")
	})
}

func TestLifecycle_APairIssuedInTheFutureIsRefreshedAtOnce(t *testing.T) {
	for _, tt := range []struct {
		name  string
		ahead time.Duration
		want  string
		calls int
	}{
		{"by more than a minute", time.Minute + 1, "a3", 1},
		{"but not by what two clocks may differ", time.Minute, "a2", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			story(t, func(r *rig, c *tokensource.Config) {
				c.Token = r.gw.signOn()
				c.Token.IssuedAt = start.Add(tt.ahead)
			}, func(t *testing.T, r *rig) {
				r.want("a2")
				r.want(tt.want)
				assert.Equal(t, tt.calls, r.gw.count())
			})
		})
	}
}

func TestLifecycle_AHorizonAlreadyPastEndsWithoutACall(t *testing.T) {
	story(t, func(r *rig, c *tokensource.Config) {
		c.Token = r.gw.signOn()
		r.clock.Suspend(sliding) // between the sign-on and New
	}, func(t *testing.T, r *rig) {
		r.wantEnded(tokensource.RefreshExpired)
		assert.Zero(t, r.gw.count())
	})
}

func TestInvalidate_OnlyWhatIsCurrent(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.want("a1")
		r.src.Invalidate("a0")
		r.src.Invalidate("")
		r.want("a1")
		assert.Zero(t, r.gw.count())
		r.src.Invalidate("a1")
		assert.Zero(t, r.gw.count(), "Invalidate itself calls nobody")
		r.want("a2")
		r.src.Invalidate("a1") // a late rejection of the old one
		r.want("a2")
		assert.Equal(t, 1, r.gw.count())
	})
}

func TestInvalidate_AfterAPassingFailureTheOldTokenIsServedAgain(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.want("a1")
		r.gw.fail(errBusy)
		r.src.Invalidate("a1")
		r.want("a1")
		assert.Equal(t, 1, r.gw.count())
		r.src.Invalidate("a1")
		r.want("a1")
		assert.Equal(t, 1, r.gw.count(), "not while the failure is remembered")
	})
}

func TestInvalidate_WhenGatewayAndAPIAgreeTheTokenIsDead(t *testing.T) {
	story(t, nil, func(_ *testing.T, r *rig) {
		r.gw.fail(errUnauthorized)
		r.src.Invalidate("a1")
		r.wantEnded(tokensource.RefreshRejected)
	})
}

func TestInvalidate_AdoptsRatherThanRefreshes(t *testing.T) {
	shelf := newLockedShelf()
	story(t, func(_ *rig, c *tokensource.Config) { c.Store = shelf }, func(t *testing.T, r *rig) {
		r.want("a1")
		shelf.rotate(t, "theirs", r.clock.Now().Add(access))
		r.src.Invalidate("a1")
		r.want("theirs")
		assert.Zero(t, r.gw.count())
	})
}

func TestToken_ReturnsACopyWithoutTheRefreshToken(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		one, err := r.src.Token()
		require.NoError(t, err)
		shared, err := r.src.TokenContext(t.Context())
		require.NoError(t, err)
		again, err := r.src.TokenContext(t.Context())
		require.NoError(t, err)
		assert.NotSame(t, one, shared)
		assert.Same(t, shared, again)
		assert.Empty(t, one.RefreshToken)
		assert.Equal(t, "Bearer", one.Type())
		assert.Equal(t, start.Add(access), one.Expiry)
		one.AccessToken = "spoiled"
		r.want("a1")
	})
}

func TestTokenContext_IsFreeWhenCached(t *testing.T) {
	c := clock.NewFake(start)
	gw := newGateway(c)
	src, err := tokensource.New(tokensource.Config{Refresher: gw, Token: &ags.Token{
		AccessToken: ags.NewSecret("a"), RefreshToken: ags.NewSecret("r"),
		IssuedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour),
	}})
	require.NoError(t, err)
	_, err = src.Token()
	require.NoError(t, err)
	assert.Zero(t, testing.AllocsPerRun(100, func() { _, _ = src.TokenContext(t.Context()) }))
	assert.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _ = src.Token() }), 1.0)
	require.NoError(t, src.Close())
}

func TestEvents_InOrderWithStatusAndLog(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.gw.fail(errBusy)
		r.clock.Advance(access - 5*time.Minute)
		r.want("a1")
		r.clock.Advance(time.Second)
		r.want("a1")
		r.clock.Advance(fixed - 30*time.Hour)
		r.wantEnded(tokensource.RefreshExpired)
		require.Equal(t, []string{"refresh failed", "refreshed", "session ended"}, r.events.kinds())
		failed, refreshed, ended := r.events.all()[0], r.events.all()[1], r.events.all()[2]
		assert.ErrorIs(t, failed.Err, ags.ErrUnavailable)
		assert.Equal(t, start.Add(access-5*time.Minute), failed.At)
		assert.Equal(t, failed.At.Add(187500*time.Microsecond), failed.NextAt)
		assert.Equal(t, tokensource.Ageing, failed.Status.Phase)
		assert.Equal(t, tokensource.Fresh, refreshed.Status.Phase)
		assert.Equal(t, refreshed.At.Add(access), refreshed.Status.ExpiresAt)
		assert.Equal(t, tokensource.RefreshExpired, ended.Reason)
		assert.Equal(t, tokensource.Ended, ended.Status.Phase)
		log := r.logs.String()
		assert.Equal(t, 1, lines(log, "level=DEBUG"), "a refresh is debug")
		assert.Equal(t, 1, lines(log, "level=INFO"), "a retry is info")
		assert.Equal(t, 1, lines(log, "level=WARN"), "an end is warn")
	})
}

func TestEvents_TheEndIsAnnouncedAheadOfTimeOnce(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		for r.clock.Now().Before(start.Add(fixed - 24*time.Hour)) {
			assert.Zero(t, r.events.count(tokensource.EventEnding))
			r.clock.Advance(30 * time.Minute)
			_, err := r.ask()
			require.NoError(t, err)
		}
		for range 20 {
			r.clock.Advance(30 * time.Minute)
			_, err := r.ask()
			require.NoError(t, err)
		}
		require.Equal(t, 1, r.events.count(tokensource.EventEnding))
		for _, e := range r.events.all() {
			if e.Kind == tokensource.EventEnding {
				assert.Equal(t, start.Add(fixed), e.NextAt)
				assert.Equal(t, tokensource.FixedExpired, e.Reason)
				assert.Equal(t, start.Add(fixed-24*time.Hour), e.At)
			}
		}
	})
}

func TestEvents_EachSessionsEndIsAnnounced(t *testing.T) {
	atTheDesk(t, func(r *rig, c *tokensource.Config) {
		r.gw.access, r.gw.fixed = time.Hour, 30*time.Second // ends that lie close together
		c.Token = r.gw.signOn()
	}, func(t *testing.T, r *rig, d *desk) {
		for range 100 {
			r.clock.Advance(time.Second)
			_, err := r.ask()
			require.NoError(t, err)
		}
		assert.Greater(t, d.count(), 2)
		assert.GreaterOrEqual(t, r.events.count(tokensource.EventEnding), d.count())
	})
}

func TestEvents_WarnBefore(t *testing.T) {
	for _, tt := range []struct {
		name               string
		span, before, want time.Duration
	}{
		{"a tenth", 50 * time.Hour, 0, 5 * time.Hour},
		{"at most a day", 90 * 24 * time.Hour, 0, 24 * time.Hour},
		{"at least ten minutes", time.Hour, 0, 10 * time.Minute},
		{"never more than half", 10 * time.Minute, 0, 5 * time.Minute},
		{"as configured", 50 * time.Hour, 7 * time.Hour, 7 * time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			story(t, func(r *rig, c *tokensource.Config) {
				r.gw.access, r.gw.sliding, r.gw.fixed = 100*24*time.Hour, 0, tt.span
				c.Token, c.WarnBefore = r.gw.signOn(), tt.before
			}, func(t *testing.T, r *rig) {
				r.clock.Advance(tt.span - tt.want - 1)
				r.want("a2")
				assert.Zero(t, r.events.count(tokensource.EventEnding))
				r.clock.Advance(1)
				r.want("a2")
				assert.Equal(t, 1, r.events.count(tokensource.EventEnding))
			})
		})
	}
}

func TestEvents_ACallbackMayCallBackAndMayPanic(t *testing.T) {
	story(t, func(r *rig, c *tokensource.Config) {
		c.OnEvent = func(e tokensource.Event) {
			r.events.record(e)
			assert.Equal(t, e.Status.Phase, r.src.Status().Phase)
			_, err := r.src.Token() // published before it is announced
			assert.NoError(t, err)
			panic("what is secret")
		}
	}, func(t *testing.T, r *rig) {
		for range 2 {
			r.clock.Advance(access)
			_, err := r.ask()
			require.NoError(t, err)
		}
		assert.Equal(t, []string{"refreshed", "refreshed"}, r.events.kinds())
		log := r.logs.String()
		assert.Contains(t, log, "level=ERROR")
		assert.NotContains(t, log, "what is secret")
	})
}

func TestEvents_ASlowCallbackDelaysNobody(t *testing.T) {
	block := make(chan struct{})
	story(t, func(_ *rig, c *tokensource.Config) {
		block = make(chan struct{})
		c.OnEvent = func(tokensource.Event) { <-block }
	}, func(_ *testing.T, r *rig) {
		r.clock.Advance(access)
		r.want("a2")
		r.clock.Advance(access)
		r.want("a3")
		close(block)
	})
}

func TestStatus_TellsWhereTheSessionStands(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		assert.Equal(t, tokensource.Status{
			Phase: tokensource.Fresh, ClientID: "PUB_989", AccountID: "1663",
			IssuedAt: start, ExpiresAt: start.Add(access), RefreshExpiresAt: start.Add(sliding),
			FixedExpiresAt: start.Add(fixed), RefreshAt: start.Add(55 * time.Minute),
		}, r.src.Status())
		r.gw.hold()
		r.clock.Advance(55 * time.Minute)
		r.want("a1")
		assert.Equal(t, tokensource.Ageing, r.src.Status().Phase)
		assert.True(t, r.src.Status().Busy)
		r.clock.Advance(5 * time.Minute)
		assert.Equal(t, tokensource.Expired, r.src.Status().Phase)
		r.gw.release()
		synctest.Wait()
		r.clock.Advance(sliding)
		ended := r.src.LoginRequired()
		assert.Equal(t, tokensource.Ended, r.src.Status().Phase)
		assert.Equal(t, tokensource.RefreshExpired, r.src.Status().Reason)
		assert.True(t, closed(ended), "Status notices an end")
		synctest.Wait()
		assert.Equal(t, 1, r.events.count(tokensource.EventEnded))
		assert.Equal(t, 1, r.gw.count(), "and calls nobody")
	})
}

func TestNoSession(t *testing.T) {
	story(t, func(_ *rig, c *tokensource.Config) { c.Token = nil }, func(t *testing.T, r *rig) {
		ended := r.src.LoginRequired()
		assert.Empty(t, r.wantEnded(tokensource.NoSession).ClientID)
		assert.True(t, closed(ended))
		require.NoError(t, r.src.SetToken(t.Context(), r.gw.grant()))
		assert.False(t, closed(r.src.LoginRequired()), "a new session, a new channel")
		r.want("a2")
	})
}

func TestLifecycle_AnInstantOfIssueInThePastIsNotWaitedFor(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.gw.edit = func(t *ags.Token) { t.IssuedAt = t.IssuedAt.Add(-30 * 24 * time.Hour) }
		r.clock.Advance(access)
		r.want("a2")
		r.clock.Advance(access)
		r.want("a3") // and not only when a quarter of that life has passed
		require.Equal(t, 2, r.gw.count())
	})
}
