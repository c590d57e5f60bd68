package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// Like all tests of whole stages this one runs in a bubble: their tokens live for
// seconds, which a busy machine must not use up.
func TestRun_TellsHowItWent(t *testing.T) { synctest.Test(t, tellsHowItWent) }

func tellsHowItWent(t *testing.T) {
	var out bytes.Buffer
	o := options{span: 100 * time.Millisecond, horizon: time.Hour, seed: 5, callers: 8, json: true, inMemory: true}
	ok, err := run(t.Context(), o, &out)
	require.NoError(t, err)
	var sum summary
	require.NoError(t, json.Unmarshal(out.Bytes(), &sum))
	assert.True(t, ok, "%s", out.String())
	assert.EqualValues(t, 5, sum.Seed)
	require.Len(t, sum.Stages, 2)
	for _, p := range sum.Stages {
		assert.GreaterOrEqual(t, p.Calls, 4)
		assert.Equal(t, 1, p.Logins)
		assert.Zero(t, p.Unexplained)
	}
	sum.print(&out)
	assert.Contains(t, out.String(), "--seed 5")
	assert.Contains(t, out.String(), "lasting")
}

// staged is a stage of which only the book and the gateway are looked at.
func staged(t *testing.T, c cast) *stage {
	c.inMemory = true
	s, err := build(t.Context(), c, io.Discard)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.close()) })
	return s
}

// A gateway that fails without its being in the script is found out.
func TestRun_FindsWhatIsNotInTheScript(t *testing.T) { synctest.Test(t, findsWhatIsNotInTheScript) }

func findsWhatIsNotInTheScript(t *testing.T) {
	s := staged(t, casts(time.Hour)[0])
	s.call(t.Context(), s.members[0])
	sums, _ := s.book.read()
	assert.Equal(t, 1, sums.Calls)
	assert.Empty(t, sums.Violations)

	s.srv.RejectAll(true)
	s.call(t.Context(), s.members[0])
	s.srv.RejectAll(false)
	require.NoError(t, s.members[1].now().source.SignOut(t.Context()))
	s.call(t.Context(), s.members[1])
	s.check()
	sums, texts := s.book.read()
	assert.Equal(t, 2, sums.Unexplained)
	assert.Equal(t, 1, sums.Violations["call failed: 403"])
	assert.Equal(t, 1, sums.Violations["call failed: login required (signed out)"])
	assert.Positive(t, sums.Violations["dead token sent"])
	assert.Len(t, texts, total(sums.Violations))
	assert.False(t, (&summary{Stages: []part{{sums: sums}}}).ok())
}

// A session that is over before its time is, too, but not where that is in the script.
func TestRun_FindsALostSession(t *testing.T) { synctest.Test(t, findsALostSession) }

func findsALostSession(t *testing.T) {
	for i, lost := range []int{0, 1} {
		s := staged(t, casts(time.Hour)[i])
		s.call(t.Context(), s.members[0])
		s.model.sees(s.model.end().Add(time.Minute))
		s.model.sees(s.model.end().Add(time.Minute))
		s.check()
		sums, _ := s.book.read()
		assert.Equal(t, 2*lost, sums.Violations["session lost"])
		assert.Zero(t, sums.Violations["not warned"])
	}
	// One that was ended in good time is not one that has reached its horizon.
	restless := staged(t, casts(time.Hour)[0])
	restless.model.lifetimes = []lifetime{{time.Now().Add(-time.Hour), time.Now()}, {time.Now().Add(-time.Minute), time.Now().Add(time.Hour)}}
	p := restless.sum()
	assert.Zero(t, p.Reached)
	assert.Empty(t, p.Violations)

	s := staged(t, casts(time.Hour)[1])
	s.model.sees(time.Now())
	s.check()
	sums, _ := s.book.read()
	assert.Equal(t, 1, sums.Violations["not warned"])
}

func TestHorizonOf(t *testing.T) {
	for span, want := range map[time.Duration]time.Duration{
		50 * time.Minute: 48 * time.Minute, 48 * time.Minute: 18 * time.Minute,
		2 * time.Minute: 45 * time.Second, time.Second: 30 * time.Second,
	} {
		assert.Equal(t, want, horizonOf(span), "%s", span)
	}
}

// Of many violations of a kind some are told, and all are counted.
func TestBook_CountsWhatItDoesNotKeep(t *testing.T) {
	b := newBook("some", io.Discard)
	for range 3 * keptTexts {
		b.violated("one thing", "again")
	}
	b.violated("another", "once")
	sums, texts := b.read()
	assert.Equal(t, map[string]int{"one thing": 3 * keptTexts, "another": 1}, sums.Violations)
	assert.Len(t, texts, keptTexts+1)
}

// The clock is not set where one session is about to give way to another.
func TestStage_AwaitsASpan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{model: &model{}}
		s.model.sees(time.Now().Add(turn - 1))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		assert.False(t, s.awaitSpan(ctx))
	})
}

// The clock is not set past the end of a session.
func TestStage_TamesJumps(t *testing.T) {
	s := &stage{model: &model{}}
	assert.Equal(t, time.Minute, s.tame(time.Minute), "there is no session yet")
	s.model.sees(time.Now().Add(time.Minute))
	for jump, want := range map[time.Duration]time.Duration{
		30 * time.Second: 30 * time.Second, 50 * time.Second: -50 * time.Second, -2 * time.Minute: -2 * time.Minute,
	} {
		assert.Equal(t, want, s.tame(jump))
	}
	s.model.sees(time.Now().Add(2 * time.Minute))
	assert.Equal(t, 50*time.Second, s.tame(50*time.Second))
}
