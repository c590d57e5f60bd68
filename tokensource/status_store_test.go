package tokensource_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// observe returns what another process finds that only looks: New, Sync and Status. It
// asserts that the gateway is not called, and that the record stays as it is.
func (f *fixture) observe(t *testing.T, fake *lockingStore) (tokensource.Status, error) {
	t.Helper()
	refreshes, signOuts, record := f.gw.Refreshes.Count(), f.gw.SignOuts.Count(), string(fake.record)
	observer := f.source(func(f *fixture, c *tokensource.Config) {
		c.Token, c.Store, c.Refresher, c.Login = nil, fake, f.gw, f.gw.login
	})
	err := observer.Sync(t.Context())
	st := observer.Status()
	synctest.Wait()
	require.NoError(t, observer.Close())
	assert.Equal(t, refreshes, f.gw.Refreshes.Count(), "a refresh")
	assert.Equal(t, signOuts, f.gw.SignOuts.Count(), "a sign-out")
	assert.Zero(t, f.gw.Logins.Count(), "a login")
	assert.Equal(t, record, string(fake.record), "the record was changed")
	return st, err
}

func TestStatus_OfAProcessThatOnlyLooks(t *testing.T) {
	const (
		unknown, fresh, ageing = tokensource.Unknown, tokensource.Fresh, tokensource.Ageing
		expired, ended         = tokensource.Expired, tokensource.Ended
	)
	after := func(d time.Duration) func(*testing.T, *fixture, *lockingStore) {
		return func(_ *testing.T, f *fixture, _ *lockingStore) { f.clock.Advance(d) }
	}
	stores := func(record string) func(*testing.T, *fixture, *lockingStore) {
		return func(_ *testing.T, _ *fixture, fake *lockingStore) { fake.replace(record) }
	}
	for name, tt := range map[string]struct {
		given   func(*testing.T, *fixture, *lockingStore)
		phase   tokensource.Phase
		reason  tokensource.Reason
		syncErr string
	}{
		"a fresh session":              {after(0), fresh, 0, ""},
		"one that is due":              {after(56 * time.Minute), ageing, 0, ""},
		"an expired access token":      {after(access), expired, 0, ""},
		"an expired refresh token":     {after(sliding + time.Hour), ended, tokensource.RefreshExpired, ""},
		"a session at its fixed end":   {after(fixed), ended, tokensource.FixedExpired, ""},
		"nothing stored":               {stores(""), ended, tokensource.NoSession, ""},
		"a damaged record":             {stores(`{"version":1,"gener`), unknown, 0, "damaged"},
		"a record of a newer version":  {stores(`{"version":99}`), unknown, 0, "newer version"},
		"a sealed record":              {stores("agsauth-sealed\x01"), unknown, 0, "sealed"},
		"a store that is away":         {func(_ *testing.T, _ *fixture, s *lockingStore) { s.setUnavailable(errUnreachable) }, unknown, 0, "refused"},
		"a session that is signed out": {func(t *testing.T, f *fixture, _ *lockingStore) { require.NoError(t, f.src.SignOut(t.Context())) }, ended, tokensource.SignedOut, ""},
	} {
		t.Run(name, func(t *testing.T) {
			scenarioWithStore(t, withSignOut, func(t *testing.T, f *fixture, fake *lockingStore) {
				f.want("a1")
				tt.given(t, f, fake)
				st, err := f.observe(t, fake)
				assert.Equal(t, tt.phase, st.Phase)
				assert.Equal(t, tt.reason, st.Reason)
				assert.Equal(t, []any{false, false, false, time.Time{}, time.Time{}}, []any{st.Busy, st.Unsaved, st.SignOutPending, st.AttemptAt, st.RejectedAt})
				assert.Equal(t, tt.phase != unknown && tt.reason != tokensource.NoSession, st.ClientID != "", "the device is told")
				if tt.syncErr == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, tt.syncErr)
				}
			})
		})
	}
}

// A rejection is not the end for a process that has not seen it. But it is told.
func TestStatus_TellsOfARejection(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		f.clock.Advance(access)
		f.gw.Refreshes.FailAlways(errUnauthorized)
		ended := f.wantEnded(tokensource.RefreshRejected)
		assert.False(t, ended.OutcomeUnknown)
		st, err := f.observe(t, fake)
		require.NoError(t, err)
		assert.Equal(t, tokensource.Expired, st.Phase)
		assert.Equal(t, start.Add(access), st.RejectedAt)
		assert.Zero(t, st.AttemptAt)
		assert.Equal(t, start.Add(access), f.src.Status().RejectedAt)

		require.NoError(t, f.setToken()(t.Context()))
		assert.Zero(t, f.src.Status().RejectedAt, "that was another pair")
		st, err = f.observe(t, fake)
		require.NoError(t, err)
		assert.Zero(t, st.RejectedAt)
		assert.Equal(t, tokensource.Fresh, st.Phase)
	})
}

// A process is killed during its refresh. What the gateway has done is not known.
func TestStatus_TellsOfAnUnfinishedAttempt(t *testing.T) {
	for name, tt := range map[string]struct {
		after time.Duration
		phase tokensource.Phase
	}{"with a live token": {56 * time.Minute, tokensource.Ageing}, "with a dead one": {access, tokensource.Expired}} {
		t.Run(name, func(t *testing.T) {
			scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
				f.want("a1")
				f.gw.Refreshes.Hold()
				f.clock.Advance(tt.after)
				collect := f.startCallers(t.Context(), 1)
				st, err := f.observe(t, fake) // the store as the kill leaves it
				require.NoError(t, err)
				assert.Equal(t, tt.phase, st.Phase)
				assert.Equal(t, start.Add(tt.after), st.AttemptAt)
				assert.Zero(t, st.RejectedAt)
				assert.Zero(t, f.src.Status().AttemptAt, "its own attempt")
				f.gw.Refreshes.Release()
				collect()
				synctest.Wait()
				st, err = f.observe(t, fake)
				require.NoError(t, err)
				assert.Zero(t, st.AttemptAt)
				assert.Equal(t, tokensource.Fresh, st.Phase)
			})
		})
	}
}

// The marks that are told are those of the current pair, and of other processes.
func TestStatus_TellsNoMarkOfAnotherPairOrItsOwn(t *testing.T) {
	scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		mark := func(record map[string]any) { record["attempt_at"] = start }
		fake.edit(t, mark)
		require.NoError(t, f.src.Sync(t.Context()))
		assert.Equal(t, start, f.src.Status().AttemptAt)
		f.gw.Refreshes.Fail(errBusy)
		f.clock.Advance(access)
		f.wantUnavailable()
		assert.Zero(t, f.src.Status().AttemptAt, "its own has taken the place of the other")
		f.clock.Advance(time.Second)
		f.want("a2")
		fake.edit(t, func(record map[string]any) { record["generation"] = 1; mark(record) }) // a backup is restored
		require.NoError(t, f.src.Sync(t.Context()))
		assert.Zero(t, f.src.Status().AttemptAt, "the record is of another pair")
		assert.Equal(t, 2, f.gw.Refreshes.Count())
	})
}

// The next process says that the outcome is unknown when the gateway rejects the token,
// however the killed one got that far.
func TestStatus_AfterAKillTheNextProcessReportsAnUnknownOutcome(t *testing.T) {
	for name, ask := range map[string]func(*fixture) *tokensource.LoginRequiredError{
		"TokenContext": func(f *fixture) *tokensource.LoginRequiredError { return f.wantEnded(tokensource.RefreshRejected) },
		"TokenValidFor": func(f *fixture) *tokensource.LoginRequiredError {
			return wantNotValid[*tokensource.LoginRequiredError](f, time.Minute)
		},
	} {
		t.Run(name, func(t *testing.T) {
			scenarioWithStore(t, nil, func(t *testing.T, f *fixture, fake *lockingStore) {
				f.want("a1")
				f.gw.Refreshes.Hold()
				f.clock.Advance(access)
				collect := f.startCallers(t.Context(), 1)
				killed := newLockingStore() // the store as the kill leaves it, without the lock
				killed.t, killed.record = t, append([]byte(nil), fake.record...)
				f.gw.Refreshes.Release()
				collect()
				f.gw.Refreshes.FailAlways(errUnauthorized)
				for range 3 { // each process that comes after the kill
					f.restart(nil, killed)
					assert.True(t, ask(f).OutcomeUnknown)
					st, err := f.observe(t, killed)
					require.NoError(t, err)
					assert.Equal(t, f.clock.Now(), st.AttemptAt, "the answer does not say what became of the first attempt")
				}
			})
		})
	}
}

func TestStatus_TellsOfASignOutThatTheGatewayDoesNotKnow(t *testing.T) {
	scenarioWithStore(t, withSignOut, func(t *testing.T, f *fixture, fake *lockingStore) {
		f.want("a1")
		f.gw.SignOuts.FailAlways(errBusy)
		require.ErrorIs(t, f.src.SignOut(t.Context()), errBusy)
		st, err := f.observe(t, fake)
		require.NoError(t, err)
		assert.True(t, st.SignOutPending)
		assert.Equal(t, tokensource.SignedOut, st.Reason)
		assert.Equal(t, "PUB_989", st.ClientID)
		assert.Zero(t, st.ExpiresAt)
		f.gw.SignOuts.FailAlways(nil)
		f.clock.Advance(time.Minute)
		f.wantEnded(tokensource.SignedOut)
		assert.False(t, f.src.Status().SignOutPending)
		st, err = f.observe(t, fake)
		require.NoError(t, err)
		assert.False(t, st.SignOutPending)
	})
}

// A file that cannot be anybody's record is set aside also by a process that only looks,
// which says so.
func TestStatus_OfADamagedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "session")
	require.NoError(t, os.WriteFile(path, []byte(`{"version":1,"gener`), 0o600))
	f := newFixture(t)
	f.src = f.source(func(_ *fixture, c *tokensource.Config) { c.Token, c.Store = nil, &store.File{Path: path} })
	require.NoError(t, f.src.Sync(t.Context()))
	assert.Equal(t, tokensource.NoSession, f.src.Status().Reason)
	require.Equal(t, []string{"store failed"}, f.events.kinds()[:1])
	assert.ErrorContains(t, f.events.all()[0].Err, "set aside")
	aside, err := filepath.Glob(path + "*damaged*")
	require.NoError(t, err)
	assert.Len(t, aside, 1)
	require.NoError(t, f.src.Close())
	assert.Zero(t, f.gw.Refreshes.Count())
}
