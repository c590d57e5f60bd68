package tokensource_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

func TestConfigToken_AgainstTheStoredRecord(t *testing.T) {
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

func TestConfigToken_AgainstARecordThatIsStoredMeanwhile(t *testing.T) {
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
			assert.Zero(t, r.gw.Refreshes.Count())
		})
	})
	t.Run("somebody who does not lock", func(t *testing.T) {
		onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
			shelf.saving.close()
			collect := r.callers(t.Context(), 1) // has found nothing stored, and is about to store its own
			shelf.put(theirs)
			shelf.saving.open()
			assert.Equal(t, answer{token: "theirs"}, collect()[0])
			assert.Equal(t, "theirs r-theirs", shelf.pair())
			assert.Zero(t, r.gw.Refreshes.Count())
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

func TestConfigToken_OverwritesNothingOnceItHasEnded(t *testing.T) {
	onShelf(t, nil, func(t *testing.T, r *rig, shelf *lockedShelf) {
		shelf.cut(errAway)
		r.want("a1")
		r.clock.Advance(sliding)
		shelf.cut(nil)
		shelf.put(r.theirs(1)) // somebody else has signed on
		_, _ = r.ask()
		r.want("theirs")
		assert.Equal(t, "theirs r-theirs", shelf.pair())
		assert.Zero(t, r.gw.Refreshes.Count())
	})
}
