package tokensource_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/tokensource"
)

func TestInvalidate_AffectsOnlyTheCurrentToken(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.want("a1")
		r.src.Invalidate("a0")
		r.src.Invalidate("")
		r.want("a1")
		assert.Zero(t, r.gw.Refreshes.Count())
		r.src.Invalidate("a1")
		assert.Zero(t, r.gw.Refreshes.Count(), "Invalidate itself calls nobody")
		r.want("a2")
		r.src.Invalidate("a1") // a late rejection of the old one
		r.want("a2")
		assert.Equal(t, 1, r.gw.Refreshes.Count())
	})
}

func TestInvalidate_ServesTheTokenAgainAfterATransientFailure(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		r.want("a1")
		r.gw.Refreshes.Fail(errBusy)
		r.src.Invalidate("a1")
		r.want("a1")
		assert.Equal(t, 1, r.gw.Refreshes.Count())
		r.src.Invalidate("a1")
		r.want("a1")
		assert.Equal(t, 1, r.gw.Refreshes.Count(), "not while the failure is remembered")
	})
}

func TestInvalidate_EndsTheSessionWhenTheGatewayRejectsItToo(t *testing.T) {
	story(t, nil, func(_ *testing.T, r *rig) {
		r.gw.Refreshes.Fail(errUnauthorized)
		r.src.Invalidate("a1")
		r.wantEnded(tokensource.RefreshRejected)
	})
}

func TestInvalidate_AdoptsANewerRecordWithoutARefresh(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		r.want("a1")
		shelf.rotate(t, "theirs", r.clock.Now().Add(access))
		r.src.Invalidate("a1")
		r.want("theirs")
		assert.Zero(t, r.gw.Refreshes.Count())
	})
}

func TestInvalidate_ServesTheTokenAgainWhenItCannotBeReplaced(t *testing.T) {
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
			assert.Zero(t, r.gw.Refreshes.Count())
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
			assert.Zero(t, r.gw.Refreshes.Count(), "a live token is not refreshed past the lock")
		})
	})
	t.Run("because the login under way has failed", func(t *testing.T) {
		story(t, func(r *rig, c *tokensource.Config) {
			withLogin(r, c)
			r.gw.fixed = access
			c.Token = r.gw.signOn()
		}, func(t *testing.T, r *rig) {
			r.gw.Logins.Hold()
			r.gw.Logins.Fail(errSuspended)
			r.clock.Advance(access - 5*time.Minute)
			r.want("a2")
			r.src.Invalidate("a2")
			r.gw.Logins.Release()
			r.want("a2")
			assert.Equal(t, 1, r.gw.Logins.Count())
			assert.Equal(t, 1, r.gw.Refreshes.Count(), "the refresh is made behind the caller")
			r.want("a3")
		})
	})
}
