package sharing_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
	"github.com/agsauth/agsauth/tokensource/internal/sharing"
)

// pending returns the access tokens of which the gateway must still be told.
func pending(p *participant) (tokens []string) {
	for _, t := range p.PendingSignOuts() {
		tokens = append(tokens, t.AccessToken.Reveal())
	}
	return tokens
}

// mark returns the mark of a sign-out.
func mark() *sharing.Record { return &sharing.Record{SignedOutAt: base} }

// commit stores a record over anything.
func commit(t *testing.T, p *participant, rec *sharing.Record) {
	t.Helper()
	_, err := p.Commit(t.Context(), rec, nil)
	require.NoError(t, err)
}

func TestSignOuts_APairIsQueuedOnceAndToldAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *fakeStore, p *participant) {
		assert.Empty(t, p.PendingSignOuts())
		assert.Equal(t, dualclock.Never(), p.NextSignOut())
		p.PostponeSignOuts() // of nothing
		p.SignOutAnswered(token("a"))
		p.QueueSignOut(token("a"), token("b"), token("a"))
		assert.Equal(t, []string{"a", "b"}, pending(p))
		assert.Equal(t, dualclock.Always(), p.NextSignOut())
		p.SignOutAnswered(token("c")) // of another pair
		p.SignOutAnswered(token("a"))
		assert.Equal(t, []string{"b"}, pending(p))
		p.SignOutAnswered(token("b"))
		assert.Equal(t, dualclock.Never(), p.NextSignOut())
	})
}

func TestSignOuts_AnotherProcessGoesOn(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fakeStore, p *participant) {
		pair := &ags.Token{
			AccessToken: ags.NewSecret("a"), RefreshToken: ags.NewSecret("r"), TokenType: "Bearer",
			ClientID: "PUB_989", AccountID: "1663", ExpiresAt: base.Add(time.Hour),
		}
		p.QueueSignOut(pair, token("b"))
		commit(t, p, mark())
		p.SignOutAnswered(token("b"))
		assert.Equal(t, []string{"a"}, pending(p))
		assert.Equal(t, dualclock.Always(), p.NextSignOut())

		other := peer(s)
		seen := load(t, other)
		assert.Equal(t, []string{"a", "b"}, pending(other), "the stored record has both")
		assert.Equal(t, pair, other.PendingSignOuts()[0])
		other.SignOutAnswered(pair)
		other.SignOutAnswered(token("b"))
		require.NoError(t, other.Save(t.Context(), seen))
		assert.Equal(t, dualclock.Never(), other.NextSignOut(), "the stored record has none any more")

		load(t, p)
		assert.Empty(t, pending(p), "another process has dealt with it")
		assert.Equal(t, dualclock.Never(), p.NextSignOut())
	})
}

func TestSignOuts_OneThatIsNotStoredYetOutlivesARecordWithoutIt(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fakeStore, p *participant) {
		p.QueueSignOut(token("a"))
		commit(t, p, mark())
		p.QueueSignOut(token("new"))
		commit(t, put(t, s, mark()), &sharing.Record{SignedOutAt: base}) // keeps those that it has read
		load(t, p)
		assert.Equal(t, []string{"a", "new"}, pending(p))
		p.NothingStored()
		assert.Equal(t, []string{"new"}, pending(p))
		p.SignOutAnswered(token("new"))
		p.NothingStored()
		assert.Empty(t, pending(p))
	})
}

func TestSignOuts_TheWaitAfterEachFailedAttemptDoubles(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *fakeStore, p *participant) {
		p.QueueSignOut(token("a"))
		for _, want := range []int{1, 2, 4, 8, 16, 32, 60, 60} {
			p.PostponeSignOuts()
			next := p.NextSignOut()
			assert.Equal(t, time.Duration(want)*time.Second, next.Left(p.Caller.Clock.Now()))
		}
		p.QueueSignOut(token("b"))
		next := p.NextSignOut()
		assert.Equal(t, time.Minute, next.Left(p.Caller.Clock.Now()), "another pair waits as well")
	})
}
