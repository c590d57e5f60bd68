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
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

var errExchange = errors.New("the exchange failed")

// exchanger is an OnGrant that turns a2 into x2.
type exchanger struct {
	mu      sync.Mutex // guards all below
	granted []string
	err     error
	do      func(ctx context.Context) error
	edit    func(*ags.Token)
}

func (x *exchanger) exchange(ctx context.Context, granted *ags.Token) (*ags.Token, error) {
	x.mu.Lock()
	x.granted = append(x.granted, granted.AccessToken.Reveal()+" "+granted.RefreshToken.Reveal())
	err, do, edit := x.err, x.do, x.edit
	x.mu.Unlock()
	if do != nil {
		err = do(ctx)
	}
	if err != nil {
		return nil, err
	}
	next := &ags.Token{AccessToken: ags.NewSecret("x" + granted.AccessToken.Reveal()[1:])}
	if edit != nil {
		edit(next)
	}
	return next, nil
}

func (x *exchanger) fail(err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.err = err
}

func (x *exchanger) calls() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.granted
}

// exchanging runs a scenario with an OnGrant and a store.
func exchanging(t *testing.T, set func(*fixture, *tokensource.Config), body func(*testing.T, *fixture, *exchanger, *fakeStore)) {
	t.Helper()
	x, disk := &exchanger{}, &fakeStore{t: t}
	scenario(t, func(f *fixture, c *tokensource.Config) {
		c.OnGrant, c.Store = x.exchange, disk
		if set != nil {
			set(f, c)
		}
	}, func(t *testing.T, f *fixture) { body(t, f, x, disk) })
}

// refreshDue advances the clock until a refresh is due and the former token lives. The
// store was read before.
func (f *fixture) refreshDue() {
	f.t.Helper()
	f.want("a1")
	f.clock.Advance(access - 5*time.Minute)
}

func TestOnGrant_WhatItReturnsIsUsedAndSaved(t *testing.T) {
	exchanging(t, nil, func(t *testing.T, f *fixture, x *exchanger, disk *fakeStore) {
		f.refreshDue()
		assert.Empty(t, x.calls(), "a token that was handed in is not granted")
		f.want("a1")
		f.want("x2")
		assert.Equal(t, []string{"a2 r2"}, x.calls())
		assert.Equal(t, []string{"a1 r1", "a1 r1", "a1 r2", "x2 r2"}, disk.saves)
		status := f.src.Status()
		assert.Equal(t, f.clock.Now().Add(access), status.ExpiresAt, "what is not given is that of the granted pair")
		assert.Equal(t, "PUB_989", status.ClientID)
		assert.Equal(t, start.Add(fixed), status.FixedExpiresAt)
		f.clock.Advance(access)
		f.want("x3")
		assert.Equal(t, []string{"r1", "r2"}, f.gw.presented())
		assert.Equal(t, []string{"refreshed", "refreshed"}, f.events.kinds())
	})
}

func TestOnGrant_MayReplaceAnything(t *testing.T) {
	exchanging(t, nil, func(t *testing.T, f *fixture, x *exchanger, disk *fakeStore) {
		x.edit = func(next *ags.Token) {
			next.RefreshToken, next.ExpiresAt = ags.NewSecret("own"), f.clock.Now().Add(access/2)
			next.ClientID, next.TokenType = "PUB_1", "special"
		}
		f.refreshDue()
		f.want("a1")
		tok, err := f.src.TokenContext(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "special", tok.TokenType)
		assert.Equal(t, "PUB_1", f.src.Status().ClientID)
		assert.Equal(t, "x2 own", disk.saves[len(disk.saves)-1])
		f.clock.Advance(access / 2)
		f.want("x3")
		assert.Equal(t, []string{"r1", "own"}, f.gw.presented())
	})
}

// Whatever it fails with, no pair is lost and the session goes on.
func TestOnGrant_Fails(t *testing.T) {
	const late = "by not returning in time"
	for name, fail := range map[string]func(*fixture, *exchanger){
		"with an error":             func(_ *fixture, x *exchanger) { x.fail(errExchange) },
		"with one of the gateway's": func(_ *fixture, x *exchanger) { x.fail(errUnauthorized) },
		"by a panic":                func(_ *fixture, x *exchanger) { x.do = func(context.Context) error { panic("a secret") } },
		"without a token":           func(_ *fixture, x *exchanger) { x.edit = func(t *ags.Token) { t.AccessToken = ags.Secret{} } },
		late: func(_ *fixture, x *exchanger) {
			x.do = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		},
	} {
		t.Run(name, func(t *testing.T) {
			exchanging(t, nil, func(t *testing.T, f *fixture, x *exchanger, disk *fakeStore) {
				f.refreshDue()
				fail(f, x)
				f.want("a1")
				if name == late {
					f.clock.Advance(15 * time.Second) // RefreshTimeout
				}
				f.want("a1")
				assert.Equal(t, "a1 r2", disk.saves[len(disk.saves)-1])
				failed := f.events.all()[0]
				require.Equal(t, tokensource.EventRefreshFailed, failed.Kind)
				assert.ErrorContains(t, failed.Err, "OnGrant: ")
				assert.NotContains(t, f.logs.String(), "a secret")
				assert.Equal(t, tokensource.Ageing, f.src.Status().Phase)

				x.mu.Lock()
				x.err, x.do, x.edit = nil, nil, nil
				x.mu.Unlock()
				f.clock.Advance(time.Second)
				f.want("a1")
				f.want("x3")
				assert.Equal(t, []string{"r1", "r2"}, f.gw.presented())
				assert.Equal(t, "x3 r3", disk.saves[len(disk.saves)-1])
			})
		})
	}
}

func TestOnGrant_FailsWithoutALiveToken(t *testing.T) {
	exchanging(t, nil, func(t *testing.T, f *fixture, x *exchanger, _ *fakeStore) {
		f.clock.Advance(access)
		x.fail(errExchange)
		later := f.wantUnavailable()
		require.ErrorIs(t, later, errExchange)
		assert.Equal(t, f.clock.Now().Add(187500*time.Microsecond), later.NextAt)
		f.wantUnavailable()
		assert.Len(t, x.calls(), 1, "one failure answers all, until the next attempt is due")
		x.fail(nil)
		f.clock.Advance(time.Second)
		f.want("x3")
		assert.Equal(t, []string{"r1", "r2"}, f.gw.presented())
	})
}

// A token that an API has rejected is served while there is no other, and replaced behind
// the callers.
func TestOnGrant_FailsAfterAnInvalidation(t *testing.T) {
	exchanging(t, nil, func(t *testing.T, f *fixture, x *exchanger, _ *fakeStore) {
		f.want("a1")
		f.clock.Advance(access / 2)
		x.fail(errExchange)
		f.src.Invalidate("a1")
		f.want("a1")
		assert.Len(t, x.calls(), 1)
		x.fail(nil)
		f.clock.Advance(time.Second)
		f.want("a1")
		f.want("x3")
	})
}

// Another process that takes over while the exchange is under way, or after a crash in the
// middle of it, has the new refresh token.
func TestOnGrant_AnotherProcessHasTheNewRefreshToken(t *testing.T) {
	memory := &store.Memory{}
	x := &exchanger{}
	scenario(t, func(_ *fixture, c *tokensource.Config) { c.OnGrant, c.Store = x.exchange, memory }, func(t *testing.T, f *fixture) {
		other := f.source(func(_ *fixture, c *tokensource.Config) { c.OnGrant, c.Store, c.Token = x.exchange, memory.Peer(), nil })
		f.want("a1")
		require.NoError(t, other.Sync(t.Context()))
		x.fail(errExchange)
		f.clock.Advance(access)
		f.wantUnavailable()
		require.NoError(t, f.src.Close())
		x.fail(nil)
		tok, err := other.TokenContext(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "x4", tok.AccessToken)
		assert.Equal(t, []string{"r1", "r3"}, f.gw.presented(), "a2 was granted to nobody")
		require.NoError(t, other.Close())
	})
}

func TestOnGrant_AfterALogin(t *testing.T) {
	exchanging(t, withLoginOnly, func(t *testing.T, f *fixture, x *exchanger, disk *fakeStore) {
		f.want("x2")
		assert.Equal(t, []string{"a2 r2"}, x.calls())
		assert.Equal(t, []string{"a2 r2", "x2 r2"}, disk.saves)
		assert.Equal(t, 1, f.events.count(tokensource.EventLoggedIn))
		assert.Empty(t, f.gw.presented())
		f.clock.Advance(access)
		f.want("x3")
	})
}

func TestOnGrant_FailsAfterALogin(t *testing.T) {
	exchanging(t, withLoginOnly, func(t *testing.T, f *fixture, x *exchanger, disk *fakeStore) {
		x.fail(errExchange)
		require.ErrorIs(t, f.wantUnavailable(), errExchange)
		assert.Equal(t, []string{"a2 r2"}, disk.saves)
		x.fail(nil)
		f.clock.Advance(time.Second)
		f.want("x3")
		assert.Equal(t, []string{"r2"}, f.gw.presented())
		assert.Equal(t, 1, f.gw.Logins.Count(), "no further sign-on")
	})
	t.Run("without a refresh token", func(t *testing.T) {
		exchanging(t, withLoginOnly, func(t *testing.T, f *fixture, x *exchanger, _ *fakeStore) {
			f.gw.edit = func(token *ags.Token) { token.RefreshToken = ags.Secret{} }
			x.fail(errExchange)
			require.ErrorIs(t, f.wantEnded(tokensource.NoSession), errExchange)
			x.fail(nil)
			f.clock.Advance(time.Minute)
			f.want("x3")
		})
	})
}

// A SetToken or SignOut during the exchange is not undone by it.
func TestOnGrant_IsOvertaken(t *testing.T) {
	hold := func(x *exchanger) (release func()) {
		held := make(chan struct{})
		x.do = func(context.Context) error { <-held; return nil }
		return func() { close(held) }
	}
	t.Run("by SetToken", func(t *testing.T) {
		exchanging(t, nil, func(t *testing.T, f *fixture, x *exchanger, disk *fakeStore) {
			release := hold(x)
			f.refreshDue()
			f.want("a1")
			next := f.gw.signOn()
			set := make(chan error, 1)
			go func() { set <- f.src.SetToken(t.Context(), next) }()
			synctest.Wait()
			release()
			require.NoError(t, <-set)
			f.want("a3")
			assert.Equal(t, "a3 r3", disk.saves[len(disk.saves)-1])
		})
	})
	t.Run("by SignOut", func(t *testing.T) {
		exchanging(t, withSignOut, func(t *testing.T, f *fixture, x *exchanger, _ *fakeStore) {
			release := hold(x)
			f.refreshDue()
			f.want("a1")
			out := make(chan error, 1)
			go func() { out <- f.src.SignOut(t.Context()) }()
			synctest.Wait()
			release()
			require.NoError(t, <-out)
			f.wantEnded(tokensource.SignedOut)
			synctest.Wait()
			assert.ElementsMatch(t, []string{"a1", "a2", "x2"}, f.gw.signedOut())
		})
	})
	t.Run("by Close", func(t *testing.T) {
		exchanging(t, nil, func(t *testing.T, f *fixture, x *exchanger, disk *fakeStore) {
			release := hold(x)
			f.refreshDue()
			f.want("a1")
			closed := f.startClose()
			synctest.Wait()
			release()
			require.NoError(t, <-closed)
			assert.Equal(t, "x2 r2", disk.saves[len(disk.saves)-1])
		})
	})
}
