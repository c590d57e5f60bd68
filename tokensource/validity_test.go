package tokensource_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

// startValid starts n callers that ask for a token that is valid for d. The function that it
// returns waits for their answers.
func (f *fixture) startValid(ctx context.Context, n int, d time.Duration) func() []answer {
	answers := make([]answer, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			tok, err := f.src.TokenValidFor(ctx, d)
			if err == nil {
				answers[i].token = tok.AccessToken
			}
			answers[i].err = err
		})
	}
	synctest.Wait()
	return func() []answer { wg.Wait(); synctest.Wait(); return answers }
}

// wantValid asserts that a caller gets this access token, valid for d, at once.
func (f *fixture) wantValid(d time.Duration, accessToken string) {
	f.t.Helper()
	ctx, cancel := context.WithCancel(f.t.Context())
	collect := f.startValid(ctx, 1, d)
	cancel()
	require.Equal(f.t, answer{token: accessToken}, collect()[0])
}

// wantNotValid asserts that a caller gets an error of this type at once.
func wantNotValid[E error](f *fixture, d time.Duration) E {
	f.t.Helper()
	ctx, cancel := context.WithCancel(f.t.Context())
	collect := f.startValid(ctx, 1, d)
	cancel()
	var want E
	require.ErrorAs(f.t, collect()[0].err, &want)
	return want
}

func TestTokenValidFor_WithoutAValidityIsTokenContext(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		f.gw.Refreshes.Hold()
		f.clock.Advance(access - 2*time.Second)
		f.wantValid(0, "a1")
		f.wantValid(-time.Hour, "a1")
		assert.Equal(t, 1, f.gw.Refreshes.Count(), "the one in the background")
	})
}

func TestTokenValidFor_RefreshesOnceForAllWhileOthersAreServed(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		f.wantValid(59*time.Minute, "a1")
		f.clock.Advance(10 * time.Minute)
		f.wantValid(49*time.Minute, "a1")
		require.Zero(t, f.gw.Refreshes.Count())
		f.gw.Refreshes.Hold()
		collect := f.startValid(t.Context(), 50, 50*time.Minute)
		for range 10 {
			f.want("a1")
			f.wantValid(49*time.Minute, "a1")
		}
		assert.Equal(t, tokensource.Ageing, f.src.Status().Phase)
		f.gw.Refreshes.Release()
		wantAll(t, collect, "a2")
		f.want("a2")
		assert.Equal(t, 1, f.gw.Refreshes.Count())
		assert.Equal(t, tokensource.Fresh, f.src.Status().Phase)
	})
}

func TestTokenValidFor_IsNoInvalidation(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		f.want("a1")
		f.src.Invalidate("a1")
		f.want("a2")
		f.clock.Advance(5 * time.Second)
		f.src.Invalidate("a2") // too soon after the first
		f.wantValid(time.Minute, "a2")
		f.clock.Advance(10 * time.Second)
		f.wantValid(access-20*time.Second, "a2")
		f.wantValid(access-12*time.Second, "a3")
		f.src.Invalidate("a3") // the first since ten seconds
		f.want("a4")
		assert.Equal(t, []string{"r1", "r2", "r3"}, f.gw.presented())
	})
}

func TestTokenValidFor_LongerThanALife(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		for range 50 {
			f.clock.Advance(time.Minute)
			short := wantNotValid[*tokensource.ValidityError](f, 2*time.Hour)
			require.Equal(t, 2*time.Hour, short.Asked)
			require.Equal(t, access-11*time.Second, short.Longest)
			require.Equal(t, start.Add(access), short.ExpiresAt)
			require.Zero(t, short.SessionEndsAt)
			require.EqualError(t, short, "tokensource: no token is valid for 2h0m0s: ask for 59m49s or less, for which a new token can be had")
			f.wantValid(time.Minute, "a1")
		}
		assert.Zero(t, f.gw.Refreshes.Count())
		assert.Empty(t, f.events.kinds())
	})
}

func TestTokenValidFor_WhatIsSaidToBePossibleIs(t *testing.T) {
	for _, life := range []time.Duration{4 * time.Second, time.Minute, time.Hour, 24 * time.Hour} {
		scenario(t, func(f *fixture, c *tokensource.Config) {
			f.gw.access = life
			c.Token = f.gw.signOn()
		}, func(t *testing.T, f *fixture) {
			f.wantValid(life*4/5, "a2")
			for range 20 {
				f.clock.Advance(life / 10)
				_, err := f.src.TokenValidFor(t.Context(), life*4/5)
				require.NoError(t, err)
				longest := wantNotValid[*tokensource.ValidityError](f, 2*life).Longest
				_, err = f.src.TokenValidFor(t.Context(), longest)
				require.NoError(t, err)
			}
		})
	}
}

// A gateway that begins to grant tokens that live for less.
func TestTokenValidFor_ANewTokenIsShorter(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		f.clock.Advance(40 * time.Minute)
		f.gw.mu.Lock()
		f.gw.access = 10 * time.Minute
		f.gw.mu.Unlock()
		for _, a := range f.startValid(t.Context(), 50, 30*time.Minute)() {
			var short *tokensource.ValidityError
			require.ErrorAs(t, a.err, &short)
			assert.Equal(t, 10*time.Minute-11*time.Second, short.Longest)
		}
		for range 50 {
			_ = wantNotValid[*tokensource.ValidityError](f, 30*time.Minute)
		}
		f.want("a2")
		assert.Equal(t, 1, f.gw.Refreshes.Count())
	})
}

// A gateway that takes so long that its token has lost what was asked for.
func TestTokenValidFor_ASlowGatewayIsAskedOncePerCall(t *testing.T) {
	scenario(t, func(_ *fixture, c *tokensource.Config) { c.RefreshTimeout = time.Hour }, func(t *testing.T, f *fixture) {
		f.clock.Advance(10 * time.Minute)
		f.gw.edit = func(t *ags.Token) {
			t.IssuedAt, t.ExpiresAt = t.IssuedAt.Add(-15*time.Second), t.ExpiresAt.Add(-15*time.Second)
		}
		f.gw.Refreshes.Hold()
		collect := f.startValid(t.Context(), 2, access-11*time.Second)
		f.clock.Advance(15 * time.Second) // the lives count from the request
		f.gw.Refreshes.Release()
		for _, a := range collect() {
			var short *tokensource.ValidityError
			require.ErrorAs(t, a.err, &short)
			assert.Equal(t, access-16*time.Second, short.Longest)
		}
		assert.Equal(t, 1, f.gw.Refreshes.Count())
	})
}

func TestTokenValidFor_NearTheSessionsEnd(t *testing.T) {
	t.Run("with a fixed end", func(t *testing.T) {
		scenario(t, func(f *fixture, c *tokensource.Config) {
			f.gw.fixed = 2 * time.Hour
			c.Token = f.gw.signOn()
		}, func(t *testing.T, f *fixture) {
			f.clock.Advance(50 * time.Minute)
			f.wantValid(50*time.Minute, "a3")
			f.clock.Advance(25 * time.Minute) // the session has 45 minutes left, the token 35
			for range 50 {
				short := wantNotValid[*tokensource.ValidityError](f, 50*time.Minute)
				require.Equal(t, start.Add(2*time.Hour), short.SessionEndsAt)
				require.Equal(t, 45*time.Minute, short.Longest)
				require.ErrorContains(t, short, "the session ends at 2022-06-10T17:04:53Z")
			}
			assert.Equal(t, 1, f.gw.Refreshes.Count())
		})
	})
	t.Run("without a refresh token", func(t *testing.T) {
		scenario(t, func(f *fixture, c *tokensource.Config) {
			c.Token.RefreshToken = ags.Secret{}
			c.Login = f.gw.login
		}, func(t *testing.T, f *fixture) {
			f.clock.Advance(30 * time.Minute)
			short := wantNotValid[*tokensource.ValidityError](f, 31*time.Minute)
			assert.Equal(t, start.Add(access), short.SessionEndsAt)
			assert.Zero(t, f.gw.Logins.Count(), "the session has not ended")
			f.clock.Advance(26 * time.Minute)
			f.wantValid(31*time.Minute, "a2")
			assert.Equal(t, 1, f.gw.Logins.Count(), "the one that is due before the end")
		})
	})
}

func TestTokenValidFor_AFailureBacksOff(t *testing.T) {
	for name, failure := range map[string]error{"transient": errBusy, "refused": errSuspended, "of unknown outcome": errLost} {
		t.Run(name, func(t *testing.T) {
			scenario(t, nil, func(t *testing.T, f *fixture) {
				f.clock.Advance(20 * time.Minute)
				f.gw.Refreshes.Fail(failure)
				if errors.Is(failure, errLost) {
					f.gw.Refreshes.Fail(failure) // its immediate repetition
				}
				for _, a := range f.startValid(t.Context(), 50, 50*time.Minute)() {
					var later *tokensource.UnavailableError
					require.ErrorAs(t, a.err, &later)
					require.ErrorIs(t, later, failure)
				}
				count := f.gw.Refreshes.Count()
				later := wantNotValid[*tokensource.UnavailableError](f, 50*time.Minute)
				f.want("a1")
				f.clock.Advance(later.NextAt.Sub(f.clock.Now()) - 1)
				_ = wantNotValid[*tokensource.UnavailableError](f, 50*time.Minute)
				f.clock.Advance(1)
				f.want("a1") // callers that ask for no validity cause no refresh
				require.Equal(t, count, f.gw.Refreshes.Count())
				f.wantValid(50*time.Minute, "a2")
				assert.Equal(t, count+1, f.gw.Refreshes.Count())
			})
		})
	}
}

func TestTokenValidFor_IsAnswered(t *testing.T) {
	gone := errors.New("gone")
	for name, tt := range map[string]struct {
		act  func(f *fixture, cancel func(error)) error
		want error
	}{
		"when its context ends": {func(_ *fixture, cancel func(error)) error { cancel(gone); return nil }, gone},
		"by Close": {func(f *fixture, _ func(error)) error {
			closing := f.startClose()
			synctest.Wait()
			f.gw.Refreshes.Release()
			return <-closing
		}, tokensource.ErrClosed},
		"by SetToken": {func(f *fixture, _ func(error)) error { return f.setToken()(f.t.Context()) }, nil},
		"by SignOut":  {func(f *fixture, _ func(error)) error { return f.src.SignOut(f.t.Context()) }, tokensource.ErrLoginRequired},
	} {
		t.Run(name, func(t *testing.T) {
			scenario(t, nil, func(t *testing.T, f *fixture) {
				f.clock.Advance(20 * time.Minute)
				f.gw.Refreshes.Hold()
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				collect := f.startValid(ctx, 3, 50*time.Minute)
				require.NoError(t, tt.act(f, cancel))
				for _, a := range collect() {
					require.ErrorIs(t, a.err, tt.want)
				}
				assert.Equal(t, 1, f.gw.Refreshes.Count())
			})
		})
	}
}
