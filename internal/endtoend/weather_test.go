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

// weather chooses what befalls a request to the gateway: mostly nothing.
func weather(random *rand.Rand) func(agstest.Request) agstest.Fault {
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

// Bad weather for half a day: every third refresh goes wrong in some way, the API
// rejects a good token now and then, the disk fails, people interfere. Whatever
// comes, no two refreshes are in the air, no dead token is sent, nobody waits for
// longer than an attempt may take, nothing hangs; and with the sun all is well.
func TestEndToEnd_Weather(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			disk := &fickle{Memory: &store.Memory{}}
			random, chance := rand.New(rand.NewPCG(seed, 7)), rand.New(rand.NewPCG(seed, 8))
			p := plan{
				platform: agstest.Config{AccessLifetime: 10 * time.Minute, FixedLifetime: 7 * time.Hour, ReuseGrace: time.Hour, DeviceLimit: -1},
				source: func(h *house, cfg *tokensource.Config) {
					withLogin(h, cfg)
					cfg.Store = disk
				},
			}
			bubble(t, p, func(t *testing.T, h *house) {
				other := h.source(func(h *house, cfg *tokensource.Config) {
					withLogin(h, cfg)
					cfg.Store, cfg.Token = disk.Peer(), nil
				})
				h.srv.AlwaysFunc(agstest.Refresh, weather(chance))
				var y tally
				var wg sync.WaitGroup
				end := time.Now().Add(12 * time.Hour)
				for i, src := range []*tokensource.Source{h.src, other, h.src, other} {
					wg.Go(func() {
						c := h.clientOf(src)
						time.Sleep(time.Duration(i) * 20 * time.Second)
						for time.Now().Before(end) {
							begin := time.Now()
							r := send(t.Context(), c, http.MethodGet, h.srv.URL+"/api/profile", "")
							assert.Contains(t, []int{0, http.StatusOK, http.StatusForbidden}, r.status)
							y.add(time.Since(begin), r.err)
							time.Sleep(5 * time.Minute)
						}
					})
				}
				rejected := 0
				for time.Now().Before(end) {
					sleep(time.Duration(1+random.IntN(30)) * time.Minute)
					switch random.IntN(6) {
					case 0:
						h.srv.RejectNext(1)
						rejected++
					case 1:
						disk.saveFails.Store(!disk.saveFails.Load())
					case 2:
						disk.loadFails.Store(!disk.loadFails.Load())
					case 3:
						_ = other.Sync(t.Context())
					case 4:
						token, err := h.gw.SignOn(t.Context(), ags.SignOnRequest{Parameters: newDevice().Parameters, ClientID: "PUB_1"})
						require.NoError(t, err)
						_ = h.src.SetToken(t.Context(), token)
					case 5:
						h.srv.RevokeSessions()
					}
				}
				wg.Wait()
				assert.LessOrEqual(t, h.rejections(), rejected, "no dead token was sent")
				assert.LessOrEqual(t, y.slowest, 2*time.Minute)
				for _, err := range y.errs {
					var later *tokensource.UnavailableError
					if assert.ErrorAs(t, err, &later) {
						assert.NotErrorIs(t, err, tokensource.ErrLoginRequired)
					}
				}
				t.Log(y.calls, "calls,", len(y.errs), "without a token;", h.srv.Count(agstest.Refresh), "refreshes asked for;",
					h.srv.Count(agstest.SignOn), "sign-ons; the longest wait", y.slowest)

				disk.loadFails.Store(false)
				disk.saveFails.Store(false)
				h.srv.Clear()
				h.srv.RejectNext(0)
				sleep(6 * time.Minute)
				for _, src := range []*tokensource.Source{h.src, other} {
					r := send(t.Context(), h.clientOf(src), http.MethodGet, h.srv.URL+"/api/profile", "")
					require.NoError(t, r.failed())
				}
				assert.LessOrEqual(t, h.srv.MaxInFlight(agstest.Refresh), 2)
				assert.Equal(t, 1, h.srv.Stats().Devices)
				require.NoError(t, other.Close())
			})
		})
	}
}
