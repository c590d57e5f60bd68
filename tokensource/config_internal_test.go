package tokensource

import (
	"log/slog"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestConfig_EachOptionAloneIsHeeded(t *testing.T) {
	announced, logger := 0, slog.New(slog.DiscardHandler)
	for name, tt := range map[string]struct {
		cfg       Config
		change    func(*settings) // of the defaults
		listening bool
	}{
		"none":           {Config{Refresher: granter(0)}, func(*settings) {}, false},
		"RefreshBefore":  {Config{RefreshBefore: time.Minute}, func(s *settings) { s.refreshBefore = time.Minute }, false},
		"WarnBefore":     {Config{WarnBefore: time.Minute}, func(s *settings) { s.warnBefore = time.Minute }, false},
		"RefreshTimeout": {Config{RefreshTimeout: time.Minute}, func(s *settings) { s.refreshTimeout = time.Minute }, false},
		"LockTimeout":    {Config{LockTimeout: time.Minute}, func(s *settings) { s.lockTimeout = time.Minute }, false},
		"StoreTimeout":   {Config{StoreTimeout: time.Minute}, func(s *settings) { s.storeTimeout = time.Minute }, false},
		"a long one":     {Config{LockTimeout: math.MaxInt64}, func(s *settings) { s.lockTimeout = maxSetting }, false},
		"Rand":           {Config{Rand: func() float64 { return 2 }}, func(*settings) {}, false},
		"OnEvent":        {Config{OnEvent: func(Event) { announced++ }}, func(*settings) {}, true},
		"Logger":         {Config{Logger: logger}, func(*settings) {}, true},
	} {
		kept, want := tt.cfg.setup(), defaultSettings()
		tt.change(&want)
		assert.Equal(t, want, kept.settings(), name)
		assert.Equal(t, tt.listening, kept.listening(), name)
		assert.Equal(t, name == "none", kept.options == nil, "%s: what is left out takes no memory", name)
		assert.Equal(t, name == "Rand", kept.draw() >= 1, name)
		assert.Same(t, tt.cfg.Logger, kept.logger(), name)
		kept.onEvent(Event{})
	}
	assert.Equal(t, 1, announced)
}
