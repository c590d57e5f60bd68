package tokensource

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestConfig_EachSettingAloneIsHeeded(t *testing.T) {
	with := func(change func(*settings)) settings {
		s := defaultSettings()
		change(&s)
		return s
	}
	for name, tt := range map[string]struct {
		cfg  Config
		want settings
	}{
		"none":           {Config{}, defaultSettings()},
		"RefreshBefore":  {Config{RefreshBefore: time.Minute}, with(func(s *settings) { s.refreshBefore = time.Minute })},
		"WarnBefore":     {Config{WarnBefore: time.Minute}, with(func(s *settings) { s.warnBefore = time.Minute })},
		"RefreshTimeout": {Config{RefreshTimeout: time.Minute}, with(func(s *settings) { s.refreshTimeout = time.Minute })},
		"LockTimeout":    {Config{LockTimeout: time.Minute}, with(func(s *settings) { s.lockTimeout = time.Minute })},
		"StoreTimeout":   {Config{StoreTimeout: time.Minute}, with(func(s *settings) { s.storeTimeout = time.Minute })},
	} {
		kept := tt.cfg.setup()
		assert.Equal(t, tt.want, kept.settings(), name)
		assert.False(t, kept.listening(), name)
	}
}

func TestConfig_EachFunctionAloneIsHeeded(t *testing.T) {
	announced, logger := 0, slog.New(slog.DiscardHandler)
	for name, tt := range map[string]struct {
		cfg       Config
		listening bool
		logger    *slog.Logger
	}{
		"none":    {Config{Refresher: granter(0)}, false, nil},
		"Rand":    {Config{Rand: func() float64 { return 0.25 }}, false, nil},
		"OnEvent": {Config{OnEvent: func(Event) { announced++ }}, true, nil},
		"Logger":  {Config{Logger: logger}, true, logger},
	} {
		t.Run(name, func(t *testing.T) {
			kept := tt.cfg.setup()
			assert.Equal(t, name == "none", kept.options == nil, "what is left out takes no memory")
			assert.Equal(t, tt.listening, kept.listening())
			assert.Same(t, tt.logger, kept.logger())
			assert.NotPanics(t, func() { kept.onEvent(Event{}) })
			if draw := kept.draw(); name == "Rand" {
				assert.InDelta(t, 0.25, draw, 0)
			} else {
				assert.Less(t, draw, 1.0)
			}
		})
	}
	assert.Equal(t, 1, announced)
}
