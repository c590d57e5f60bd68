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

// commit stores the mark of a sign-out over anything.
func commit(t *testing.T, p *participant) {
	t.Helper()
	_, err := p.Commit(t.Context(), &sharing.Record{SignedOutAt: base}, nil)
	require.NoError(t, err)
}

func TestSignOuts_APairIsQueuedOnceAndToldAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *fakeStore, p *participant) {
		p.PostponeSignOuts() // of nothing
		p.SignOutAnswered(token("a"))
		assert.Equal(t, dualclock.Never(), p.NextSignOut())
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
		commit(t, p)
		p.SignOutAnswered(token("b"))
		assert.Equal(t, []string{"a"}, pending(p))

		other := peer(s)
		seen := load(t, other)
		assert.Equal(t, []string{"a", "b"}, pending(other), "the stored record has both")
		assert.Equal(t, pair, other.PendingSignOuts()[0])
		other.SignOutAnswered(pair)
		other.SignOutAnswered(token("b"))
		assert.Equal(t, dualclock.Always(), other.NextSignOut(), "they are still stored")
		require.NoError(t, other.Save(t.Context(), seen))
		assert.Equal(t, dualclock.Never(), other.NextSignOut())

		load(t, p)
		assert.Empty(t, pending(p), "another process has dealt with it")
	})
}

func TestSignOuts_OneThatIsNotStoredYetIsKept(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fakeStore, p *participant) {
		p.QueueSignOut(token("a"))
		commit(t, p)
		p.QueueSignOut(token("new"))
		put(t, s, &sharing.Record{SignedOutAt: base}) // keeps those that it has read
		load(t, p)
		assert.Equal(t, []string{"a", "new"}, pending(p))
		p.NothingStored()
		assert.Equal(t, []string{"new"}, pending(p))
	})
}

func TestSignOuts_TheWaitAfterEachFailedAttemptDoubles(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *fakeStore, p *participant) {
		p.QueueSignOut(token("a"))
		for _, want := range []int{1, 2, 4, 8, 16, 32, 60, 60} {
			p.PostponeSignOuts()
			assert.Equal(t, p.Caller().Clock.Now().Add(time.Duration(want)*time.Second).Deadline(), p.NextSignOut())
		}
		next := p.NextSignOut()
		p.QueueSignOut(token("b"))
		assert.Equal(t, next, p.NextSignOut(), "another pair waits as well")
	})
}
