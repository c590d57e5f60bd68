package tokensource

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource/internal/lifecycle"
)

var base = time.Date(2022, 6, 10, 15, 4, 53, 0, time.UTC)

// pairOf returns a pair that is issued now and lives for an hour.
func pairOf(access string, now time.Time) *ags.Token {
	return &ags.Token{AccessToken: ags.NewSecret(access), RefreshToken: ags.NewSecret("r"), IssuedAt: now, ExpiresAt: now.Add(time.Hour)}
}

// granter is a Refresher that takes this long to grant a pair.
type granter time.Duration

func (g granter) Refresh(context.Context, *ags.Token) (*ags.Token, error) {
	time.Sleep(time.Duration(g))
	return pairOf("b", time.Now()), nil
}

// A program may hold very many sources, most of them at rest.
func TestSource_AtRestIsSmall(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the sizes are those of 64 bits")
	}
	assert.LessOrEqual(t, unsafe.Sizeof(Source{}), uintptr(160))
	assert.LessOrEqual(t, unsafe.Sizeof(lifecycle.Pair{}), uintptr(160))
	assert.LessOrEqual(t, unsafe.Sizeof(snapshot{}), uintptr(32))
}

func TestSource_AtRestKeepsNothingOfWhatWasUnderWay(t *testing.T) {
	for name, kept := range map[string]Store{"in memory": nil, "stored": &store.Memory{}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				announced := 0
				s, err := New(Config{Refresher: granter(0), Store: kept, OnEvent: func(Event) { announced++ }, Token: pairOf("a", time.Now())})
				require.NoError(t, err)
				time.Sleep(2 * time.Hour)
				rests := func(after string) {
					synctest.Wait()
					assert.Nil(t, s.work, after)
					assert.Nil(t, s.state.LastFailure(), after)
				}
				bearer, err := s.TokenContext(t.Context())
				require.NoError(t, err)
				assert.Equal(t, "b", bearer.AccessToken)
				rests("after a refresh that was waited for")
				assert.Positive(t, announced)

				time.Sleep(58 * time.Minute)
				_, err = s.TokenContext(t.Context())
				require.NoError(t, err)
				rests("after a refresh behind the caller")

				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				require.ErrorIs(t, s.Run(ctx), context.DeadlineExceeded)
				rests("after Run")

				require.NoError(t, s.Sync(t.Context()))
				require.NoError(t, s.SetToken(t.Context(), pairOf("c", time.Now())))
				rests("after Sync and SetToken")
				require.NoError(t, s.SignOut(t.Context()))
				rests("after SignOut")
				require.NoError(t, s.Close())
			})
		})
	}
}

func TestSource_NoCallerJoinsTheWaitForASupersededOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Config{Refresher: granter(time.Minute), RefreshTimeout: time.Hour, Token: pairOf("a", time.Now().Add(-time.Hour))})
		require.NoError(t, err)
		answered := make(chan error, 2)
		var found *snapshot
		for i := range 2 {
			go func() {
				_, err := s.TokenContext(t.Context())
				answered <- err
			}()
			synctest.Wait()
			if i == 0 {
				found = s.snapshot.Load()
			}
		}
		require.NotNil(t, found)
		require.NotNil(t, found.wait)
		assert.Same(t, found, s.snapshot.Load(), "another caller joins without the lock")
		s.mu.Lock()
		s.supersedeLocked(errSuperseded)
		s.mu.Unlock()
		assert.Nil(t, s.snapshot.Load())
		require.NoError(t, s.SetToken(t.Context(), pairOf("c", time.Now())))
		assert.NoError(t, <-answered)
		assert.NoError(t, <-answered)
		require.NoError(t, s.Close())
	})
}

func TestSource_ALiveTokenIsServedWithoutTheLock(t *testing.T) {
	s, err := New(Config{Refresher: granter(0), Clock: clock.NewFake(base), Token: pairOf("a", base)})
	require.NoError(t, err)
	want, err := s.TokenContext(t.Context())
	require.NoError(t, err)
	s.mu.Lock()
	got, err := s.TokenContext(t.Context())
	s.mu.Unlock()
	require.NoError(t, err)
	assert.Same(t, want, got)
	require.NoError(t, s.Close())
}

func TestSaveConfigToken_AfterASignOutSavesNothing(t *testing.T) {
	// No test can stop between the look at the store and the save.
	memory := &store.Memory{}
	s, err := New(Config{Refresher: granter(0), Store: memory, Token: pairOf("a", base), Clock: clock.NewFake(base)})
	require.NoError(t, err)
	op, leave, err := s.enter(t.Context(), lifecycle.Load)
	require.NoError(t, err)
	require.NoError(t, s.SignOut(t.Context()))
	op.saveConfigToken(nil)
	leave()
	stored, err := s.shared.Load(t.Context())
	require.NoError(t, err)
	assert.True(t, stored.IsSignOut())
	assert.Equal(t, int64(1), stored.Generation)
	require.NoError(t, s.Close())
}

func TestNewPair_ARefreshTokenThatIsNotInTheAnswerIsKept(t *testing.T) {
	s, err := New(Config{Refresher: granter(0), Clock: clock.NewFake(base), Token: pairOf("a", base)})
	require.NoError(t, err)
	arrival := lifecycle.Arrival{At: s.cfg.clock.Now(), Former: s.state.Pair()}
	answer := &ags.Token{AccessToken: ags.NewSecret("b")}
	assert.Equal(t, "r", tokenOf(s.newPair(answer, arrival)).RefreshToken.Reveal())
	answer.RefreshToken = ags.NewSecret("s")
	assert.Equal(t, "s", tokenOf(s.newPair(answer, arrival)).RefreshToken.Reveal())
}
