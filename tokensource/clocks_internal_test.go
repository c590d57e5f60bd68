package tokensource

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// What becomes of horizons when one of the two clocks was wrong, or is far off.

// pair is a pair issued at the wall's instant of now, good for an hour, with the
// other lives given; a life of zero is one that is not told.
func pair(now dualclock.Instant, refresh, fixed time.Duration) *ags.Token {
	told := func(life time.Duration) time.Time {
		if life == 0 {
			return time.Time{}
		}
		return now.Wall.Add(life)
	}
	return &ags.Token{
		AccessToken: ags.NewSecret("a"), RefreshToken: ags.NewSecret("r"), IssuedAt: now.Wall,
		ExpiresAt: now.Wall.Add(time.Hour), RefreshExpiresAt: told(refresh), FixedExpiresAt: told(fixed),
	}
}

func TestNewSession_AFixedHorizonThatOnlyTheMonotonicClockSawPass(t *testing.T) {
	// A box loads its session while its wall clock is a day ahead, which is then
	// set right: on the monotonic clock the horizon comes a day early.
	const day = 24 * time.Hour
	ahead := dualclock.Instant{Wall: base.Add(29 * day), Mono: 0}
	given := pair(at(0), 0, 30*day)
	former := newSession(arrival{token: given, from: handedIn, at: ahead}, &settings{})
	now := dualclock.Instant{Wall: base.Add(29*day + time.Hour), Mono: day + time.Hour}
	require.True(t, former.fixed.PassedOnEither(now))
	require.False(t, former.fixed.PassedOnBoth(now))

	for _, tt := range []struct {
		name       string
		told, want time.Duration // from now
	}{
		{"told anew, it is as told", 12 * time.Hour, 12 * time.Hour},
		{"not told again, it is where the wall clock has it", 0, day - time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			next := newSession(arrival{token: pair(now, 0, tt.told), from: granted, at: now, former: former}, &settings{})
			assert.Equal(t, now.Add(tt.want).Deadline(), next.fixed)
			assert.False(t, next.schedule().served.PassedOnEither(now), "what was granted just now is served")
			assert.False(t, next.schedule().refreshAt.PassedOnEither(now), "and not refreshed at once")
		})
	}
}

func TestNewSession_ARefreshTokenThatIsKeptIsGoodAfterAJump(t *testing.T) {
	former := newSession(arrival{token: pair(at(0), 48*time.Hour, 0), from: granted, at: at(0)}, &settings{})
	jumped := dualclock.Instant{Wall: base.Add(50 * 365 * 24 * time.Hour), Mono: time.Minute} // the network tells the time
	answer := pair(jumped, 0, 0)
	answer.RefreshToken = ags.Secret{}
	next := newSession(arrival{token: answer, from: granted, at: jumped, former: former}, &settings{})
	assert.True(t, next.refreshable())
	due := next.schedule()
	assert.Zero(t, endedBy(next, &due, jumped), "the gateway has just taken it")
}

func TestNewSession_AHorizonFarAheadDoesNotWrap(t *testing.T) {
	far := pair(at(time.Hour), 0, 0)
	far.RefreshExpiresAt = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	far.FixedExpiresAt = far.RefreshExpiresAt
	for _, from := range []origin{granted, handedIn} {
		s := newSession(arrival{token: far, from: from, at: at(time.Hour)}, &settings{})
		due := s.schedule()
		assert.Zero(t, endedBy(s, &due, at(time.Hour)))
		assert.Equal(t, base.Add(2*time.Hour-time.Second), due.served.Wall.Time(base))
		assert.Equal(t, 2*time.Hour-time.Second, due.served.Mono)
		assert.Equal(t, far.FixedExpiresAt, s.token.FixedExpiresAt, "what is told of it is as it was given")
	}
}

func TestWatch_TheWallSideCarriesNoMonotonicReading(t *testing.T) {
	// With one, horizons set here would not see the wall clock move.
	w := dualclock.NewReader(clock.Real{})
	assert.NotContains(t, w.Now().Wall.String(), "m=")
}

// refuser is a Refresher that is not to be asked.
type refuser struct{ t *testing.T }

func (r refuser) Refresh(context.Context, *ags.Token) (*ags.Token, error) {
	r.t.Error("the gateway was asked")
	return nil, ags.ErrUnauthorized
}

func TestSaveGiven_AfterASignOutSavesNothing(t *testing.T) {
	// Between the look at the store and the save, which no test can stop at.
	memory := &store.Memory{}
	s, err := New(Config{Refresher: refuser{t}, Store: memory, Token: pair(at(0), 0, 0), Clock: clock.NewFake(base)})
	require.NoError(t, err)
	before := s.epoch
	require.NoError(t, s.SignOut(t.Context()))
	require.NoError(t, s.saveGiven(t.Context(), nil, before))
	data, err := memory.Load(t.Context())
	require.NoError(t, err)
	stored, err := decodeRecord(data)
	require.NoError(t, err)
	assert.True(t, stored.tombstone())
	require.NoError(t, s.Close())
}
