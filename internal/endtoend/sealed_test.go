package endtoend_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// sealedFile returns a sealed store for the default user, with these keys.
func sealedFile(t *testing.T, path string, keys ...byte) *store.Sealed {
	t.Helper()
	s := &store.Sealed{Store: &store.File{Path: path}, Name: agstest.DefaultUsername}
	for _, n := range keys {
		key, err := store.NewKey(bytes.Repeat([]byte{n}, 32))
		require.NoError(t, err)
		s.Keys = append(s.Keys, key)
	}
	return s
}

// Processes share a sealed session while its key is rotated. There is one refresh
// per lifetime, and no caller notices.
func TestSealedSessionIsShared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "session.json")
	inBubble(t, options{}, func(t *testing.T, s *stack) {
		s.storeToken(func() tokensource.Store { return sealedFile(t, path, 1) })
		refreshes := 0
		for _, keys := range [][2][]byte{{{1}, {1, 2}}, {{1, 2}, {2, 1}}, {{2, 1}, {2}}} {
			var sources []*tokensource.Source
			var clients []*http.Client
			for _, some := range keys { // the processes change their keys one after the other
				src, c := s.peers(2, func() tokensource.Store { return sealedFile(t, path, some...) }, withLogin)
				sources, clients = append(sources, src...), append(clients, c...)
			}
			for range 2 {
				sleep(90 * time.Minute)
				// A process with the newer keys goes first, so that the record is
				// sealed with them before the old processes stop.
				require.Empty(t, s.callAll(clients[2:], 3).errs)
				require.Empty(t, s.callAll(clients[:2], 3).errs)
				refreshes++
				s.wantCount(agstest.Refresh, refreshes)
			}
			closeAll(t, sources)
		}
		s.wantCount(agstest.SignOn, 1)
		assert.Zero(t, s.rejectedCalls())
		s.wantNoOverlap()
		onDisk, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.NotContains(t, string(onDisk), "token")
	})
}

// A service with the wrong key must not sign on, since a peer may be using the
// session that it cannot read.
func TestSealedWithAnotherKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "session.json")
	inBubble(t, options{}, func(t *testing.T, s *stack) {
		s.storeToken(func() tokensource.Store { return sealedFile(t, path, 1) })
		before, err := os.ReadFile(path)
		require.NoError(t, err)
		open := func() tokensource.Store { return sealedFile(t, path, 2) }
		sources, clients := s.peers(1, open, withLogin)
		for range 20 {
			r := send(t.Context(), clients[0], http.MethodGet, s.srv.URL+"/api/profile", "")
			require.ErrorIs(t, r.err, store.ErrNotOpened)
			sleep(time.Minute)
		}
		s.wantCount(agstest.SignOn, 1)
		s.wantCount(agstest.Refresh, 0)
		s.wantCount(agstest.API, 0)
		kept, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, before, kept)
		closeAll(t, sources)

		next, clients := s.peers(1, func() tokensource.Store { return sealedFile(t, path, 2, 1) }, withLogin)
		r := send(t.Context(), clients[0], http.MethodGet, s.srv.URL+"/api/profile", "")
		require.NoError(t, r.asError())
		closeAll(t, next)
		s.wantCount(agstest.SignOn, 1)
		s.wantNoOverlap()
	})
}
