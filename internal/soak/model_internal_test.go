package main

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/tokensource"
)

const second = time.Second

// ago is a window that began a minute ago, and was over after so long.
func ago(a fault, lasted time.Duration) *window {
	from := time.Now().Add(-time.Minute)
	return &window{fault: a, from: from, to: from.Add(lasted)}
}

// failure is a call that failed so long after the window was over.
func (w *window) failure(after time.Duration, what outcome, reason tokensource.Reason) *call {
	end := w.to.Add(after)
	return &call{begin: end.Add(-time.Millisecond), end: end, outcome: what, reason: reason, tokenExpiry: end.Add(-time.Second)}
}

func TestModel_WhatCouldNotBeHelped(t *testing.T) {
	hidden := func(w *window) *window { w.hidden = true; return w }
	down, sleepy, limited := fault{kind: outage}, fault{kind: slow}, fault{kind: tooMany, span: 2 * second}
	for name, c := range map[string]struct {
		window   *window
		after    time.Duration
		outcome  outcome
		reason   tokensource.Reason
		explains bool
	}{
		"a dead token in an outage":      {ago(down, 8*second), -second, unavailable, 0, true},
		"a back-off after it":            {ago(down, 8*second), 10 * second, unavailable, 0, true},
		"long after it":                  {ago(down, 8*second), 20 * second, unavailable, 0, false},
		"before it":                      {ago(down, 8*second), -9 * second, unavailable, 0, false},
		"a rejection in an outage":       {ago(down, 8*second), -second, refused, 0, false},
		"an end in an outage":            {ago(down, 8*second), -second, loginRequired, tokensource.RefreshRejected, false},
		"any failure of an outage":       {ago(down, 8*second), -second, other, 0, false},
		"slow answers":                   {ago(sleepy, 4*second), -second, unavailable, 0, false},
		"one that was asked to wait":     {ago(limited, 0), second, unavailable, 0, true},
		"longer than it was asked to":    {ago(limited, 0), 5 * second, unavailable, 0, false},
		"an API that rejects all":        {ago(fault{kind: rejectAll}, second), -second / 2, refused, 0, true},
		"one that no longer does":        {ago(fault{kind: rejectAll}, second), second / 2, refused, 0, false},
		"a token rejected":               {ago(fault{kind: rejected}, 0), second, refused, 0, false},
		"a token rejected too soon":      {hidden(ago(fault{kind: rejected}, 0)), second, refused, 0, true},
		"a revocation, without a login":  {ago(fault{kind: revoked}, 0), second, loginRequired, tokensource.RefreshRejected, true},
		"a revocation, noticed late":     {hidden(ago(fault{kind: revoked}, 0)), 8 * second, loginRequired, tokensource.RefreshRejected, true},
		"a revocation, for long":         {ago(fault{kind: revoked}, 0), 10 * second, loginRequired, tokensource.RefreshRejected, false},
		"a sign-out":                     {ago(fault{kind: signedOut}, second), -second / 2, loginRequired, tokensource.SignedOut, true},
		"a sign-out that is made up for": {ago(fault{kind: signedOut}, second), 5 * second, loginRequired, tokensource.SignedOut, false},
		"a refresh just before it":       {ago(fault{kind: signedOut}, second), 0, loginRequired, tokensource.RefreshRejected, true},
		"another end than a sign-out":    {ago(fault{kind: signedOut}, second), 0, loginRequired, tokensource.RefreshExpired, false},
		"a restart":                      {ago(fault{kind: restart}, second), -second / 2, closed, 0, true},
		"a restart of another":           {ago(fault{kind: restart, replica: 1}, second), -second / 2, closed, 0, false},
		"a file emptied":                 {ago(fault{kind: emptied}, 0), second, unavailable, 0, false},
		"a file damaged":                 {ago(fault{kind: damaged}, 0), second, loginRequired, tokensource.NoSession, false},
		"a clock set":                    {ago(fault{kind: jumped}, second), 0, unavailable, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := &model{canLogin: func(int) bool { return false }, windows: []*window{c.window}}
			assert.Equal(t, c.explains, m.explains(c.window.failure(c.after, c.outcome, c.reason)))
		})
	}
}

// As long as the last token lives nobody has to wait for another.
func TestModel_ALiveTokenIsServed(t *testing.T) {
	for _, a := range []fault{{kind: outage}, {kind: tooMany, span: time.Second}} {
		w := ago(a, time.Second)
		c := w.failure(0, unavailable, 0)
		assert.True(t, w.explains(c, false))
		c.tokenExpiry = c.end.Add(time.Second)
		assert.False(t, w.explains(c, false))
	}
}

// On a machine that has too much to do a token may die between a request and its answer.
func TestModel_ATokenThatDiesOnTheWay(t *testing.T) {
	dies := time.Now()
	for name, c := range map[string]struct {
		begin, end time.Duration // counted from its end
		fixed      bool
		died       bool
	}{
		"on a long way":              {-300 * time.Millisecond, 0, false, true},
		"on a way of usual length":   {-200 * time.Millisecond, 0, false, false},
		"not yet":                    {-300 * time.Millisecond, -1, false, false},
		"before":                     {0, time.Second, false, false},
		"of its session":             {-time.Millisecond, 0, true, true},
		"of its session, not yet":    {-time.Millisecond, -1, true, false},
		"of its session, and before": {0, time.Second, true, false},
	} {
		token := agstest.TokenInfo{ExpiresAt: dies, FixedExpiresAt: dies.Add(time.Hour)}
		if c.fixed {
			token.ExpiresAt, token.FixedExpiresAt = dies.Add(time.Hour), dies
		}
		assert.Equal(t, c.died, expiredInTransit(&token, dies.Add(c.begin), dies.Add(c.end)), name)
	}
	m := &model{}
	assert.True(t, m.explains(&call{outcome: refused, inTransit: true}))
	assert.False(t, m.explains(&call{outcome: unavailable, inTransit: true}))
}

// Who cannot sign on learns a little later that somebody has, at the fixed horizon.
func TestModel_TheFixedHorizon(t *testing.T) {
	horizon := time.Now().Add(-time.Minute)
	down := func(from time.Duration) []*window {
		return []*window{{fault: fault{kind: outage}, from: horizon.Add(from), to: horizon.Add(from + 6*second)}}
	}
	for name, c := range map[string]struct {
		after    time.Duration
		replica  int
		reason   tokensource.Reason
		windows  []*window
		explains bool
	}{
		"of a token that expired before it":   {-second, 0, tokensource.FixedExpired, nil, true},
		"just after it":                       {second, 0, tokensource.FixedExpired, nil, true},
		"rejected just after it":              {second, 0, tokensource.RefreshRejected, nil, true},
		"rejected before it":                  {-second / 2, 0, tokensource.RefreshRejected, nil, false},
		"long before it":                      {-2 * second, 0, tokensource.FixedExpired, nil, false},
		"long after it":                       {6 * second, 0, tokensource.FixedExpired, nil, false},
		"another reason":                      {second, 0, tokensource.SignedOut, nil, false},
		"of who can sign on":                  {second, signingReplica, tokensource.FixedExpired, nil, false},
		"of who cannot, as the gateway is":    {second, signingReplica, tokensource.FixedExpired, down(-second), true},
		"while it is down":                    {second, 0, tokensource.FixedExpired, down(-second), true},
		"a back-off after it was down":        {20 * second, 0, tokensource.FixedExpired, down(-second), true},
		"a back-off, and it was down before":  {6 * second, 0, tokensource.FixedExpired, down(-30 * second), false},
		"long after, and it was down by then": {8 * second, 0, tokensource.FixedExpired, down(6 * second), false},
	} {
		t.Run(name, func(t *testing.T) {
			m := &model{canLogin: func(replica int) bool { return replica == signingReplica }, windows: c.windows}
			m.sessionSeen(horizon)
			m.sessionSeen(horizon.Add(-time.Hour)) // who was late to notice
			m.sessionSeen(horizon.Add(time.Hour))
			end := horizon.Add(c.after)
			failed := &call{replica: c.replica, begin: end.Add(-time.Millisecond), end: end, outcome: loginRequired, reason: c.reason}
			assert.Equal(t, c.explains, m.explains(failed))
			failed.outcome = unavailable
			assert.False(t, (&model{canLogin: m.canLogin, sessions: m.sessions}).explains(failed))
			m.sessionSeen(horizon.Add(2 * time.Hour))
			failed.outcome = loginRequired
			assert.False(t, m.explains(failed), "once nobody can use it any more")
		})
	}
}

// A session that is replaced before its time was lost, and its end is to be announced
// by all.
func TestModel_TheLifetimesOfSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{}
		assert.Zero(t, m.sessionEnd())
		first, second := time.Now().Add(time.Minute), time.Now().Add(2*time.Minute)
		m.sessionSeen(first)
		assert.Equal(t, first, m.sessionEnd())
		time.Sleep(time.Minute - accessLifetime)
		m.warned(0, first)
		m.warned(1, first.Add(time.Minute)) // of another
		m.sessionSeen(second)
		assert.Empty(t, m.replacedEarly())
		assert.Empty(t, m.completed(time.Now()))
		time.Sleep(accessLifetime)
		m.warned(2, first) // too late
		reached := m.completed(time.Now())
		assert.Len(t, reached, 1)
		assert.Equal(t, []int{1, 2, 3}, m.unwarned(reached[0]))
		m.warned(3, second)
		m.restarted(3)
		m.restarted(0)
		assert.Equal(t, []int{1, 2, 3}, m.unwarned(reached[0]), "that has passed")
		assert.Equal(t, []int{0, 2, 3}, m.unwarned(session{end: second}), "it is to be said again")
		near := time.Now().Add(accessLifetime)
		m.warned(1, near)
		m.restarted(1)
		assert.NotContains(t, m.unwarned(session{end: near}), 1, "it may have found the next session")
		m.sessionSeen(second.Add(time.Hour))
		assert.Equal(t, []session{m.sessions[1]}, m.replacedEarly())
	})
}

// A machine that stands still refreshes nothing.
func TestModel_AMachineThatStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{}
		late := func(what outcome, dead time.Duration) bool {
			now := time.Now()
			return m.explains(&call{begin: now.Add(-time.Millisecond), end: now, outcome: what, tokenExpiry: now.Add(-dead)})
		}
		for range 10 {
			m.heartbeat(time.Now())
			time.Sleep(heartbeatInterval + maxDelay)
			assert.False(t, late(unavailable, second), "as it should be")
		}
		assert.Zero(t, m.stallCounts())
		m.heartbeat(time.Now())
		time.Sleep(2 * time.Second)
		assert.True(t, late(unavailable, second), "it does still")
		m.heartbeat(time.Now())
		assert.True(t, late(unavailable, second))
		assert.False(t, late(unavailable, -second), "it had a token")
		assert.False(t, late(loginRequired, second))
		assert.Equal(t, stallStats{1, 2*time.Second - heartbeatInterval}, m.stallCounts())
		for range 60 {
			time.Sleep(heartbeatInterval)
			m.heartbeat(time.Now())
		}
		assert.False(t, late(unavailable, second), "long ago")
	})
}

func TestModel_WhoCanSignOnIsNotRevoked(t *testing.T) {
	w := ago(fault{kind: revoked}, 0)
	assert.False(t, w.explains(w.failure(time.Second, loginRequired, tokensource.RefreshRejected), true))
}

func TestModel_AWindowIsOpenUntilItIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{canLogin: func(int) bool { return false }}
		end := m.begin(fault{kind: rejectAll})
		time.Sleep(time.Hour)
		now := time.Now()
		c := &call{begin: now.Add(-time.Second), end: now, outcome: refused}
		assert.True(t, m.explains(c))
		assert.True(t, m.rejects(c.begin, c.end))
		end()
		c.begin, c.end = now.Add(time.Minute), now.Add(time.Minute+time.Second)
		assert.False(t, m.explains(c))
		assert.False(t, m.rejects(c.begin, c.end))
	})
}

// An invalidation that comes too soon after another has no effect, and that span
// doubles.
func TestModel_RejectionsInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &model{canLogin: func(int) bool { return false }}
		for i, c := range []struct {
			after  time.Duration
			hidden bool
		}{{0, false}, {5 * time.Second, false}, {5 * time.Second, true}, {5 * time.Second, true}, {time.Minute, false}} {
			time.Sleep(c.after)
			m.begin(fault{kind: rejected})()
			assert.Equal(t, c.hidden, m.windows[i].hidden, fmt.Sprint(i))
		}
	})
}
