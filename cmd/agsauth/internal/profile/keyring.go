package profile

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"time"

	"github.com/zalando/go-keyring"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
	"github.com/agsauth/agsauth/store"
)

// Keyring keeps keys for the user. A session is too large for that of some systems, so
// only the key of its encryption is in it.
type Keyring interface {
	// Get returns a key. If there is none, the error Is [keyring.ErrNotFound].
	Get(service, user string) (string, error)
	Set(service, user, password string) error
}

// SystemKeyring is the keyring of the system.
type SystemKeyring struct{}

// Get returns a key.
func (SystemKeyring) Get(service, user string) (string, error) { return keyring.Get(service, user) }

// Set stores a key.
func (SystemKeyring) Set(service, user, password string) error {
	return keyring.Set(service, user, password)
}

const keyringService = "agsauth"

// lockWait is how long to wait for another process that makes a key.
const lockWait = 30 * time.Second

// keyOwner is the session that a key is for.
type keyOwner struct {
	session string
	store   lockedStore
	// stored returns nil if there is a record. If there is none, the error Is
	// [fs.ErrNotExist].
	stored func(ctx context.Context) error
}

// findKey returns the key of a session, and makes one if there is neither a key nor a
// session.
func findKey(ctx context.Context, keys Keyring, owner keyOwner) (store.Key, error) {
	text, err := keys.Get(keyringService, owner.session)
	if errors.Is(err, keyring.ErrNotFound) {
		text, err = makeKey(ctx, keys, owner)
	}
	if own := (*exit.Error)(nil); errors.As(err, &own) {
		return store.Key{}, err
	} else if err != nil {
		return store.Key{}, &exit.Error{
			Status: exit.Failure, Err: fmt.Errorf("the system's keyring cannot be used: %w", err),
			Hint: keyringRemedy(err) + ", or use a profile without keyring, whose session is not encrypted",
		}
	}
	key, err := store.ParseKey(text)
	if err != nil {
		return store.Key{}, fmt.Errorf("the key of session %s in the keyring is not valid: %w", owner.session, err)
	}
	return key, nil
}

// keyringRemedy says what to do about an error of the keyring.
func keyringRemedy(err error) string {
	if errors.Is(err, exec.ErrNotFound) {
		return "there is none: start one, such as gnome-keyring, in a session with D-Bus"
	}
	return "unlock it"
}

// makeKey makes a key and stores it. The lock of the session lets one process do so.
func makeKey(ctx context.Context, keys Keyring, owner keyOwner) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	unlock, err := owner.store.Lock(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = unlock() }()
	if text, err := keys.Get(keyringService, owner.session); !errors.Is(err, keyring.ErrNotFound) {
		return text, err
	}
	switch err := owner.stored(ctx); {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", err
	case err == nil:
		return "", &exit.Error{
			Status: exit.Failure, Err: fmt.Errorf("session %s is stored, but the keyring has no key for it", owner.session),
			Hint: "use the keyring it was made with, or run agsauth logout --forget-device without keyring, and sign in again",
		}
	}
	var raw [32]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return "", err
	}
	text := base64.StdEncoding.EncodeToString(raw[:])
	return text, keys.Set(keyringService, owner.session, text)
}
