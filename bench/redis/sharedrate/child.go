package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/store/redisstore"
	"github.com/agsauth/agsauth/tokensource"
)

// The ways to share the rate.
const (
	wayDivided = "divided by those alive"
	wayBucket  = "a bucket, a call a start"
	wayBatches = "a bucket, 20 starts a call"
)

// lateness is the part of the rate that a Gate gives up so that late timers do not exceed
// it. The bucket has the same, to be comparable.
const lateness = 20 * time.Millisecond

// runChild is a process. It writes a line for each start, until it is killed.
func runChild(way, socket string) error {
	logging.Disable()
	ctx := context.Background()
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: socket})
	out := &output{w: bufio.NewWriter(os.Stdout)}
	go out.flush()
	switch way {
	case wayDivided:
		return divided(ctx, client, out)
	case wayBucket:
		return bucket(ctx, client, out, 1)
	default:
		return bucket(ctx, client, out, 20)
	}
}

type output struct {
	mu sync.Mutex
	w  *bufio.Writer
}

// start notes a start that has waited for Redis.
func (o *output) start(waited time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	fmt.Fprintln(o.w, time.Now().UnixNano(), int64(waited))
}

func (o *output) flush() {
	for {
		time.Sleep(100 * time.Millisecond)
		o.mu.Lock()
		_ = o.w.Flush()
		o.mu.Unlock()
	}
}

// Refresh implements tokensource.Refresher.
func (o *output) Refresh(context.Context, *ags.Token) (*ags.Token, error) {
	o.start(0)
	return newToken(time.Hour), nil
}

func newToken(life time.Duration) *ags.Token {
	now := time.Now()
	return &ags.Token{
		AccessToken: ags.NewSecret("access"), RefreshToken: ags.NewSecret(fmt.Sprint("refresh", now.UnixNano())), TokenType: "bearer",
		IssuedAt: now.Add(life - 2*time.Hour), ExpiresAt: now.Add(life), RefreshExpiresAt: now.Add(24 * time.Hour),
	}
}

// divided starts refreshes of ever new sessions, through a Gate with this process's share.
func divided(ctx context.Context, client *redis.Client, out *output) error {
	gate := tokensource.NewGate(tokensource.GateConfig{})
	shares, err := redisstore.NewShares(redisstore.SharesConfig{Client: client, Name: "gateway", PerSecond: perSecond, Set: gate.SetLimits})
	if err != nil {
		return err
	}
	for range workers {
		go func() {
			for {
				if err := refresh(ctx, gate, out); err != nil {
					fmt.Fprintln(os.Stderr, err)
				}
			}
		}()
	}
	return shares.Run(ctx)
}

// refresh refreshes a session whose access token has expired.
func refresh(ctx context.Context, gate *tokensource.Gate, out *output) error {
	s, err := tokensource.New(tokensource.Config{Refresher: out, Gate: gate, Token: newToken(-time.Minute)})
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	_, err = s.TokenContext(ctx)
	return err
}

// reserve reserves starts in the bucket, and returns how long to wait for the first one in
// microseconds. ARGV: the microseconds between two starts, the number of starts.
const reserve = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local due = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
redis.call('SET', KEYS[1], string.format('%.0f', due + ARGV[1] * ARGV[2]))
return string.format('%.0f', due - now)`

// bucket starts calls that it has reserved in Redis.
func bucket(ctx context.Context, client *redis.Client, out *output, batch int) error {
	script := redis.NewScript(reserve)
	gap := (time.Second + lateness) / perSecond
	var wg sync.WaitGroup
	// With batches one worker suffices, which reserves the next batch when the last one
	// is used up.
	for range max(workers/batch, 1) {
		wg.Go(func() {
			for {
				begin := time.Now()
				wait, err := script.Run(ctx, client, []string{"{gateway}:due"}, gap.Microseconds(), batch).Int64()
				took := time.Since(begin)
				if err != nil {
					continue
				}
				for i := range batch {
					time.Sleep(time.Until(begin.Add(took + time.Duration(wait)*time.Microsecond + time.Duration(i)*gap)))
					out.start(took)
					took = 0
				}
			}
		})
	}
	wg.Wait()
	return nil
}
