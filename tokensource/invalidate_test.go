package tokensource_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/tokensource"
)

func TestInvalidate_AffectsOnlyTheCurrentToken(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		f.want("a1")
		f.src.Invalidate("a0")
		f.src.Invalidate("")
		f.want("a1")
		assert.Zero(t, f.gw.Refreshes.Count())
		f.src.Invalidate("a1")
		assert.Zero(t, f.gw.Refreshes.Count(), "Invalidate itself makes no call")
		f.want("a2")
		f.src.Invalidate("a1") // a late rejection of the old one
		f.want("a2")
		assert.Equal(t, 1, f.gw.Refreshes.Count())
	})
}

func TestInvalidate_ServesTheTokenAgainAfterATransientFailure(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		f.want("a1")
		f.gw.Refreshes.Fail(errBusy)
		f.src.Invalidate("a1")
		f.want("a1")
		assert.Equal(t, 1, f.gw.Refreshes.Count())
		f.src.Invalidate("a1")
		f.want("a1")
		assert.Equal(t, 1, f.gw.Refreshes.Count(), "not while the failure is remembered")
	})
}

func TestInvalidate_EndsTheSessionWhenTheGatewayRejectsItToo(t *testing.T) {
	scenario(t, nil, func(_ *testing.T, f *fixture) {
		f.gw.Refreshes.Fail(errUnauthorized)
		f.src.Invalidate("a1")
		f.wantEnded(tokensource.RefreshRejected)
	})
}

func TestInvalidate_AdoptsANewerRecordWithoutARefresh(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		fake.rotate(t, "theirs", f.clock.Now().Add(access))
		f.src.Invalidate("a1")
		f.want("theirs")
		assert.Zero(t, f.gw.Refreshes.Count())
	})
}

func TestInvalidate_ServesTheTokenAgainWhenItCannotBeReplaced(t *testing.T) {
	t.Run("because the store was never read", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			fake.setUnavailable(errUnreachable)
			fake.lockErr = errUnreachable
			f.want("a1")
			f.clock.Advance(time.Minute)
			f.src.Invalidate("a1")
			for range 50 {
				f.want("a1")
				f.clock.Advance(time.Minute)
			}
			assert.Zero(t, f.gw.Refreshes.Count())
		})
	})
	t.Run("because another process keeps the lock", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			unlock := fake.lock(t)
			f.src.Invalidate("a1")
			collect := f.startCallers(t.Context(), 1)
			f.clock.Advance(30 * time.Second)
			assert.Equal(t, answer{token: "a1"}, collect()[0], "after LockTimeout")
			require.NoError(t, unlock())
			assert.Zero(t, f.gw.Refreshes.Count(), "a live token is not refreshed without the lock")
		})
	})
	t.Run("because the login in flight has failed", func(t *testing.T) {
		scenario(t, func(f *fixture, c *tokensource.Config) {
			withLogin(f, c)
			f.gw.fixed = access
			c.Token = f.gw.signOn()
		}, func(t *testing.T, f *fixture) {
			f.gw.Logins.Hold()
			f.gw.Logins.Fail(errSuspended)
			f.clock.Advance(access - 5*time.Minute)
			f.want("a2")
			f.src.Invalidate("a2")
			f.gw.Logins.Release()
			f.want("a2")
			assert.Equal(t, 1, f.gw.Logins.Count())
			assert.Equal(t, 1, f.gw.Refreshes.Count(), "the refresh is made in the background")
			f.want("a3")
		})
	})
}
