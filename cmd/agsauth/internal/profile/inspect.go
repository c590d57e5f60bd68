package profile

import (
	"net/http"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/config"
	"github.com/agsauth/agsauth/store"
)

// ClientOver returns the client of a profile's gateway over a transport, see [Transport].
// It opens no store.
func ClientOver(s *config.Settings, transport *http.Transport) (*ags.Client, error) {
	cfg := clientConfig(s, transport)
	if s.Dialect == ags.IASv2 {
		// In this dialect each refresh has the body of the sign-on.
		var err error
		if cfg.DeviceInformation, err = DeviceInformation(s.DeviceInfo); err != nil {
			return nil, err
		}
	}
	return ags.New(cfg)
}

// StoredKey returns the key of a session in a keyring. If there is none, the error Is
// [github.com/zalando/go-keyring.ErrNotFound]; it makes none.
func StoredKey(keys Keyring, session string) (store.Key, error) {
	text, err := keys.Get(keyringService, session)
	if err != nil {
		return store.Key{}, err
	}
	return store.ParseKey(text)
}
