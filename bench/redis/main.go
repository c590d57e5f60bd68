// Command redis has 64 Sources, one for each of 64 hosts, share a session through a
// Redis server that it starts, for a hundred lifetimes of the access token. It counts the
// calls of the gateway and the commands of the server, and prints a line of JSON.
//
// It is a separate module, like package redisstore.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/store/redisstore"
	"github.com/agsauth/agsauth/tokensource"
)

const (
	sources  = 64
	life     = 2 * time.Second
	interval = 20 * time.Millisecond // between the calls of each Source's caller
)

func main() {
	lifetimes := flag.Int64("lifetimes", 100, "number of lifetimes")
	flag.Parse()
	if err := run(*lifetimes); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(lifetimes int64) error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	client, err := startServer(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	counted := &counter{}
	client.AddHook(counted)
	gateway := &gateway{}
	all := make([]*tokensource.Source, sources)
	for i := range all {
		if all[i], err = newSource(client, gateway, i == 0); err != nil {
			return err
		}
		defer func() { _ = all[i].Close() }()
		if _, err := all[i].TokenContext(ctx); err != nil {
			return err
		}
	}
	first, sent := all[0].Status().Generation, counted.sent.Load()
	called := gateway.calls.Load()
	var failures, calls atomic.Int64
	var wg sync.WaitGroup
	for _, s := range all {
		wg.Go(func() {
			for ; s.Status().Generation < first+lifetimes && ctx.Err() == nil; time.Sleep(interval) {
				calls.Add(1)
				if _, err := s.TokenContext(ctx); err != nil {
					failures.Add(1)
				}
			}
		})
	}
	wg.Wait()
	lived := float64(all[0].Status().Generation - first)
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"job": "redis", "of": "agsauth", "figures": map[string]float64{
			"sources": sources, "lifetimes": lived, "calls": float64(calls.Load()), "failed": float64(failures.Load()),
			"calls_per_lifetime":               float64(gateway.calls.Load()-called) / lived,
			"commands_per_source_and_lifetime": float64(counted.sent.Load()-sent) / lived / sources,
		},
	})
}

// newSource returns the Source of one host. The first one gets the session.
func newSource(client redis.UniversalClient, gateway *gateway, first bool) (*tokensource.Source, error) {
	store, err := redisstore.New(redisstore.Config{Client: client, Name: "bench"})
	if err != nil {
		return nil, err
	}
	cfg := tokensource.Config{Refresher: gateway, Store: store, RefreshBefore: life / 2}
	if first {
		cfg.Token = gateway.newPair()
	}
	return tokensource.New(cfg)
}

// gateway issues pairs, and counts them.
type gateway struct{ calls atomic.Int64 }

func (g *gateway) Refresh(context.Context, *ags.Token) (*ags.Token, error) {
	g.calls.Add(1)
	token := g.newPair()
	time.Sleep(5 * time.Millisecond)
	return token, nil
}

func (g *gateway) newPair() *ags.Token {
	now := time.Now()
	name := fmt.Sprintf("pair-%d", now.UnixNano())
	return &ags.Token{
		AccessToken: ags.NewSecret(name), RefreshToken: ags.NewSecret(name), TokenType: "bearer", ClientID: "host",
		IssuedAt: now, ExpiresAt: now.Add(life), RefreshExpiresAt: now.Add(time.Hour),
	}
}

// counter counts the commands that are sent, except subscriptions.
type counter struct{ sent atomic.Int64 }

func (c *counter) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (c *counter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.sent.Add(1)
		return next(ctx, cmd)
	}
}

func (c *counter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.sent.Add(int64(len(cmds)))
		return next(ctx, cmds)
	}
}

// startServer starts a Redis server on a Unix socket. It runs until ctx ends.
func startServer(ctx context.Context) (*redis.Client, error) {
	dir, err := os.MkdirTemp("", "bench-redis-")
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "redis.sock")
	server := exec.CommandContext(ctx, "redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", dir)
	if err := server.Start(); err != nil {
		return nil, fmt.Errorf("redis-server: %w", err)
	}
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: socket, PoolSize: sources})
	for range 100 {
		if err = client.Ping(ctx).Err(); err == nil {
			return client, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil, err
}
