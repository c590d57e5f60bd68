package endtoend_test

import (
	"errors"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// shelves are the kinds of stores that processes share. Each makes one, with
// nothing in it, and every call of what it returns is another process's view.
func shelves() map[string]func(*testing.T) func() tokensource.Store {
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

// neighbours makes n sources of one session, as n processes would have them, and
// returns their clients too.
func (h *house) neighbours(n int, open func() tokensource.Store, set func(*house, *tokensource.Config)) (
	sources []*tokensource.Source, clients []*http.Client,
) {
	h.t.Helper()
	for range n {
		src := h.source(func(h *house, cfg *tokensource.Config) {
			cfg.Store, cfg.Token, cfg.Rand = open(), nil, nil
			if set != nil {
				set(h, cfg)
			}
		})
		sources, clients = append(sources, src), append(clients, h.clientOf(src))
	}
	return sources, clients
}

// deposit stores the first sign-on's pair, as a command line would.
func (h *house) deposit(open func() tokensource.Store) {
	h.t.Helper()
	src := h.source(func(_ *house, cfg *tokensource.Config) { cfg.Store = open() })
	_, err := src.TokenContext(h.t.Context())
	require.NoError(h.t, errors.Join(err, src.Close()))
}

func closeAll(t *testing.T, sources []*tokensource.Source) {
	t.Helper()
	for _, src := range sources {
		require.NoError(t, src.Close())
	}
}

// askAll has every client ask the API, several times each, all at once.
func (h *house) askAll(clients []*http.Client, times int) *tally {
	h.t.Helper()
	var y tally
	var wg sync.WaitGroup
	for _, c := range clients {
		for range times {
			wg.Go(func() {
				begin := time.Now()
				err := send(h.t.Context(), c, http.MethodGet, h.srv.URL+"/api/profile", "").failed()
				y.add(time.Since(begin), err)
			})
		}
	}
	wg.Wait()
	return &y
}

// Several processes on one session, with refresh tokens that are good once: one
// refresh a lifetime, whoever makes it, and nobody waits.
func TestEndToEnd_ProcessesShareASession(t *testing.T) {
	for name, shelf := range shelves() {
		for size, n := range map[string]int{"two": 2, "eight": 8} {
			t.Run(size+" on a "+name, func(t *testing.T) {
				open := shelf(t)
				bubble(t, plan{}, func(t *testing.T, h *house) {
					h.deposit(open)
					sources, clients := h.neighbours(n, open, nil)
					h.srv.Always(agstest.Refresh, agstest.Fault{Delay: 2 * time.Second})
					// The first look at the store is the only wait.
					assert.Empty(t, h.askAll(clients, 1).errs)
					for range 100 {
						y := h.askAll(clients, 1)
						require.Empty(t, y.errs)
						require.Zero(t, y.slowest)
						time.Sleep(2 * time.Minute)
					}
					h.wantCount(agstest.Refresh, 3)
					assert.Zero(t, h.rejections())
					h.wantSound()
					closeAll(t, sources)
				})
			})
		}
	}
}

// All of them find the token dead at the same moment.
func TestEndToEnd_ProcessesWakeUpTogether(t *testing.T) {
	for name, shelf := range shelves() {
		t.Run(name, func(t *testing.T) {
			open := shelf(t)
			bubble(t, plan{}, func(t *testing.T, h *house) {
				h.deposit(open)
				sources, clients := h.neighbours(8, open, nil)
				h.srv.Always(agstest.Refresh, agstest.Fault{Delay: time.Second})
				for round := 1; round <= 3; round++ {
					sleep(5 * time.Hour)
					y := h.askAll(clients, 5)
					require.Empty(t, y.errs)
					assert.Less(t, y.slowest, 2*time.Second)
					h.wantCount(agstest.Refresh, round)
				}
				assert.Zero(t, h.rejections())
				h.wantSound()
				closeAll(t, sources)
			})
		})
	}
}

// Eight processes that all can sign on, and have nothing: one sign-on.
func TestEndToEnd_ProcessesSignOnOnce(t *testing.T) {
	for name, shelf := range shelves() {
		t.Run(name, func(t *testing.T) {
			open := shelf(t)
			bubble(t, plan{unsigned: true}, func(t *testing.T, h *house) {
				sources, clients := h.neighbours(8, open, withLogin)
				h.srv.Always(agstest.SignOn, agstest.Fault{Delay: time.Second})
				y := h.askAll(clients, 5)
				require.Empty(t, y.errs)
				h.wantCount(agstest.SignOn, 1)
				// Two days later, in which nobody did anything, once more.
				sleep(49 * time.Hour)
				y = h.askAll(clients, 5)
				require.Empty(t, y.errs)
				h.wantCount(agstest.SignOn, 2)
				h.wantCount(agstest.Refresh, 0)
				assert.Equal(t, 1, h.srv.Stats().Devices)
				h.wantSound()
				closeAll(t, sources)
			})
		})
	}
}

// A restart costs no call: what is stored is gone on with, to the same end.
func TestEndToEnd_Restarts(t *testing.T) {
	for name, shelf := range shelves() {
		t.Run(name, func(t *testing.T) {
			open := shelf(t)
			bubble(t, plan{platform: agstest.Config{FixedLifetime: 5 * time.Hour}}, func(t *testing.T, h *house) {
				// A program that is given the first pair at every start, however old.
				given := func(_ *house, cfg *tokensource.Config) { cfg.Store = open() }
				for life := 1; life <= 5; life++ {
					src := h.source(given)
					c := h.clientOf(src)
					for range 11 {
						r := send(t.Context(), c, http.MethodGet, h.srv.URL+"/api/profile", "")
						require.NoError(t, r.failed())
						sleep(5 * time.Minute)
					}
					r := send(t.Context(), c, http.MethodGet, h.srv.URL+"/api/profile", "")
					require.NoError(t, r.failed())
					require.Equal(t, life, r.echo.Generation)
					sleep(0)
					require.NoError(t, src.Close())
				}
				h.wantCount(agstest.Refresh, 5) // the sixth pair reaches the end
				src := h.source(given)
				sleep(time.Until(h.token.FixedExpiresAt))
				_, err := src.TokenContext(t.Context())
				var e *tokensource.LoginRequiredError
				require.ErrorAs(t, err, &e)
				assert.Equal(t, tokensource.FixedExpired, e.Reason)
				assert.WithinDuration(t, h.token.FixedExpiresAt, e.At, 0)
				require.NoError(t, src.Close())
				h.wantCount(agstest.SignOn, 1)
				h.wantSound()
			})
		})
	}
}

// A sign-out in one process is one in the other: when it syncs, and at its next
// refresh at the latest, which is then none.
func TestEndToEnd_SignOutIsSeenNextDoor(t *testing.T) {
	for name, shelf := range shelves() {
		t.Run(name, func(t *testing.T) {
			open := shelf(t)
			bubble(t, plan{}, func(t *testing.T, h *house) {
				h.deposit(open)
				sources, clients := h.neighbours(3, open, withLogin)
				require.Empty(t, h.askAll(clients, 1).errs)
				require.NoError(t, sources[0].SignOut(t.Context()))

				require.NoError(t, sources[1].Sync(t.Context()))
				_, err := sources[1].TokenContext(t.Context())
				var e *tokensource.LoginRequiredError
				require.ErrorAs(t, err, &e)
				assert.Equal(t, tokensource.SignedOut, e.Reason)
				assert.Equal(t, "PUB_1", e.ClientID)

				sleep(56 * time.Minute)
				_, _ = sources[2].TokenContext(t.Context())
				sleep(time.Second)
				_, err = sources[2].TokenContext(t.Context())
				require.ErrorAs(t, err, &e)
				assert.Equal(t, tokensource.SignedOut, e.Reason)
				h.wantCount(agstest.SignOut, 1)
				h.wantCount(agstest.Refresh, 0)
				h.wantCount(agstest.SignOn, 1)
				closeAll(t, sources)

				// And after a restart it still is one, for the same device.
				sources, _ = h.neighbours(1, open, withLogin)
				_, err = sources[0].TokenContext(t.Context())
				require.ErrorAs(t, err, &e)
				assert.Equal(t, tokensource.SignedOut, e.Reason)
				assert.Equal(t, "PUB_1", e.ClientID)
				h.wantCount(agstest.SignOn, 1)
				closeAll(t, sources)
			})
		})
	}
}

// A human signs on in one process, and the others go on within a second.
func TestEndToEnd_LoginNextDoorRevives(t *testing.T) {
	for name, shelf := range shelves() {
		t.Run(name, func(t *testing.T) {
			open := shelf(t)
			bubble(t, plan{}, func(t *testing.T, h *house) {
				h.deposit(open)
				sources, clients := h.neighbours(3, open, nil)
				require.Empty(t, h.askAll(clients, 1).errs)
				sleep(49 * time.Hour)
				for range 2 {
					assert.Len(t, h.askAll(clients, 2).errs, 6)
				}
				token, err := h.gw.SignOn(t.Context(), ags.SignOnRequest{Parameters: newDevice().Parameters, ClientID: "PUB_1"})
				require.NoError(t, err)
				require.NoError(t, sources[0].SetToken(t.Context(), token))
				sleep(time.Second)
				require.Empty(t, h.askAll(clients, 2).errs)
				h.wantCount(agstest.Refresh, 0)
				h.wantSound()
				closeAll(t, sources)
			})
		})
	}
}

// Without a lock two processes can spend one token. Before the one that comes too
// late gives up it looks what the other has stored.
func TestEndToEnd_RejectedButAdopted(t *testing.T) {
	var memory store.Memory
	open := func() tokensource.Store {
		return struct{ tokensource.Store }{memory.Peer()} // what is left is no Locker
	}
	bubble(t, plan{}, func(t *testing.T, h *house) {
		h.deposit(open)
		sources, clients := h.neighbours(2, open, nil)
		require.Empty(t, h.askAll(clients, 1).errs)
		sleep(90 * time.Minute)
		release := h.srv.Hold(agstest.Refresh)
		// The second is told what a spent token is told, after the first was answered.
		h.srv.Script(agstest.Refresh, agstest.Fault{}, agstest.Fault{Status: 401, Delay: time.Second})
		asked := make(chan *tally, 1)
		go func() { asked <- h.askAll(clients, 3) }()
		synctest.Wait()
		h.wantCount(agstest.Refresh, 2)
		release()
		y := <-asked
		assert.Empty(t, y.errs)
		for _, src := range sources {
			assert.Equal(t, tokensource.Fresh, src.Status().Phase)
		}
		require.Empty(t, h.askAll(clients, 1).errs)
		h.wantCount(agstest.Refresh, 2)
		assert.Zero(t, h.rejections())
		closeAll(t, sources)
	})
}
