package endtoend_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// chaosFaults chooses a fault for a request to the gateway, in one of three cases.
func chaosFaults(random *rand.Rand) func(agstest.Request) agstest.Fault {
	var mu sync.Mutex
	faults := []agstest.Fault{
		{Kind: agstest.Lost},
		{Kind: agstest.Lost, AfterWork: true},
		{Kind: agstest.Cut},
		{Kind: agstest.CutChunked},
		{Kind: agstest.Garbage, AfterWork: true},
		{Kind: agstest.HTML},
		{Kind: agstest.HTML, Status: 401},
		{Kind: agstest.Oversized},
		{Kind: agstest.Redirect},
		{Kind: agstest.Drip, Pause: time.Second},
		{Delay: 9 * time.Second},
		{Delay: 9 * time.Second, AfterWork: true},
		{Delay: time.Minute, AfterWork: true},
		{Status: 500},
		{Status: 503, RetryAfter: 20 * time.Second},
		{Status: 429, RetryAfter: 10 * time.Second, RetryAfterDate: true},
		{Status: 403},
		{Code: 20002},
	}
	return func(agstest.Request) agstest.Fault {
		mu.Lock()
		defer mu.Unlock()
		if random.IntN(3) > 0 {
			return agstest.Fault{}
		}
		return faults[random.IntN(len(faults))]
	}
}

// Half a day of random faults: every third refresh fails, the API rejects valid
// tokens now and then, the store fails, and users sign on. No two refreshes overlap,
// no expired token is sent, no call waits longer than an attempt may take, and the
// session recovers at the end.
func TestChaos(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			disk := &faultyStore{Memory: &store.Memory{}}
			random, chance := rand.New(rand.NewPCG(seed, 7)), rand.New(rand.NewPCG(seed, 8))
			opts := options{
				platform: agstest.Config{AccessLifetime: 10 * time.Minute, FixedLifetime: 7 * time.Hour, ReuseGrace: time.Hour, DeviceLimit: -1},
				source: func(s *stack, cfg *tokensource.Config) {
					withLogin(s, cfg)
					cfg.Store = disk
				},
			}
			inBubble(t, opts, func(t *testing.T, s *stack) {
				other := s.source(func(s *stack, cfg *tokensource.Config) {
					withLogin(s, cfg)
					cfg.Store, cfg.Token = disk.Peer(), nil
				})
				s.srv.AlwaysFunc(agstest.Refresh, chaosFaults(chance))
				var stats callStats
				var wg sync.WaitGroup
				end := time.Now().Add(12 * time.Hour)
				for i, src := range []*tokensource.Source{s.src, other, s.src, other} {
					wg.Go(func() {
						c := s.clientOf(src)
						time.Sleep(time.Duration(i) * 20 * time.Second)
						for time.Now().Before(end) {
							begin := time.Now()
							r := send(t.Context(), c, http.MethodGet, s.srv.URL+"/api/profile", "")
							assert.Contains(t, []int{0, http.StatusOK, http.StatusForbidden}, r.status)
							stats.add(time.Since(begin), r.err)
							time.Sleep(5 * time.Minute)
						}
					})
				}
				rejected := 0
				for time.Now().Before(end) {
					sleep(time.Duration(1+random.IntN(30)) * time.Minute)
					switch random.IntN(6) {
					case 0:
						s.srv.RejectNext(1)
						rejected++
					case 1:
						disk.saveFails.Store(!disk.saveFails.Load())
					case 2:
						disk.loadFails.Store(!disk.loadFails.Load())
					case 3:
						_ = other.Sync(t.Context())
					case 4:
						token, err := s.gw.SignOn(t.Context(), ags.SignOnRequest{Parameters: newDevice().Parameters, ClientID: "PUB_1"})
						require.NoError(t, err)
						_ = s.src.SetToken(t.Context(), token)
					case 5:
						s.srv.RevokeSessions()
					}
				}
				wg.Wait()
				assert.LessOrEqual(t, s.rejectedCalls(), rejected, "an expired token was sent")
				assert.LessOrEqual(t, stats.slowest, 2*time.Minute)
				for _, err := range stats.errs {
					var later *tokensource.UnavailableError
					if assert.ErrorAs(t, err, &later) {
						assert.NotErrorIs(t, err, tokensource.ErrLoginRequired)
					}
				}
				t.Log(stats.calls, "calls,", len(stats.errs), "without a token;", s.srv.Count(agstest.Refresh), "refreshes asked for;",
					s.srv.Count(agstest.SignOn), "sign-ons; the longest wait", stats.slowest)

				disk.loadFails.Store(false)
				disk.saveFails.Store(false)
				s.srv.Clear()
				s.srv.RejectNext(0)
				sleep(6 * time.Minute)
				for _, src := range []*tokensource.Source{s.src, other} {
					r := send(t.Context(), s.clientOf(src), http.MethodGet, s.srv.URL+"/api/profile", "")
					require.NoError(t, r.asError())
				}
				assert.LessOrEqual(t, s.srv.MaxInFlight(agstest.Refresh), 2)
				assert.Equal(t, 1, s.srv.Stats().Devices)
				require.NoError(t, other.Close())
			})
		})
	}
}
