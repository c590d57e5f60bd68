package store_test

import (
	"path/filepath"
	"testing"

	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/store/storetest"
)

func TestFile_Conformance(t *testing.T) {
	storetest.Run(t, func(tb testing.TB) storetest.Opener {
		tb.Helper()
		path := filepath.Join(tb.TempDir(), "new", "session.json")
		return func() storetest.Store { return &store.File{Path: path} }
	})
}

func TestMemory_Conformance(t *testing.T) {
	storetest.Run(t, func(testing.TB) storetest.Opener {
		var m store.Memory
		return func() storetest.Store { return m.Peer() }
	})
}
