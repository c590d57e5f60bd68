package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/store/boltstore"
	"github.com/agsauth/agsauth/store/redisstore"
	"github.com/agsauth/agsauth/tokensource"
)

// The tokens are about as long as the platform's, and their lives those of its example.
const (
	accessBytes, refreshBytes = 1000, 400
	accessLife, refreshLife   = time.Hour, 48 * time.Hour
	fixedLife                 = 30 * 24 * time.Hour
)

// key returns the key of a session.
func key(i int) string { return fmt.Sprintf("subscriber-%07d", i) }

// grant returns a pair that was issued some time ago.
func grant(serial int64, age time.Duration) *ags.Token {
	now := time.Now().Add(-age)
	return &ags.Token{
		AccessToken: ags.NewSecret(token('a', accessBytes, serial)), RefreshToken: ags.NewSecret(token('r', refreshBytes, serial)),
		TokenType: "bearer", ClientID: "PUB_989", AccountID: "1663", IssuedAt: now,
		ExpiresAt: now.Add(accessLife), RefreshExpiresAt: now.Add(refreshLife), FixedExpiresAt: now.Add(fixedLife),
	}
}

func token(fill byte, size int, serial int64) string {
	return fmt.Sprintf("%s%012d", bytes.Repeat([]byte{fill}, size-12), serial)
}

// granter is a Refresher whose gateway takes some time for an answer.
type granter struct {
	latency time.Duration
	granted atomic.Int64
}

func (g *granter) Refresh(context.Context, *ags.Token) (*ags.Token, error) {
	time.Sleep(g.latency)
	return grant(g.granted.Add(1), 0), nil
}

// record returns a stored record, in which the serial number of the tokens is to be replaced.
func record(age time.Duration) ([]byte, error) {
	memory := &store.Memory{}
	src, err := tokensource.New(tokensource.Config{Refresher: &granter{}, Store: memory, Token: grant(0, age)})
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	if err := src.SetToken(ctx, grant(0, age)); err != nil {
		return nil, err
	}
	return memory.Load(ctx)
}

// data is the stored records of all rows.
type data struct {
	folder  string
	server  *exec.Cmd
	address string
	file    string
}

func (d *data) close() {
	if d.server != nil {
		_ = d.server.Process.Kill()
		_ = d.server.Wait()
	}
	_ = os.RemoveAll(d.folder)
}

// settings adds where the records of a row are.
func (d *data) settings(s settings, _ string) settings {
	s.redis, s.file = d.address, d.file
	return s
}

// The prefixes of the names in Redis. Each row about sessions that are due has records of its
// own, since it refreshes them.
const restPrefix, duePoolPrefix, dueSourcesPrefix = "rest", "due-pool", "due-sources"

// prepare stores the records that the rows need.
func prepare(s settings, only string) (d *data, err error) {
	d = &data{}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if d.folder, err = os.MkdirTemp("", "agsauth-many-"); err != nil {
		return d, err
	}
	d.file = filepath.Join(d.folder, "sessions.db")
	if err := d.startServer(); err != nil {
		return d, err
	}
	needs := func(words ...string) bool {
		for _, r := range rows() {
			for _, word := range words {
				if strings.Contains(r.name, only) && strings.Contains(r.name, word) {
					return true
				}
			}
		}
		return false
	}
	if needs("rest pool", "dormant", "restart redis") {
		family := redisFamily(d.address, restPrefix)
		defer func() { _ = family.Close() }()
		if err := fill(s.sessions, 32, 0, func(k string) tokensource.Store { return family.Store(k) }); err != nil {
			return d, err
		}
	}
	for row, prefix := range map[string]string{"due pool": duePoolPrefix, "due sources": dueSourcesPrefix} {
		if !needs(row) {
			continue
		}
		family := redisFamily(d.address, prefix)
		defer func() { _ = family.Close() }()
		if err := fill(s.due, 32, accessLife-time.Minute, func(k string) tokensource.Store { return family.Store(k) }); err != nil {
			return d, err
		}
	}
	if needs("bolt") {
		db, err := boltstore.Open(d.file, boltstore.Options{})
		if err != nil {
			return d, err
		}
		defer func() { _ = db.Close() }()
		if err := fill(s.sessions, 2000, 0, func(k string) tokensource.Store { return db.Store(k) }); err != nil {
			return d, err
		}
	}
	return d, nil
}

// fill stores the records of n sessions.
func fill(n, workers int, age time.Duration, storeOf func(string) tokensource.Store) error {
	template, err := record(age)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	var next atomic.Int64
	failures := make(chan error, workers)
	for range workers {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				data := bytes.ReplaceAll(template, fmt.Appendf(nil, "%012d", 0), fmt.Appendf(nil, "%012d", i))
				if err := storeOf(key(int(i))).Save(context.Background(), data); err != nil {
					failures <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(failures)
	return <-failures
}

func (d *data) startServer() error {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	d.address = l.Addr().String()
	_ = l.Close()
	_, port, _ := net.SplitHostPort(d.address)
	d.server = exec.CommandContext(context.Background(), "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", d.folder)
	if err := d.server.Start(); err != nil {
		return err
	}
	client := redis.NewClient(&redis.Options{Addr: d.address})
	defer func() { _ = client.Close() }()
	for range 200 {
		if client.Ping(context.Background()).Err() == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("redis-server does not answer at %s", d.address)
}

// redisFamily returns the stores of the sessions with a prefix.
func redisFamily(address, prefix string) *redisstore.Family {
	family, err := redisstore.NewFamily(redisstore.FamilyConfig{Client: redis.NewClient(&redis.Options{Addr: address, PoolSize: 64}), Prefix: prefix})
	if err != nil {
		panic(err)
	}
	return family
}
