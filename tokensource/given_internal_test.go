package tokensource

import (
	"cmp"
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/clock"
)

// What a Source keeps of what it was given: by a Config, and by a pair's former one.

func TestConfig_ASettingThatIsGivenAloneIsHeeded(t *testing.T) {
	with := func(given settings) settings {
		standard := defaultSettings()
		given.refreshTimeout = cmp.Or(given.refreshTimeout, standard.refreshTimeout)
		given.lockTimeout = cmp.Or(given.lockTimeout, standard.lockTimeout)
		given.storeTimeout = cmp.Or(given.storeTimeout, standard.storeTimeout)
		return given
	}
	for name, tt := range map[string]struct {
		cfg  Config
		want settings
	}{
		"none":           {Config{}, defaultSettings()},
		"RefreshBefore":  {Config{RefreshBefore: time.Minute}, with(settings{refreshBefore: time.Minute})},
		"WarnBefore":     {Config{WarnBefore: time.Minute}, with(settings{warnBefore: time.Minute})},
		"RefreshTimeout": {Config{RefreshTimeout: time.Minute}, with(settings{refreshTimeout: time.Minute})},
		"LockTimeout":    {Config{LockTimeout: time.Minute}, with(settings{lockTimeout: time.Minute})},
		"StoreTimeout":   {Config{StoreTimeout: time.Minute}, with(settings{storeTimeout: time.Minute})},
	} {
		kept := tt.cfg.setup()
		assert.Equal(t, tt.want, kept.settings(), name)
		assert.False(t, kept.listening(), name)
	}
}

func TestConfig_WhoIsToBeToldOrAskedAloneIs(t *testing.T) {
	t.Run("Rand", func(t *testing.T) {
		kept := (&Config{Rand: func() float64 { return 0.25 }}).setup()
		assert.InDelta(t, 0.25, kept.draw(), 0)
		assert.False(t, kept.listening())
	})
	t.Run("OnEvent", func(t *testing.T) {
		told := 0
		kept := (&Config{OnEvent: func(Event) { told++ }}).setup()
		assert.True(t, kept.listening())
		kept.onEvent(Event{})
		assert.Equal(t, 1, told)
	})
	t.Run("Logger", func(t *testing.T) {
		logger := slog.New(slog.DiscardHandler)
		kept := (&Config{Logger: logger}).setup()
		assert.True(t, kept.listening())
		assert.Same(t, logger, kept.logger())
		assert.NotPanics(t, func() { kept.onEvent(Event{}) })
	})
	t.Run("and what is left out takes no room", func(t *testing.T) {
		kept := (&Config{Refresher: granter{}}).setup()
		assert.Nil(t, kept.options)
		assert.Nil(t, kept.logger())
		assert.NotPanics(t, func() { kept.onEvent(Event{}) })
		assert.Less(t, kept.draw(), 1.0)
	})
}

func TestNewSession_WhatAnAnswerDoesNotTellIsKept(t *testing.T) {
	first := pair(at(0), 48*time.Hour, 0)
	first.ClientID, first.AccountID = "PUB_989", "1663"
	former := newSession(arrival{token: first, from: granted, at: at(0)}, &settings{})
	for _, tt := range []struct {
		name string
		tell func(*ags.Token)
		want []string // the client, the account, and the refresh token
	}{
		{"nothing told", func(t *ags.Token) { t.RefreshToken = ags.Secret{} }, []string{"PUB_989", "1663", "r"}},
		{"another client", func(t *ags.Token) { t.ClientID = "PUB_1" }, []string{"PUB_1", "1663", "s"}},
		{"another account", func(t *ags.Token) { t.AccountID = "1" }, []string{"PUB_989", "1", "s"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answer := pair(at(time.Hour), 0, 0)
			answer.RefreshToken = ags.NewSecret("s")
			tt.tell(answer)
			next := newSession(arrival{token: answer, from: granted, at: at(time.Hour), former: former}, &settings{}).token
			assert.Equal(t, tt.want, []string{next.ClientID, next.AccountID, next.RefreshToken.Reveal()})
		})
	}
	t.Run("a new horizon of the refresh token that is kept", func(t *testing.T) {
		answer := pair(at(time.Hour), 72*time.Hour, 0)
		answer.RefreshToken = ags.Secret{}
		next := newSession(arrival{token: answer, from: granted, at: at(time.Hour), former: former}, &settings{}).token
		assert.Equal(t, base.Add(73*time.Hour), next.RefreshExpiresAt)
	})
}

func TestSource_WhatIsServedIsServedWithoutTheLock(t *testing.T) {
	c := clock.NewFake(base)
	s, err := New(Config{Refresher: refuser{t}, Clock: c, Token: pair(at(0), 0, 0)})
	require.NoError(t, err)
	want, err := s.TokenContext(t.Context())
	require.NoError(t, err)
	served := s.quiet.Load()
	require.NotNil(t, served)
	assert.Same(t, want, served.bearer)
	s.mu.Lock() // as whoever has it may be slow
	got, err := s.TokenContext(t.Context())
	s.mu.Unlock()
	require.NoError(t, err)
	assert.Same(t, want, got)
	require.NoError(t, s.Close())
}

// timeless is a clock that makes no timers.
type timeless struct {
	*clock.Fake
	t *testing.T
}

func (c timeless) NewTimer(d time.Duration) clock.Timer {
	c.t.Error("a timer was made")
	return c.Fake.NewTimer(d)
}

func TestPause_OfNothingIsOverAtOnce(t *testing.T) {
	s, err := New(Config{Refresher: granter{}, Clock: timeless{clock.NewFake(base), t}})
	require.NoError(t, err)
	require.NoError(t, s.pause(t.Context(), 0))
	require.NoError(t, s.pause(t.Context(), -time.Second))
	ended, end := context.WithCancel(t.Context())
	end()
	require.ErrorIs(t, s.pause(ended, 0), context.Canceled)
}
