package tokensource

import (
	"errors"

	"github.com/agsauth/agsauth/ags"
)

// Family makes Sources that have their settings in common, which saves memory where there
// are very many. Make one with [NewFamily]. Its methods are safe for concurrent use.
type Family struct{ cfg *setup }

// Member is what the Sources of a Family differ in. For Token, Store and Login see [Config].
type Member struct {
	Token *ags.Token
	Store Store
	Login LoginFunc
	// Record is what the Store has just loaded, if a record was loaded before the Source was
	// made, for example with many others at once. The Source begins with it, instead of
	// loading it, and emits no event for that. A record that it cannot begin with is loaded
	// as if there were no Record. The Source does not change or keep the bytes.
	Record []byte
	// Observer is told of what happens to the Source. Nil means that nobody is.
	Observer Observer
}

// Observer is what a scheduler of many Sources is told about one of them.
type Observer interface {
	// Changed says that [Source.Poll] may come to something else than it did. It is called
	// with locks of the Source held, so it must not block, nor call the Source.
	Changed()
	// Event is given each event, as [Config.OnEvent] is, and after that.
	Event(e Event)
}

// NewFamily returns a Family. The Token, Store and Login of cfg must be nil, because they
// are those of each Member. The error says what is wrong with cfg.
func NewFamily(cfg Config) (*Family, error) {
	if cfg.Token != nil || cfg.Store != nil || cfg.Login != nil {
		return nil, errors.New("tokensource: the Config of a Family has a Token, a Store or a Login, which belong to its members")
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	return &Family{cfg.setup()}, nil
}

// New returns a Source, as [New] does for a Config that also has the fields of m.
func (f *Family) New(m Member) (*Source, error) {
	if err := checkToken(m.Token); err != nil {
		return nil, err
	}
	return newSource(f.cfg, m), nil
}
