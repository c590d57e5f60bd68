package otelagsauth_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

func TestMetrics_ALoginAndARefresh(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		src := r.source(nil)
		r.srv.Script(agstest.SignOn, agstest.Fault{Delay: 3 * time.Second})
		require.NoError(t, ask(t.Context(), src))
		r.want("agsauth.login.duration", "outcome=success", 1, 3)
		assert.NotContains(t, r.collect(), "agsauth.refresh.duration")

		time.Sleep(2 * time.Hour)
		r.srv.Script(agstest.Refresh, agstest.Fault{Delay: 250 * time.Millisecond})
		require.NoError(t, ask(t.Context(), src))
		r.want("agsauth.refresh.duration", "outcome=success", 1, .25)
		r.want("agsauth.login.duration", "outcome=success", 1, 3)
	})
}

// A refresh whose answer was lost takes two calls, and is one refresh.
func TestMetrics_ALostAnswerIsOneRefresh(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		src := r.source(nil)
		require.NoError(t, ask(t.Context(), src))
		time.Sleep(2 * time.Hour)
		r.srv.Script(agstest.Refresh, agstest.Fault{Kind: agstest.Lost, Delay: time.Second}, agstest.Fault{Delay: time.Second})
		require.NoError(t, ask(t.Context(), src))
		r.want("agsauth.refresh.duration", "outcome=success", 1, 2)
		assert.Len(t, r.collect()["agsauth.refresh.duration"], 1)
		assert.Equal(t, []string{"error.type=unavailable,outcome=failure", "outcome=success"}, r.ended("agsauth.refresh"))
	})
}

// A refresh that failed before it could ask the gateway is one that failed.
func TestMetrics_AStoreThatFails(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		disk := &scriptedStore{Memory: &store.Memory{}}
		src := r.source(func(cfg *tokensource.Config) { cfg.Store = disk })
		require.NoError(t, ask(t.Context(), src))
		time.Sleep(2 * time.Hour)
		disk.err.Store(new(errors.New("disk on fire")))
		require.Error(t, ask(t.Context(), src))
		r.want("agsauth.refresh.duration", "error.type=store,outcome=failure", 1, 0)
		_, failed := r.value("agsauth.store.operation.duration", "op=load,outcome=failure")
		assert.True(t, failed)
	})
}

func TestSessionEnded_BeginsAtZeroAndCountsEachEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.telemetry.Instrument(tokensource.Config{})
		reasons := []string{"no_session", "refresh_expired", "fixed_expired", "refresh_rejected", "signed_out"}
		for _, reason := range reasons {
			r.wantValue("agsauth.session.ended", "reason="+reason, 0)
		}
		src := r.source(func(cfg *tokensource.Config) { cfg.Login = nil })
		begin := func() {
			token, err := r.gateway.SignOn(t.Context(), signOn())
			require.NoError(t, err)
			require.NoError(t, src.SetToken(t.Context(), token))
		}
		require.Error(t, ask(t.Context(), src))
		begin()
		time.Sleep(3 * 24 * time.Hour)
		require.Error(t, ask(t.Context(), src))
		begin()
		for range 18 { // 30 days
			time.Sleep(40 * time.Hour)
			_ = ask(t.Context(), src)
		}
		begin()
		time.Sleep(2 * time.Hour)
		r.srv.Script(agstest.Refresh, agstest.Fault{Status: 401})
		require.ErrorIs(t, ask(t.Context(), src), tokensource.ErrLoginRequired)
		begin()
		require.NoError(t, src.SignOut(t.Context()))
		require.Len(t, r.collect()["agsauth.session.ended"], len(reasons))
		for _, reason := range reasons {
			r.wantValue("agsauth.session.ended", "reason="+reason, 1)
		}
		r.want("agsauth.refresh.duration", "error.type=unauthorized,outcome=failure", 1, 0)
	})
}

func TestSessionCount_FollowsThePhases(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		src, other := r.source(nil), r.source(nil)
		manual := r.source(func(cfg *tokensource.Config) { cfg.Login, cfg.Store = nil, &store.Memory{} })
		want := func(login string, phases ...float64) {
			t.Helper()
			require.Len(t, r.collect()["agsauth.session.count"], 2*len(phases))
			for i, n := range phases {
				r.wantValue("agsauth.session.count", "login="+login+",phase="+tokensource.Phase(i).String(), n)
			}
		}
		want("automatic", 0, 0, 0, 0, 2) // until somebody asks
		want("manual", 1, 0, 0, 0, 0)
		require.Error(t, ask(t.Context(), manual))
		want("manual", 0, 0, 0, 0, 1)
		require.NoError(t, ask(t.Context(), src))
		want("automatic", 0, 1, 0, 0, 1)
		require.NoError(t, ask(t.Context(), other))
		want("automatic", 0, 2, 0, 0, 0)
		time.Sleep(time.Hour - 10*time.Second)
		want("automatic", 0, 0, 2, 0, 0)
		time.Sleep(time.Minute)
		want("automatic", 0, 0, 0, 2, 0)
		require.NoError(t, ask(t.Context(), other))
		want("automatic", 0, 1, 0, 1, 0)
	})
}

func TestSessionExpiry_IsTheFirstEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		const refreshLife, fixedLife = 48 * time.Hour, 30 * 24 * time.Hour
		assert.NotContains(t, r.collect(), "agsauth.session.expiry")
		src, began := r.source(nil), time.Now()
		require.NoError(t, ask(t.Context(), src))
		unix := func(at time.Time) float64 { return float64(at.UnixMilli()) / 1000 }
		r.wantValue("agsauth.session.expiry", "login=automatic", unix(began.Add(refreshLife)))

		time.Sleep(time.Hour)
		later := r.source(nil)
		require.NoError(t, ask(t.Context(), later))
		manual := r.source(func(cfg *tokensource.Config) { cfg.Login = nil })
		token, err := r.gateway.SignOn(t.Context(), signOn())
		require.NoError(t, err)
		require.NoError(t, manual.SetToken(t.Context(), token))
		r.wantValue("agsauth.session.expiry", "login=automatic", unix(began.Add(refreshLife)))
		r.wantValue("agsauth.session.expiry", "login=manual", unix(began.Add(time.Hour+refreshLife)))

		for time.Since(began) < fixedLife-40*time.Hour {
			time.Sleep(39 * time.Hour)
			require.NoError(t, ask(t.Context(), src))
		}
		r.wantValue("agsauth.session.expiry", "login=automatic", unix(began.Add(fixedLife)))
		assert.Len(t, r.collect()["agsauth.session.expiry"], 1, "the others have ended")
	})
}

func TestSessionExpiry_OfTheHorizonsThatAreKnown(t *testing.T) {
	for name, tt := range map[string]struct{ refresh, fixed, want time.Duration }{
		"neither":           {0, 0, 0},
		"the refresh token": {48 * time.Hour, 0, 48 * time.Hour},
		"the fixed horizon": {0, 72 * time.Hour, 72 * time.Hour},
		"both":              {48 * time.Hour, 72 * time.Hour, 48 * time.Hour},
		"the fixed first":   {48 * time.Hour, 24 * time.Hour, 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				now := time.Now()
				at := func(d time.Duration) time.Time {
					if d == 0 {
						return time.Time{}
					}
					return now.Add(d)
				}
				src := r.source(func(cfg *tokensource.Config) {
					cfg.Token = &ags.Token{
						AccessToken: ags.NewSecret("a"), RefreshToken: ags.NewSecret("r"), IssuedAt: now, ExpiresAt: at(time.Hour),
						RefreshExpiresAt: at(tt.refresh), FixedExpiresAt: at(tt.fixed),
					}
				})
				require.NoError(t, ask(t.Context(), src))
				r.wantValue("agsauth.session.count", "login=automatic,phase=fresh", 1)
				if tt.want == 0 {
					assert.NotContains(t, r.collect(), "agsauth.session.expiry")
					return
				}
				r.wantValue("agsauth.session.expiry", "login=automatic", float64(now.Add(tt.want).Unix()))
			})
		})
	}
}

func TestObserve_EndsWithStop(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		cfg := r.telemetry.Instrument(tokensource.Config{Refresher: r.gateway})
		src, err := tokensource.New(cfg)
		require.NoError(t, err)
		stopFirst, stopSecond := r.telemetry.Observe(src, cfg), r.telemetry.Observe(src, cfg)
		r.wantValue("agsauth.session.count", "login=manual,phase=ended", 2)
		stopFirst()
		stopFirst()
		r.wantValue("agsauth.session.count", "login=manual,phase=ended", 1)
		stopSecond()
		r.wantValue("agsauth.session.count", "login=manual,phase=ended", 0)
		require.NoError(t, src.Close())
	})
}

func TestInstrument_CallsTheUsersOnEvent(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		var told []tokensource.Kind
		src := r.source(func(cfg *tokensource.Config) {
			cfg.OnEvent = func(e tokensource.Event) {
				told = append(told, e.Kind)
				if e.Kind == tokensource.EventLoggedIn {
					r.want("agsauth.login.duration", "outcome=success", 1, 0) // it may read the metrics
				}
				panic("the user's") // recovered by the Source
			}
		})
		require.NoError(t, ask(t.Context(), src))
		assert.Equal(t, []tokensource.Kind{tokensource.EventEnded, tokensource.EventLoggedIn}, told)
		r.wantValue("agsauth.session.ended", "reason=no_session", 1)
	})
}

// What is nil in a Config stays nil, so that tokensource.New says what is missing.
func TestInstrument_LeavesNilAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		cfg := r.telemetry.Instrument(tokensource.Config{})
		assert.Nil(t, cfg.Refresher)
		assert.Nil(t, cfg.Login)
		assert.Nil(t, cfg.Store)
		assert.Nil(t, cfg.Logger)
		_, err := tokensource.New(cfg)
		require.ErrorContains(t, err, "Refresher is nil")
	})
}

func TestCachedToken_IsNotMeasured(t *testing.T) {
	inSerialBubble(t, func(t *testing.T, r *rig) {
		src := r.source(nil)
		ctx, _ := r.request()
		require.NoError(t, ask(ctx, src))
		metrics, spans := r.collect(), len(r.spans.Ended())
		allocations := testing.AllocsPerRun(1000, func() { _, _ = src.TokenContext(ctx) })
		assert.Zero(t, allocations)
		synctest.Wait()
		assert.Equal(t, metrics, r.collect())
		assert.Len(t, r.spans.Ended(), spans)
	})
}

// Metrics can be collected while sessions come, change and go.
func TestObserve_Concurrently(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			for ctx.Err() == nil {
				r.collect()
				time.Sleep(time.Minute)
			}
		}()
		for range 20 {
			cfg := r.telemetry.Instrument(tokensource.Config{Refresher: r.gateway, Login: tokensource.SignOnWith(r.gateway, signOn())})
			src, err := tokensource.New(cfg)
			require.NoError(t, err)
			stop := r.telemetry.Observe(src, cfg)
			_ = ask(ctx, src)
			time.Sleep(2 * time.Hour)
			_ = ask(ctx, src)
			stop()
			require.NoError(t, src.Close())
		}
		cancel()
		<-stopped
		r.wantValue("agsauth.session.count", "login=automatic,phase=ended", 0)
	})
}
