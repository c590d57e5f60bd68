package lifecycle

import (
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// RetryIn returns how long it is until the next attempt to refresh or load is due.
func (s *State) RetryIn(now dualclock.Instant) time.Duration { return s.failure.retryAt().Left(now) }
