package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/boundstore"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/store/redisstore"
	"github.com/agsauth/agsauth/tokensource"
)

const signInHint = "run agsauth login"

func checkSession(ctx context.Context, e *examination) Result {
	if result, applies := e.inFile(); !applies && (e.Settings == nil || !e.Settings.IsRedis()) {
		return result
	}
	record, err := e.readRecord(ctx)
	switch {
	case errors.Is(err, errNoKey):
		return skipped("the session is encrypted, and there is no key for it")
	case err != nil && !errors.Is(err, fs.ErrNotExist) && e.Settings.IsRedis() && !errors.Is(err, store.ErrNotOpened):
		return skipped("it cannot be read from Redis")
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return failureOfRecord(err)
	}
	if err := boundstore.Check(record, e.Settings.Gateway, e.Settings.Tenant); err != nil {
		return failure(boundstore.ErrElsewhere.Error(), "use the gateway it was made at, or another profile with a store or session of its own")
	}
	status, failed := e.statusOf(ctx, record, err)
	if failed != nil {
		return failureOfRecord(failed)
	}
	return judgeSession(status)
}

func failureOfRecord(err error) Result {
	if errors.Is(err, store.ErrNotOpened) {
		return failure("the session cannot be decrypted: "+err.Error(), "use the keyring and the setting session with which it was made, or sign in again after agsauth logout --forget-device")
	}
	return failure("the session cannot be read: "+err.Error(), "look at the other checks of the session; if it is damaged, run agsauth login")
}

// errNoKey means that the key of a session that is encrypted cannot be read.
var errNoKey = errors.New("there is no key")

// readRecord returns the record of the session, decrypted.
func (e *examination) readRecord(ctx context.Context) ([]byte, error) {
	stored, err := e.readStored(ctx)
	if err != nil || !e.Settings.Keyring {
		return stored, err
	}
	key, err := e.key()
	if err != nil {
		return nil, errNoKey
	}
	sealed := &store.Sealed{Store: observed{stored, nil}, Name: e.Settings.Session, Keys: []store.Key{key}}
	return sealed.Load(ctx)
}

// readStored returns what is stored. It changes nothing, not even the mode of a file that
// others can read: store.File would repair it.
func (e *examination) readStored(ctx context.Context) ([]byte, error) {
	if e.Settings.IsRedis() {
		client, shared, err := e.openRedis()
		if err != nil {
			return nil, err
		}
		defer func() { _ = client.Close() }()
		return shared.Load(ctx)
	}
	path := e.Settings.Store
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if f := factsOf(path, info); info.Mode().IsRegular() && (f.readable || f.writable) {
		return readFile(path)
	}
	return (&store.File{Path: path}).Load(ctx)
}

// readFile returns the content of a file of at most 1 MiB.
func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return io.ReadAll(io.LimitReader(file, 1<<20))
}

// observed is a store with the outcome of a Load. It cannot be changed.
type observed struct {
	record []byte
	err    error
}

var errReadOnly = errors.New("doctor changes nothing")

// Load returns the outcome.
func (o observed) Load(context.Context) ([]byte, error) { return o.record, o.err }

// Save returns an error.
func (observed) Save(context.Context, []byte) error { return errReadOnly }

// Delete returns an error.
func (observed) Delete(context.Context) error { return errReadOnly }

// noRefresher refuses to refresh. It has no SignOut either, so that a sign-out that the
// gateway has not been told is left to others.
type noRefresher struct{}

func (noRefresher) Refresh(context.Context, *ags.Token) (*ags.Token, error) { return nil, errReadOnly }

// statusOf returns the status of a session by the outcome of reading its record.
func (e *examination) statusOf(ctx context.Context, record []byte, err error) (status tokensource.Status, failed error) {
	source, failed := tokensource.New(tokensource.Config{
		Refresher: noRefresher{}, Store: observed{record, err}, Clock: e.Clock, RefreshBefore: e.Settings.RefreshBefore,
	})
	if failed != nil {
		return status, failed
	}
	failed = source.Sync(ctx)
	status = source.Status()
	return status, errors.Join(failed, source.Close())
}

// judgeSession judges the session. An ended session is a warning: nothing is broken.
func judgeSession(s tokensource.Status) Result {
	switch {
	case s.Phase == tokensource.Ended && s.Reason == tokensource.NoSession:
		return warning("nobody has signed on", signInHint)
	case s.SignOutPending:
		return warning("the session was signed out, and the gateway was not told yet", "run agsauth logout, which tells it")
	case s.Phase == tokensource.Ended:
		return warning(fmt.Sprintf("the session has ended: %s", s.Reason), signInHint)
	case !s.RejectedAt.IsZero():
		return warning("the gateway has rejected the refresh token"+deadlines(s), signInHint)
	case !s.AttemptAt.IsZero():
		return warning("a refresh was begun and has not been finished, so that its outcome is unknown",
			"run agsauth token, which tries once more; if the gateway then rejects the session, "+signInHint)
	case s.Phase == tokensource.Expired:
		return ok("the access token has expired, and the next command refreshes it%s", deadlines(s))
	case s.Reason != 0:
		return warning(fmt.Sprintf("the session cannot be refreshed any more: %s%s", s.Reason, deadlines(s)), signInHint)
	}
	return ok("%s%s", s.Phase, deadlines(s))
}

// deadlines lists the deadlines that are known.
func deadlines(s tokensource.Status) string {
	var list strings.Builder
	for _, d := range []struct {
		what string
		at   time.Time
	}{
		{"the access token expires", s.ExpiresAt},
		{"the refresh token", s.RefreshExpiresAt},
		{"the session ends", s.FixedExpiresAt},
	} {
		if !d.at.IsZero() {
			fmt.Fprintf(&list, "; %s %s", d.what, d.at.UTC().Format(time.RFC3339))
		}
	}
	return list.String()
}

// openRedis returns a client of the server and the store of the session on it.
func (e *examination) openRedis() (*redis.Client, *redisstore.Store, error) {
	options, err := redis.ParseURL(e.Settings.Store)
	if err != nil {
		return nil, nil, errRedisURL
	}
	options.MaxRetries = 1
	client := redis.NewClient(options)
	shared, err := redisstore.New(redisstore.Config{Client: client, Name: e.Settings.Session})
	if err != nil {
		return nil, nil, errors.Join(err, client.Close())
	}
	return client, shared, nil
}
