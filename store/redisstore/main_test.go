package redisstore_test

import (
	"testing"

	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"
)

// The client logs what the tests do to its server.
func TestMain(m *testing.M) {
	logging.Disable()
	goleak.VerifyTestMain(m)
}
