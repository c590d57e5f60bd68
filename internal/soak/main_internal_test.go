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

// Like all tests of all groups this one runs in a bubble: their tokens live for
// seconds, which a busy machine must not use up.
func TestRun_TellsHowItWent(t *testing.T) { synctest.Test(t, tellsHowItWent) }

func tellsHowItWent(t *testing.T) {
	var out bytes.Buffer
	o := options{span: 100 * time.Millisecond, lifetime: time.Hour, seed: 5, callers: 8, json: true, inMemory: true}
	ok, err := run(t.Context(), o, &out)
	require.NoError(t, err)
	var sum summary
	require.NoError(t, json.Unmarshal(out.Bytes(), &sum))
	assert.True(t, ok, "%s", out.String())
	assert.EqualValues(t, 5, sum.Seed)
	require.Len(t, sum.Groups, 2)
	for _, p := range sum.Groups {
		assert.GreaterOrEqual(t, p.Calls, 4)
		assert.Equal(t, 1, p.Logins)
		assert.Zero(t, p.Unexplained)
	}
	sum.print(&out)
	assert.Contains(t, out.String(), "--seed 5")
	assert.Contains(t, out.String(), "lasting")
}

// testGroup is a group of which only the recorder and the gateway are checked.
func testGroup(t *testing.T, c groupConfig) *group {
	c.inMemory = true
	s, err := newGroup(t.Context(), c, io.Discard)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.close()) })
	return s
}

// A gateway that fails without its being in the script is found out.
func TestRun_FindsWhatIsNotInTheScript(t *testing.T) { synctest.Test(t, findsWhatIsNotInTheScript) }

func findsWhatIsNotInTheScript(t *testing.T) {
	s := testGroup(t, groupConfigs(time.Hour)[0])
	s.call(t.Context(), s.replicas[0])
	counts, _ := s.recorder.read()
	assert.Equal(t, 1, counts.Calls)
	assert.Empty(t, counts.Violations)

	s.srv.RejectAll(true)
	s.call(t.Context(), s.replicas[0])
	s.srv.RejectAll(false)
	require.NoError(t, s.replicas[1].current().source.SignOut(t.Context()))
	s.call(t.Context(), s.replicas[1])
	s.check()
	counts, texts := s.recorder.read()
	assert.Equal(t, 2, counts.Unexplained)
	assert.Equal(t, 1, counts.Violations["call failed: 403"])
	assert.Equal(t, 1, counts.Violations["call failed: login required (signed out)"])
	assert.Positive(t, counts.Violations["dead token sent"])
	assert.Len(t, texts, total(counts.Violations))
	assert.False(t, (&summary{Groups: []groupSummary{{counts: counts}}}).ok())
}

// A session that is over before its time is, too, but not where that is in the script.
func TestRun_FindsALostSession(t *testing.T) { synctest.Test(t, findsALostSession) }

func findsALostSession(t *testing.T) {
	for i, lost := range []int{0, 1} {
		s := testGroup(t, groupConfigs(time.Hour)[i])
		s.call(t.Context(), s.replicas[0])
		s.model.sessionSeen(s.model.sessionEnd().Add(time.Minute))
		s.model.sessionSeen(s.model.sessionEnd().Add(time.Minute))
		s.check()
		counts, _ := s.recorder.read()
		assert.Equal(t, 2*lost, counts.Violations["session lost"])
		assert.Zero(t, counts.Violations["not warned"])
	}
	// One that was ended in good time is not one that has reached its horizon.
	ending := testGroup(t, groupConfigs(time.Hour)[0])
	ending.model.sessions = []session{{time.Now().Add(-time.Hour), time.Now()}, {time.Now().Add(-time.Minute), time.Now().Add(time.Hour)}}
	p := ending.summarize()
	assert.Zero(t, p.Completed)
	assert.Empty(t, p.Violations)

	s := testGroup(t, groupConfigs(time.Hour)[1])
	s.model.sessionSeen(time.Now())
	s.check()
	counts, _ := s.recorder.read()
	assert.Equal(t, 1, counts.Violations["not warned"])
}

func TestLifetimeOf(t *testing.T) {
	for span, want := range map[time.Duration]time.Duration{
		50 * time.Minute: 48 * time.Minute, 48 * time.Minute: 18 * time.Minute,
		2 * time.Minute: 45 * time.Second, time.Second: 30 * time.Second,
	} {
		assert.Equal(t, want, lifetimeOf(span), "%s", span)
	}
}

// Of many violations of a kind some are told, and all are counted.
func TestBook_CountsWhatItDoesNotKeep(t *testing.T) {
	b := newRecorder("some", io.Discard)
	for range 3 * maxTexts {
		b.violation("one thing", "again")
	}
	b.violation("another", "once")
	counts, texts := b.read()
	assert.Equal(t, map[string]int{"one thing": 3 * maxTexts, "another": 1}, counts.Violations)
	assert.Len(t, texts, maxTexts+1)
}

// The clock is not set where one session is about to give way to another.
func TestAwaitSpan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &group{model: &model{}}
		s.model.sessionSeen(time.Now().Add(endGuard - 1))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		assert.False(t, s.awaitSpan(ctx))
	})
}

// The clock is not set past the end of a session.
func TestClampJump(t *testing.T) {
	s := &group{model: &model{}}
	assert.Equal(t, time.Minute, s.clampJump(time.Minute), "there is no session yet")
	s.model.sessionSeen(time.Now().Add(time.Minute))
	for jump, want := range map[time.Duration]time.Duration{
		30 * time.Second: 30 * time.Second, 50 * time.Second: -50 * time.Second, -2 * time.Minute: -2 * time.Minute,
	} {
		assert.Equal(t, want, s.clampJump(jump))
	}
	s.model.sessionSeen(time.Now().Add(2 * time.Minute))
	assert.Equal(t, 50*time.Second, s.clampJump(50*time.Second))
}

// A session is revoked only when a sign-on may follow at once.
func TestAwaitAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &group{model: &model{}}
		s.model.sessionSeen(time.Now().Add(time.Hour))
		ctx, cancel := context.WithTimeout(t.Context(), leastAge-pollInterval)
		defer cancel()
		assert.False(t, s.awaitAge(ctx))
	})
}
