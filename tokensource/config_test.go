package tokensource_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/tokensource"
)

func TestNew_RejectsAnInvalidConfig(t *testing.T) {
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
	require.NoError(t, err, "only a Refresher is required")
	require.NoError(t, src.Close())
}

func TestConfigToken_AgainstTheStoredRecord(t *testing.T) {
	for _, tt := range []struct {
		name string
		give func(*ags.Token)
		want string
	}{
		{"issued later", func(t *ags.Token) { t.IssuedAt = t.IssuedAt.Add(time.Second) }, "given"},
		{"issued at the same time", func(*ags.Token) {}, "a1"},
		{"issued earlier", func(t *ags.Token) { t.IssuedAt = t.IssuedAt.Add(-time.Second) }, "a1"},
		{"issued at an unknown time", func(t *ags.Token) { t.IssuedAt = time.Time{} }, "a1"},
		{"of another client", func(t *ags.Token) { t.IssuedAt = time.Time{}; t.ClientID = "PUB_1" }, "given"},
		{"of another account", func(t *ags.Token) { t.IssuedAt = time.Time{}; t.AccountID = "1" }, "given"},
		{"without client and account", func(t *ags.Token) { t.ClientID, t.AccountID = "", "" }, "a1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
				f.want("a1")
				given := f.gw.grant()
				given.AccessToken, given.IssuedAt = ags.NewSecret("given"), start
				tt.give(given)
				f.clock.Advance(time.Minute)
				f.restart(func(_ *fixture, c *tokensource.Config) { c.Token = given }, fake)
				f.want(tt.want)
				assert.Contains(t, fake.pair(), tt.want)
				wantGeneration := 1.0
				if tt.want == "given" {
					wantGeneration = 2
				}
				assert.InDelta(t, wantGeneration, fake.field("generation"), 0)
			})
		})
	}
}

func TestConfigToken_AgainstARecordThatIsStoredMeanwhile(t *testing.T) {
	theirs := fmt.Sprintf(`{"version":1,"generation":2,"access_token":"theirs","refresh_token":"r-theirs",`+
		`"client_id":"PUB_989","account_id":"1663","issued_at":%q,"expires_at":%q}`,
		start.Add(time.Second).Format(time.RFC3339), start.Add(access).Format(time.RFC3339))
	t.Run("another process has refreshed the same token", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			unlock := fake.lock(t)
			collect := f.startCallers(t.Context(), 1) // finds an empty store and waits for the lock
			fake.replace(theirs)
			f.clock.Advance(time.Second) // ends the wait for the lock
			assert.Equal(t, answer{token: "a1"}, collect()[0])
			f.clock.Advance(time.Minute)
			assert.Equal(t, "theirs r-theirs", fake.pair(), "a spent pair does not overwrite a valid one")
			require.NoError(t, unlock())
			f.clock.Advance(time.Minute)
			require.NoError(t, f.src.Sync(t.Context()))
			f.want("theirs")
			assert.Zero(t, f.gw.Refreshes.Count())
		})
	})
	t.Run("another process saves without the lock", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			fake.saving.hold()
			collect := f.startCallers(t.Context(), 1) // has found an empty store and is saving its own pair
			fake.replace(theirs)
			fake.saving.release()
			assert.Equal(t, answer{token: "theirs"}, collect()[0])
			assert.Equal(t, "theirs r-theirs", fake.pair())
			assert.Zero(t, f.gw.Refreshes.Count())
		})
	})
	t.Run("the record is of another account, and the store was unavailable during the refresh", func(t *testing.T) {
		scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
			f.want("a1")
			given := f.gw.signOn()
			given.AccountID, given.ClientID = "1664", "PUB_990"
			f.gw.edit = func(t *ags.Token) { t.AccountID, t.ClientID = "", "" }
			f.restart(func(_ *fixture, c *tokensource.Config) { c.Token = given }, fake)
			f.clock.Advance(access)
			fake.setUnavailable(errUnreachable)
			fake.lockErr = errUnreachable
			for range 60 {
				_, _ = f.ask()
				f.clock.Advance(time.Second)
			}
			f.want("a4")
			fake.setUnavailable(nil)
			fake.lockErr = nil
			f.clock.Advance(2 * time.Minute)
			f.want("a4")
			assert.Equal(t, "a4 r4", fake.pair())
			assert.Equal(t, "1664", f.src.Status().AccountID)
			assert.Equal(t, []string{"r2"}, f.gw.presented(), "the session of the other account is not refreshed")
		})
	})
}

func TestConfigToken_OverwritesNothingOnceItHasEnded(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		fake.failReads(errUnreachable)
		f.want("a1")
		f.clock.Advance(sliding)
		fake.failReads(nil)
		fake.replace(f.otherSession(1)) // another process has logged in
		_, _ = f.ask()
		f.want("theirs")
		assert.Equal(t, "theirs r-theirs", fake.pair())
		assert.Zero(t, f.gw.Refreshes.Count())
	})
}
