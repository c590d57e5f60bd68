package tokensource_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// pollUntil polls the Source of a scenario when it asks for it, and once more when what was
// started then has ended, until some instant.
func (f *fixture) pollUntil(end time.Time, keep tokensource.KeepAlive) (polls int) {
	f.t.Helper()
	for f.clock.Now().Before(end) {
		f.src.Poll(f.t.Context(), keep)
		synctest.Wait()
		next := f.src.Poll(f.t.Context(), keep)
		require.GreaterOrEqual(f.t, next, time.Duration(0))
		f.clock.Advance(min(max(next, time.Millisecond), end.Sub(f.clock.Now())))
		polls++
	}
	return polls
}

func TestPoll_KeepsTheTokenFresh(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		polls := f.pollUntil(start.Add(5*24*time.Hour), tokensource.KeepToken)
		assert.InDelta(t, 5*24*60/55, f.gw.Refreshes.Count(), 1)
		assert.LessOrEqual(t, polls, 4*f.gw.Refreshes.Count(), "and only when something is due")
		assert.Equal(t, tokensource.Fresh, f.src.Status().Phase)
	})
}

func TestPoll_KeepsTheSessionAndLetsTheTokenExpire(t *testing.T) {
	scenario(t, withMedianRand, func(t *testing.T, f *fixture) {
		polls := f.pollUntil(start.Add(20*24*time.Hour), tokensource.KeepSession)
		every := sliding - sliding/10*11/10
		assert.Equal(t, int(20*24*time.Hour/every), f.gw.Refreshes.Count())
		assert.LessOrEqual(t, polls, 6*f.gw.Refreshes.Count())
		assert.Equal(t, tokensource.Expired, f.src.Status().Phase)
		f.wantAny()
		assert.Equal(t, tokensource.Fresh, f.src.Status().Phase, "a caller's call refreshes")
	})
}

func TestPoll_KeepSession_NeedsNoRefreshIfTheRefreshTokenLastsAsLongAsTheSession(t *testing.T) {
	scenario(t, func(f *fixture, c *tokensource.Config) {
		f.gw.sliding = fixed
		c.Token = f.gw.grant()
	}, func(t *testing.T, f *fixture) {
		f.pollUntil(start.Add(fixed-time.Minute), tokensource.KeepSession)
		assert.Zero(t, f.gw.Refreshes.Count())
	})
}

func TestPoll_KeepSession_OfUnknownLifeIsRefreshedAsIfItWereInUse(t *testing.T) {
	scenario(t, func(f *fixture, c *tokensource.Config) {
		f.gw.sliding = 0
		c.Token = f.gw.grant()
	}, func(t *testing.T, f *fixture) {
		f.pollUntil(start.Add(10*time.Hour), tokensource.KeepSession)
		assert.InDelta(t, 10, f.gw.Refreshes.Count(), 1)
	})
}

func TestPoll_SignsOnOnlyToKeepTheToken(t *testing.T) {
	for keep, logins := range map[tokensource.KeepAlive]int{
		tokensource.KeepToken: 1, tokensource.KeepSession: 0, tokensource.KeepNothing: 0, tokensource.RenewToken: 1,
	} {
		scenario(t, withLogin, func(t *testing.T, f *fixture) {
			f.gw.Refreshes.FailAlways(errUnauthorized)
			f.pollUntil(start.Add(49*time.Hour), keep)
			f.gw.Refreshes.FailAlways(nil)
			if logins == 0 {
				assert.Zero(t, f.gw.Logins.Count(), keep)
			} else {
				assert.Positive(t, f.gw.Logins.Count(), keep)
			}
			f.wantAny()
		})
	}
}

func TestPoll_KeepNothing_SavesWhatIsUnsaved(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		fake.failSaves(errBusy)
		require.Error(t, f.src.SetToken(t.Context(), f.gw.signOn()))
		fake.failSaves(nil)
		require.True(t, f.src.Status().Unsaved)
		f.pollUntil(start.Add(time.Minute), tokensource.KeepNothing)
		assert.False(t, f.src.Status().Unsaved)
		f.pollUntil(start.Add(3*time.Hour), tokensource.KeepNothing)
		assert.Zero(t, f.gw.Refreshes.Count())
	})
}

func TestPoll_RenewsWhatIsNotDue(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		f.clock.Advance(20 * time.Minute)
		f.src.Poll(t.Context(), tokensource.RenewToken)
		synctest.Wait()
		assert.Equal(t, 1, f.gw.Refreshes.Count())
		f.want("a2")
		f.src.Poll(t.Context(), tokensource.RenewToken)
		synctest.Wait()
		assert.Equal(t, 1, f.gw.Refreshes.Count(), "a token that has just come is not replaced")
	})
}

func TestPoll_RenewsWithIdleCapacityOnly(t *testing.T) {
	gateScenario(t, nil, func(t *testing.T, f *fixture, gate *tokensource.Gate, other *tokensource.Source) {
		f.clock.Advance(55 * time.Minute)
		early := f.source(func(_ *fixture, c *tokensource.Config) { c.Gate = gate })
		defer closeSource(t, early)
		f.clock.Advance(time.Minute)
		f.gw.Refreshes.Hold()
		f.src.Poll(t.Context(), tokensource.KeepToken) // takes the only place
		early.Poll(t.Context(), tokensource.RenewToken)
		other.Poll(t.Context(), tokensource.KeepToken)
		assert.Equal(t, 2, gate.Status().Queued)
		assert.Equal(t, tokensource.Ageing, early.Status().Phase)
		require.NoError(t, <-asks(t, early), "its token is served")
		f.gw.Refreshes.Release()
		synctest.Wait()
		f.clock.Advance(time.Second)
		synctest.Wait()
		assert.True(t, early.Status().Queued, "what is due goes first")
		assert.False(t, other.Status().Queued)
		f.clock.Advance(time.Second)
		synctest.Wait()
		assert.False(t, early.Status().Queued)
		assert.Equal(t, 3, f.gw.Refreshes.Count())
	})
}

func TestPoll_AfterClose(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		require.NoError(t, f.src.Close())
		f.clock.Advance(access)
		assert.Positive(t, f.src.Poll(t.Context(), tokensource.KeepToken))
		synctest.Wait()
		assert.Zero(t, f.gw.Refreshes.Count())
	})
}

// observer counts what it is told.
type observer struct{ changes, events atomic.Int64 }

func (o *observer) Changed()                { o.changes.Add(1) }
func (o *observer) Event(tokensource.Event) { o.events.Add(1) }

func TestFamily_TellsWhatHasChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		family, err := tokensource.NewFamily(tokensource.Config{Refresher: withoutSignOut{f.gw}, Clock: f.clock, OnEvent: f.events.add})
		require.NoError(t, err)
		seen := &observer{}
		f.src, err = family.New(tokensource.Member{Token: f.gw.grant(), Store: &store.Memory{}, Login: f.gw.login, Observer: seen})
		require.NoError(t, err)
		f.want("a1")
		changes := seen.changes.Load()
		assert.Positive(t, changes)
		f.src.Poll(t.Context(), tokensource.KeepToken)
		assert.Equal(t, changes, seen.changes.Load(), "a Poll that comes to nothing is no change")

		f.clock.Advance(access)
		f.wantAny()
		assert.Greater(t, seen.changes.Load(), changes)
		assert.Equal(t, int64(1), seen.events.Load())
		assert.Equal(t, 1, f.events.count(tokensource.EventRefreshed))

		f.gw.Refreshes.FailAlways(errUnauthorized)
		f.clock.Advance(access)
		f.wantAny()
		assert.Equal(t, 1, f.gw.Logins.Count(), "with the Login of the member")
		require.NoError(t, f.src.Close())
	})
}

func TestNewFamily_BadConfig(t *testing.T) {
	for name, cfg := range map[string]tokensource.Config{
		"no Refresher": {},
		"a Store":      {Refresher: withoutSignOut{}, Store: &store.Memory{}},
		"a Token":      {Refresher: withoutSignOut{}, Token: &ags.Token{AccessToken: ags.NewSecret("a")}},
	} {
		_, err := tokensource.NewFamily(cfg)
		require.Error(t, err, name)
	}
	family, err := tokensource.NewFamily(tokensource.Config{Refresher: withoutSignOut{}})
	require.NoError(t, err)
	_, err = family.New(tokensource.Member{Token: &ags.Token{}})
	require.ErrorContains(t, err, "no access token")
}

// loaded returns a Store that has loaded a record, and the record.
func loaded(t *testing.T, memory *store.Memory) (*store.Memory, []byte) {
	t.Helper()
	peer := memory.Peer()
	record, err := peer.Load(t.Context())
	require.NoError(t, err)
	return peer, record
}

func TestFamily_BeginsWithARecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		memory := &store.Memory{}
		first := f.source(func(_ *fixture, c *tokensource.Config) { c.Store = memory })
		_, err := first.Token()
		require.NoError(t, err)
		synctest.Wait()
		family, err := tokensource.NewFamily(tokensource.Config{Refresher: withoutSignOut{f.gw}, Clock: f.clock, OnEvent: f.events.add})
		require.NoError(t, err)
		told := len(f.events.all())

		peer, record := loaded(t, memory)
		f.src, err = family.New(tokensource.Member{Store: peer, Record: record})
		require.NoError(t, err)
		assert.Equal(t, tokensource.Fresh, f.src.Status().Phase, "without a call of the store")
		f.want("a1")
		assert.Len(t, f.events.all(), told)
		f.clock.Advance(access)
		f.want("a2")
		assert.Equal(t, first.Status().Generation+1, f.src.Status().Generation, "its Save replaces the record")
		require.NoError(t, first.Sync(t.Context()))
		require.NoError(t, f.src.Close())

		require.NoError(t, first.SignOut(t.Context()))
		peer, record = loaded(t, memory)
		f.src, err = family.New(tokensource.Member{Store: peer, Record: record, Login: f.gw.login})
		require.NoError(t, err)
		f.wantEnded(tokensource.SignedOut)
		require.NoError(t, f.src.Close())
		closeSource(t, first)
	})
}

func TestFamily_LoadsWhatItCannotBeginWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		memory := &store.Memory{}
		first := f.source(func(_ *fixture, c *tokensource.Config) { c.Store = memory })
		_, err := first.Token()
		require.NoError(t, err)
		closeSource(t, first)
		family, err := tokensource.NewFamily(tokensource.Config{Refresher: withoutSignOut{f.gw}, Clock: f.clock})
		require.NoError(t, err)
		for name, m := range map[string]tokensource.Member{
			"damaged": {Record: []byte("{")},
			"empty":   {Record: []byte{}},
			"newer":   {Record: []byte(`{"version":99}`)},
			"a Token": {Record: []byte(`{"version":1}`), Token: f.gw.signOn()},
		} {
			m.Store = memory.Peer()
			f.src, err = family.New(m)
			require.NoError(t, err, name)
			assert.Equal(t, tokensource.Unknown, f.src.Status().Phase, name)
			f.wantAny()
			require.NoError(t, f.src.Close(), name)
		}
	})
}
