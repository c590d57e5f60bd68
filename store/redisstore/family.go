package redisstore

import (
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// A Family makes the Stores of many sessions, each with a name of its own. They share the
// scripts, the settings and one subscription to notifications of releases, so that a Store
// takes about a hundred bytes while it is not in use. The zero value is not usable; create
// a Family with [NewFamily], and call [Family.Close] at the end. All methods are safe for
// concurrent use.
//
//	family, err := redisstore.NewFamily(redisstore.FamilyConfig{Client: client})
//	…
//	defer family.Close()
//	source, err := tokensource.New(tokensource.Config{Refresher: gateway, Store: family.Store("customer-1")})
//
// The Stores have the same keys as those of [New] with the same Prefix and Name, and share
// sessions with them.
//
// The Stores of a Family also share the check of the user's rights: the first Lock makes
// it for its session, and it counts for all. So the user needs the same rights for all
// sessions, as with the pattern of keys in the package documentation.
type Family struct{ shared *shared }

// NewFamily returns a Family. It does not connect to the server.
func NewFamily(cfg FamilyConfig) (*Family, error) {
	if err := cfg.check("FamilyConfig"); err != nil {
		return nil, err
	}
	return &Family{newShared(cfg, true)}, nil
}

// Store returns a new Store of the session name, which has loaded nothing yet. Two Stores
// of one name are two users of the session. A name is between 1 and 512 bytes long and
// contains no braces; with another name each method of the Store returns an error that
// says so.
func (f *Family) Store(name string) *Store { return &Store{shared: f.shared, name: name} }

// Close ends the subscription, and waits until its goroutines have ended. It always
// returns nil. The Stores can still be used; a Lock that waits polls every PollInterval.
// Close does not close the client.
func (f *Family) Close() error {
	f.shared.hub.close()
	return nil
}

// shared is what all Stores of a Family have in common. A Store of [New] has its own.
type shared struct {
	// client returns the client. It is a function since the options of the client
	// contain a password, and printers that follow pointers print no functions.
	// cfg.Client is nil.
	client func() redis.UniversalClient
	cfg    FamilyConfig
	script scripts
	hub    *hub
	// rightsChecked is set after the user's rights were found sufficient, and cleared
	// when the server denies one.
	rightsChecked atomic.Bool

	randMu sync.Mutex // held while cfg.Rand is called
}

// newShared returns the shared part of Stores. lasting is that of their hub.
func newShared(cfg FamilyConfig, lasting bool) *shared {
	cfg.setDefaults()
	client := cfg.Client
	cfg.Client = nil
	sh := &shared{client: func() redis.UniversalClient { return client }, cfg: cfg, script: newScripts()}
	sh.hub = newHub(sh, lasting)
	return sh
}

// random returns a random number in [0,1).
func (sh *shared) random() float64 {
	sh.randMu.Lock()
	defer sh.randMu.Unlock()
	return sh.cfg.Rand()
}
