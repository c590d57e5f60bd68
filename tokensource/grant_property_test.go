package tokensource_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// singleUse is a gateway that accepts only the refresh token that it granted last.
type singleUse struct {
	f *fixture

	mu      sync.Mutex // guards current
	current string
	spent   atomic.Bool // another one was presented
}

func (g *singleUse) Refresh(_ context.Context, t *ags.Token) (*ags.Token, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if t.RefreshToken.Reveal() != g.current {
		g.spent.Store(true)
		return nil, errUnauthorized
	}
	next := g.f.gw.grant()
	g.current = next.RefreshToken.Reveal()
	return next, nil
}

// mortal is a process that can be killed in the middle of an exchange. Its store fails from
// then on.
type mortal struct {
	*store.Memory

	dead atomic.Bool
}

func (m *mortal) Load(ctx context.Context) ([]byte, error) {
	if m.dead.Load() {
		return nil, errUnreachable
	}
	return m.Memory.Load(ctx)
}

func (m *mortal) Save(ctx context.Context, record []byte) error {
	if m.dead.Load() {
		return errUnreachable
	}
	return m.Memory.Save(ctx, record)
}

// exchange states of the plan below.
const (
	exchangeSucceeds = iota
	exchangeFails
	exchangeIsKilled
)

// Two processes share a session whose refresh tokens are good for one use. Exchanges fail,
// and processes are killed in the middle of one. No refresh token is lost, and nobody gets
// an access token that was not exchanged.
func TestProperty_OnGrantLosesNoPair(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.IntRange(0, 5), 5, 30).Draw(rt, "steps")
		processes := rapid.SliceOfN(rapid.IntRange(0, 1), 30, 30).Draw(rt, "processes")
		problem := ""
		synctest.Test(t, func(t *testing.T) { problem = playExchanges(t, steps, processes) })
		if problem != "" {
			rt.Fatal(problem)
		}
	})
}

func playExchanges(t *testing.T, steps, processes []int) (problem string) {
	t.Helper()
	f := newFixture(t)
	first := f.gw.grant()
	gateway := &singleUse{f: f, current: first.RefreshToken.Reveal()}
	shared := &store.Memory{}
	var mode atomic.Int32
	open := func(token *ags.Token) (*tokensource.Source, *mortal) {
		disk := &mortal{Memory: shared.Peer()}
		return f.source(func(_ *fixture, c *tokensource.Config) {
			c.Refresher, c.Store, c.Token = gateway, disk, token
			c.OnGrant = func(_ context.Context, granted *ags.Token) (*ags.Token, error) {
				switch mode.Load() {
				case exchangeIsKilled:
					disk.dead.Store(true)
					fallthrough
				case exchangeFails:
					return nil, errExchange
				}
				return &ags.Token{AccessToken: ags.NewSecret("x" + granted.AccessToken.Reveal()[1:])}, nil
			}
		}), disk
	}
	var sources [2]*tokensource.Source
	var disks [2]*mortal
	for i := range sources {
		sources[i], disks[i] = open(first)
		defer func() { _ = sources[i].Close() }()
	}
	for n, step := range steps {
		i := processes[n]
		switch step {
		case 0:
			f.clock.Advance(access - 5*time.Minute)
		case 1:
			f.clock.Advance(12 * time.Second)
		case 2, 3, 4:
			mode.Store(int32(step - 2))
		case 5:
			sources[i].Invalidate("a1")
		}
		f.src = sources[i]
		got, err := f.ask()
		synctest.Wait()
		switch {
		case gateway.spent.Load():
			return "a spent refresh token was presented"
		case err != nil && (!errors.Is(err, errExchange) && !errors.Is(err, errUnreachable) || tokensource.IsFinal(err)):
			return err.Error()
		case err == nil && got != "a1" && !strings.HasPrefix(got, "x"):
			return got + " was not exchanged"
		}
		for i, disk := range disks {
			if disk.dead.Load() { // the next process takes its place
				require.Error(t, errors.Join(sources[i].Close(), errUnreachable))
				sources[i], disks[i] = open(first)
			}
		}
	}
	mode.Store(exchangeSucceeds)
	for _, src := range sources {
		f.src = src
		f.clock.Advance(access)
		if _, err := f.ask(); err != nil {
			return err.Error()
		}
	}
	return ""
}
