package tokensource_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

func TestTokenValidFor_TwoSourcesOnOneStore(t *testing.T) {
	scenario(t, func(f *fixture, c *tokensource.Config) {
		f.memory = &store.Memory{}
		c.Store = f.memory
	}, func(t *testing.T, f *fixture) {
		f.want("a1")
		other := *f
		other.src = f.otherProcesses(1)[0]
		f.clock.Advance(20 * time.Minute)
		f.gw.Refreshes.Hold()
		ours := f.startValid(t.Context(), 25, 50*time.Minute)
		theirs := other.startValid(t.Context(), 25, 50*time.Minute)
		f.want("a1")
		other.want("a1")
		require.Equal(t, 1, f.gw.Refreshes.Count())
		f.gw.Refreshes.Release()
		got := ours()
		wantAll(t, func() []answer { return append(got, theirs()...) }, got[0].token)
		assert.Equal(t, 1, f.gw.Refreshes.Count())
		require.NoError(t, other.src.Close())
	})
}

func TestTokenValidFor_AdoptsANewerPair(t *testing.T) {
	t.Run("instead of a refresh", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			f.clock.Advance(20 * time.Minute)
			fake.rotate(t, "theirs", f.clock.Now().Add(access))
			f.wantValid(50*time.Minute, "theirs")
			assert.Zero(t, f.gw.Refreshes.Count())
		})
	})
	t.Run("and refreshes it if it is not valid for long enough", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			f.clock.Advance(40 * time.Minute)
			fake.rotate(t, "theirs", f.clock.Now().Add(40*time.Minute))
			f.wantValid(50*time.Minute, "a2")
			assert.Equal(t, []string{"r-theirs"}, f.gw.presented())
		})
	})
	t.Run("also for the first caller of a process", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			f.restart(nil, fake)
			f.clock.Advance(20 * time.Minute)
			f.wantValid(30*time.Minute, "a1")
			require.Zero(t, f.gw.Refreshes.Count())
			f.wantValid(50*time.Minute, "a3")
			f.restart(nil, fake)
			f.wantValid(50*time.Minute, "a3")
			for range 10 { // each process finds out by itself
				f.restart(nil, fake)
				_ = wantNotValid[*tokensource.ValidityError](f, 2*access)
			}
			assert.Equal(t, 1, f.gw.Refreshes.Count())
		})
	})
}

// The lock is held by another process, which most likely refreshes.
func TestTokenValidFor_WaitsForTheLock(t *testing.T) {
	t.Run("and adopts what is stored then", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			unlock := fake.lock(t)
			f.clock.Advance(20 * time.Minute)
			collect := f.startValid(t.Context(), 5, 50*time.Minute)
			f.clock.Advance(29 * time.Second)
			f.want("a1")
			fake.rotate(t, "theirs", f.clock.Now().Add(access))
			require.NoError(t, unlock())
			wantAll(t, collect, "theirs")
			assert.Zero(t, f.gw.Refreshes.Count())
		})
	})
	t.Run("for LockTimeout at most", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			unlock := fake.lock(t)
			f.clock.Advance(20 * time.Minute)
			collect := f.startValid(t.Context(), 5, 50*time.Minute)
			f.clock.Advance(30 * time.Second)
			for _, a := range collect() {
				var later *tokensource.UnavailableError
				require.ErrorAs(t, a.err, &later)
			}
			f.want("a1")
			assert.Zero(t, f.gw.Refreshes.Count(), "no refresh without the lock while a token is live")
			require.NoError(t, unlock())
		})
	})
	t.Run("until its deadline, if there is no lock", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			fake.failLocks(errNoLock)
			f.clock.Advance(20 * time.Minute)
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			collect := f.startValid(ctx, 5, 50*time.Minute)
			f.want("a1")
			require.Zero(t, f.gw.Refreshes.Count())
			fake.failLocks(nil)
			f.clock.Advance(time.Second)
			wantAll(t, collect, "a2")
			assert.Equal(t, 1, f.gw.Refreshes.Count())
		})
	})
}

func TestTokenValidFor_AStoreThatIsUnavailable(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		fake.setUnavailable(errUnreachable)
		f.clock.Advance(20 * time.Minute)
		for range 20 {
			later := wantNotValid[*tokensource.UnavailableError](f, 50*time.Minute)
			require.ErrorIs(t, later, errUnreachable)
			f.wantValid(30*time.Minute, "a1")
			f.clock.Advance(10 * time.Second)
		}
		assert.Zero(t, f.gw.Refreshes.Count(), "what is granted could not be saved")
		fake.setUnavailable(nil)
		f.clock.Advance(time.Minute)
		f.wantValid(50*time.Minute, "a2")
		assert.Equal(t, 1, f.gw.Refreshes.Count())
	})
}

func TestTokenValidFor_BeforeTheFirstLoad(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		fake.setUnavailable(errUnreachable)
		f.clock.Advance(20 * time.Minute)
		f.wantValid(30*time.Minute, "a1")
		_ = wantNotValid[*tokensource.UnavailableError](f, 50*time.Minute)
		assert.Zero(t, f.gw.Refreshes.Count(), "what is stored may be newer")
	})
}

func TestTokenValidFor_AfterTheEnd(t *testing.T) {
	// reject ends the session in a refresh for a caller.
	reject := func(f *fixture) {
		f.clock.Advance(20 * time.Minute)
		f.gw.Refreshes.FailAlways(errUnauthorized)
	}
	t.Run("without a Login", func(t *testing.T) {
		scenario(t, nil, func(t *testing.T, f *fixture) {
			reject(f)
			for range 10 {
				ended := wantNotValid[*tokensource.LoginRequiredError](f, 50*time.Minute)
				require.Equal(t, tokensource.RefreshRejected, ended.Reason)
				f.want("a1") // it is live
				f.wantValid(30*time.Minute, "a1")
			}
			assert.Equal(t, 1, f.gw.Refreshes.Count())
			require.NoError(t, f.setToken()(t.Context()))
			f.wantValid(50*time.Minute, "a2")
		})
	})
	t.Run("with a Login", func(t *testing.T) {
		scenario(t, withLogin, func(t *testing.T, f *fixture) {
			reject(f)
			f.gw.Logins.Hold()
			collect := f.startValid(t.Context(), 50, 50*time.Minute)
			f.want("a1")
			f.gw.Logins.Release()
			wantAll(t, collect, "a2")
			assert.Equal(t, 1, f.gw.Refreshes.Count())
			assert.Equal(t, 1, f.gw.Logins.Count())
		})
	})
	t.Run("with a Login that fails", func(t *testing.T) {
		scenario(t, withLogin, func(t *testing.T, f *fixture) {
			reject(f)
			f.gw.Logins.FailAlways(errSuspended)
			for range 10 {
				ended := wantNotValid[*tokensource.LoginRequiredError](f, 50*time.Minute)
				require.ErrorIs(t, ended, errSuspended)
				f.want("a1")
			}
			assert.Equal(t, 1, f.gw.Logins.Count())
		})
	})
	t.Run("with a Login whose token is shorter", func(t *testing.T) {
		scenario(t, withLogin, func(t *testing.T, f *fixture) {
			reject(f)
			f.gw.edit = func(t *ags.Token) { t.ExpiresAt = t.IssuedAt.Add(30 * time.Minute) }
			for range 10 {
				_ = wantNotValid[*tokensource.ValidityError](f, 50*time.Minute)
			}
			f.wantValid(20*time.Minute, "a2")
			assert.Equal(t, 1, f.gw.Logins.Count())
			assert.Equal(t, 1, f.gw.Refreshes.Count())
		})
	})
	t.Run("by time", func(t *testing.T) {
		scenario(t, withLogin, func(t *testing.T, f *fixture) {
			f.clock.Advance(fixed)
			f.wantValid(50*time.Minute, "a2")
			assert.Equal(t, 1, f.gw.Logins.Count())
			require.NoError(t, f.src.SignOut(t.Context()))
			assert.Equal(t, tokensource.SignedOut, wantNotValid[*tokensource.LoginRequiredError](f, time.Minute).Reason)
		})
	})
}

func TestTokenValidFor_RevivedByAnotherProcess(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		f.clock.Advance(20 * time.Minute)
		f.gw.Refreshes.Fail(errUnauthorized)
		_ = wantNotValid[*tokensource.LoginRequiredError](f, 50*time.Minute)
		f.clock.Advance(time.Second)
		fake.replace(f.otherSession(9))
		f.wantValid(50*time.Minute, "theirs")
		assert.Equal(t, 1, f.gw.Refreshes.Count())
	})
}

func TestTokenValidFor_ClocksThatJump(t *testing.T) {
	for name, tt := range map[string]struct {
		jump time.Duration // of the wall clock
		want string
	}{
		"a laptop has slept":            {30 * time.Minute, "a2"},
		"the wall clock was set back":   {-30 * time.Minute, "a1"},
		"it has slept for weeks":        {20 * 24 * time.Hour, "a2"},
		"the clock was set back by far": {-100 * 24 * time.Hour, "a1"},
	} {
		t.Run(name, func(t *testing.T) {
			scenario(t, nil, func(t *testing.T, f *fixture) {
				f.want("a1")
				f.clock.Suspend(tt.jump)
				f.wantValid(50*time.Minute, tt.want)
				f.clock.Suspend(-tt.jump)
				f.clock.Advance(20 * time.Minute) // on both clocks
				count := f.gw.Refreshes.Count()
				f.wantValid(50*time.Minute, map[string]string{"a1": "a2", "a2": "a3"}[tt.want])
				assert.Equal(t, count+1, f.gw.Refreshes.Count())
				longest := wantNotValid[*tokensource.ValidityError](f, 2*access).Longest
				assert.Equal(t, access-11*time.Second, longest, "of any token")
			})
		})
	}
}
