package pool_test

import (
	"errors"
	"runtime"
)

var errBoom = errors.New("boom")

func exitGoroutine() { runtime.Goexit() }
