package endtoend_test

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// faultyStore is a store whose Load and Save fail on demand.
type faultyStore struct {
	*store.Memory
	loadFails, saveFails atomic.Bool
	repaired             atomic.Bool // reported by the next Notices
}

func (f *faultyStore) Notices() []error {
	if f.repaired.Swap(false) {
		return []error{errors.New("its mode was 0660, and is 0600 again")}
	}
	return nil
}

var errDisk = errors.New("input/output error")

func (f *faultyStore) Load(ctx context.Context) ([]byte, error) {
	if f.loadFails.Load() {
		return nil, errDisk
	}
	return f.Memory.Load(ctx)
}

func (f *faultyStore) Save(ctx context.Context, record []byte) error {
	if f.saveFails.Load() {
		return errDisk
	}
	return f.Memory.Save(ctx, record)
}

// sharedStores returns a constructor for each kind of store that processes share. A
// constructor makes an empty store, and returns a function that opens it for another
// process with each call.
func sharedStores() map[string]func(*testing.T) func() tokensource.Store {
	return map[string]func(*testing.T) func() tokensource.Store{
		"file": func(t *testing.T) func() tokensource.Store {
			path := filepath.Join(t.TempDir(), "session.json")
			return func() tokensource.Store { return &store.File{Path: path} }
		},
		"memory": func(*testing.T) func() tokensource.Store {
			var memory store.Memory
			return func() tokensource.Store { return memory.Peer() }
		},
	}
}

// inBubblePerStore is inBubble for each kind of store that processes can share. open
// opens the store for one more process.
func inBubblePerStore(t *testing.T, opts options, test func(t *testing.T, s *stack, open func() tokensource.Store)) {
	t.Helper()
	for name, newStore := range sharedStores() {
		t.Run(name, func(t *testing.T) {
			open := newStore(t)
			inBubble(t, opts, func(t *testing.T, s *stack) { test(t, s, open) })
		})
	}
}

// peers returns n sources of one session, as in n processes, and an HTTP client for each.
func (s *stack) peers(n int, open func() tokensource.Store, set func(*stack, *tokensource.Config)) (
	sources []*tokensource.Source, clients []*http.Client,
) {
	s.t.Helper()
	for range n {
		src := s.source(func(s *stack, cfg *tokensource.Config) {
			cfg.Store, cfg.Token, cfg.Rand = open(), nil, nil
			if set != nil {
				set(s, cfg)
			}
		})
		sources, clients = append(sources, src), append(clients, s.clientOf(src))
	}
	return sources, clients
}

// storeToken saves the token pair of the first sign-on.
func (s *stack) storeToken(open func() tokensource.Store) {
	s.t.Helper()
	src := s.source(func(_ *stack, cfg *tokensource.Config) { cfg.Store = open() })
	_, err := src.TokenContext(s.t.Context())
	require.NoError(s.t, errors.Join(err, src.Close()))
}

func closeAll(t *testing.T, sources []*tokensource.Source) {
	t.Helper()
	for _, src := range sources {
		require.NoError(t, src.Close())
	}
}

// callAll calls the API with every client, the given number of times each, all at once.
func (s *stack) callAll(clients []*http.Client, times int) *callStats {
	s.t.Helper()
	var stats callStats
	var wg sync.WaitGroup
	for _, c := range clients {
		for range times {
			wg.Go(func() {
				begin := time.Now()
				err := send(s.t.Context(), c, http.MethodGet, s.srv.URL+"/api/profile", "").asError()
				stats.add(time.Since(begin), err)
			})
		}
	}
	wg.Wait()
	return &stats
}
