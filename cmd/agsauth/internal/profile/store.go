package profile

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/store/redisstore"
)

// openStore makes the store that the settings describe.
func (p *Profile) openStore(ctx context.Context, keys Keyring) error {
	if !p.IsRedis() {
		if info, err := os.Stat(p.Settings.Store); err == nil && info.IsDir() {
			return exit.Usagef("the store %s is a folder; name a file in it, with --store FILE", p.Settings.Store)
		}
		file := &store.File{Path: p.Settings.Store}
		p.Store = file
		if !p.Keyring {
			return nil
		}
		return p.seal(ctx, file, keys, func() (bool, error) {
			_, err := os.Stat(file.Path)
			return err == nil, ignoreNotExist(err)
		}, file.Lock)
	}
	options, err := redis.ParseURL(p.Settings.Store)
	if err != nil {
		// The error may quote the password.
		return exit.Usagef("the store is no valid URL of a Redis server; use one like redis://HOST:6379/0")
	}
	// The logger of go-redis may quote what it has received.
	logging.Disable()
	client := redis.NewClient(options)
	p.closeStore = client.Close
	shared, err := redisstore.New(redisstore.Config{Client: client, Name: p.Session})
	if err != nil {
		return exit.Usagef("the store: %w", err)
	}
	p.Store = shared
	if !p.Keyring {
		return nil
	}
	return p.seal(ctx, shared, keys, func() (bool, error) {
		_, err := shared.Load(ctx)
		return err == nil, ignoreNotExist(err)
	}, shared.Lock)
}

func ignoreNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// seal encrypts the store with the key in the keyring. There is never a fall back to
// a session that is not encrypted.
func (p *Profile) seal(ctx context.Context, inner store.Store, keys Keyring, isStored func() (bool, error), lock func(context.Context) (func() error, error)) error {
	key, err := findKey(ctx, keys, p.Session, isStored, lock)
	if err != nil {
		return err
	}
	p.Store = &store.Sealed{Store: inner, Name: p.Session, Keys: []store.Key{key}}
	return nil
}
