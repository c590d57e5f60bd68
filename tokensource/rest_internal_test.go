package tokensource

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// A program may hold very many sources. These tests keep what one takes while
// nothing is under way.

func TestSource_AtRestIsSmall(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the sizes are those of 64 bits")
	}
	// With the ags.Token, the oauth2.Token and two Secrets 624 bytes.
	assert.LessOrEqual(t, unsafe.Sizeof(Source{}), uintptr(208))
	assert.LessOrEqual(t, unsafe.Sizeof(session{}), uintptr(80))
	assert.LessOrEqual(t, unsafe.Sizeof(quiet{}), uintptr(32))
}

// granter is a Refresher that grants an hour.
type granter struct{}

func (granter) Refresh(context.Context, *ags.Token) (*ags.Token, error) {
	now := time.Now()
	return &ags.Token{
		AccessToken: ags.NewSecret("b"), RefreshToken: ags.NewSecret("s"), IssuedAt: now, ExpiresAt: now.Add(time.Hour),
	}, nil
}

func TestSource_AtRestKeepsNothingOfWhatWasUnderWay(t *testing.T) {
	for name, kept := range map[string]Store{"in memory": nil, "stored": &store.Memory{}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				told := 0
				s, err := New(Config{
					Refresher: granter{}, Store: kept, OnEvent: func(Event) { told++ },
					Token: &ags.Token{AccessToken: ags.NewSecret("a"), RefreshToken: ags.NewSecret("r"), IssuedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)},
				})
				require.NoError(t, err)
				time.Sleep(2 * time.Hour)
				rests := func(after string) {
					synctest.Wait()
					assert.Nil(t, s.work, after)
					assert.Nil(t, s.failure, after)
				}
				bearer, err := s.TokenContext(t.Context())
				require.NoError(t, err)
				assert.Equal(t, "b", bearer.AccessToken)
				rests("after a refresh that was waited for")
				assert.Positive(t, told)

				time.Sleep(58 * time.Minute)
				_, err = s.TokenContext(t.Context())
				require.NoError(t, err)
				rests("after a refresh behind the caller")

				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				require.ErrorIs(t, s.Run(ctx), context.DeadlineExceeded)
				rests("after Run")

				require.NoError(t, s.Sync(t.Context()))
				require.NoError(t, s.SetToken(t.Context(), &ags.Token{AccessToken: ags.NewSecret("c")}))
				rests("after Sync and SetToken")
				require.NoError(t, s.SignOut(t.Context()))
				rests("after SignOut")
				require.NoError(t, s.Close())
			})
		})
	}
}

// slow is a granter that takes a minute.
type slow struct{ granter }

func (s slow) Refresh(ctx context.Context, t *ags.Token) (*ags.Token, error) {
	time.Sleep(time.Minute)
	return s.granter.Refresh(ctx, t)
}

func TestSource_NobodyJoinsACrowdWhoseFlightWasAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Config{Refresher: slow{}, RefreshTimeout: time.Hour, Token: &ags.Token{
			AccessToken: ags.NewSecret("a"), RefreshToken: ags.NewSecret("r"), IssuedAt: time.Now().Add(-time.Hour), ExpiresAt: time.Now(),
		}})
		require.NoError(t, err)
		answered := make(chan error, 2)
		ask := func() {
			_, err := s.TokenContext(t.Context())
			answered <- err
		}
		go ask()
		synctest.Wait()
		waiting := s.quiet.Load()
		require.NotNil(t, waiting)
		require.NotNil(t, waiting.crowd)
		go ask()
		synctest.Wait()
		assert.Same(t, waiting, s.quiet.Load(), "who comes later joins without a look")
		s.mu.Lock()
		s.abandonLocked(errSuperseded)
		s.mu.Unlock()
		assert.Nil(t, s.quiet.Load())
		require.NoError(t, s.SetToken(t.Context(), &ags.Token{AccessToken: ags.NewSecret("c")}))
		for range 2 {
			assert.NoError(t, <-answered)
		}
		require.NoError(t, s.Close())
	})
}

func TestStamp(t *testing.T) {
	t.Run("what it can tell it tells to the nanosecond", func(t *testing.T) {
		for _, year := range []int{1700, 1969, 1970, 2026, 2200} {
			at := time.Date(year, 2, 3, 4, 5, 6, 789, time.UTC)
			assert.Equal(t, at, dualclock.UnixNanoOf(at).Time(at))
		}
	})
	t.Run("what lies beyond is cut, and keeps its order", func(t *testing.T) {
		before, after := dualclock.UnixNanoOf(time.Time{}), dualclock.UnixNanoOf(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC))
		assert.Less(t, before, dualclock.UnixNanoOf(base))
		assert.Greater(t, after, dualclock.UnixNanoOf(base))
		assert.Equal(t, after, after.Add(time.Hour))
		assert.Equal(t, before, before.Add(-time.Hour))
		const last = math.MaxInt64 / int64(time.Second) // not all of this second can be told
		assert.Equal(t, after, dualclock.UnixNanoOf(time.Unix(last, 999_999_999)))
		assert.Equal(t, before, dualclock.UnixNanoOf(time.Unix(-last, 0)))
		assert.Positive(t, after.Sub(before))
		assert.Negative(t, before.Sub(after))
		assert.Equal(t, after, dualclock.Never().Wall, "and is reached no sooner than never is")
	})
}

func TestWatch_ReachedIsPassedOnEither(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := dualclock.NewReader(nil)
		now := w.Now().Deadline()
		for name, tt := range map[string]struct {
			h    dualclock.Deadline
			want bool
		}{
			"never":                  {dualclock.Never(), false},
			"in the past":            {dualclock.Always(), true},
			"now":                    {now, true},
			"later by both":          {now.Add(1), false},
			"later by the wall":      {dualclock.Deadline{Wall: now.Wall + 1, Mono: now.Mono}, true},
			"later by the monotonic": {dualclock.Deadline{Wall: now.Wall, Mono: now.Mono + 1}, true},
		} {
			assert.Equal(t, tt.want, w.Reached(tt.h), name)
			assert.Equal(t, tt.want, tt.h.PassedOnEither(w.Now()), name)
		}
	})
}
