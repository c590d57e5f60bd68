package profile

import (
	"context"
	"os"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/store/redisstore"
)

// lockedStore is a store that several processes share.
type lockedStore interface {
	store.Store
	Lock(ctx context.Context) (unlock func() error, err error)
}

// openStore makes the store that the settings describe. With a keyring the session in it
// is encrypted. There is never a fall back to one that is not.
func (p *Profile) openStore(ctx context.Context, keys Keyring) error {
	open := p.openFile
	if p.IsRedis() {
		open = p.openRedis
	}
	inner, isStored, err := open()
	if err != nil {
		return err
	}
	p.Store = inner
	if !p.Keyring {
		return nil
	}
	key, err := findKey(ctx, keys, keyOwner{p.Session, inner, isStored})
	if err != nil {
		return err
	}
	p.Store = &store.Sealed{Store: inner, Name: p.Session, Keys: []store.Key{key}}
	return nil
}

// openFile makes a store in a file, and what tells whether there is a session in it.
func (p *Profile) openFile() (lockedStore, func(context.Context) error, error) {
	path := p.Settings.Store
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, nil, exit.Usagef("the store %s is a folder; name a file in it, with --store FILE", path)
	}
	isStored := func(context.Context) error { _, err := os.Stat(path); return err }
	return &store.File{Path: path}, isStored, nil
}

// openRedis makes a store in Redis, and what tells whether there is a session in it.
func (p *Profile) openRedis() (lockedStore, func(context.Context) error, error) {
	options, err := redis.ParseURL(p.Settings.Store)
	if err != nil {
		// The error may quote the password.
		return nil, nil, exit.Usagef("the store is no valid URL of a Redis server; use one like redis://HOST:6379/0")
	}
	// The logger of go-redis may quote what it has received.
	logging.Disable()
	client := redis.NewClient(options)
	p.closeStore = client.Close
	shared, err := redisstore.New(redisstore.Config{Client: client, Name: p.Session})
	if err != nil {
		return nil, nil, exit.Usagef("the store: %w", err)
	}
	return shared, func(ctx context.Context) error { _, err := shared.Load(ctx); return err }, nil
}
