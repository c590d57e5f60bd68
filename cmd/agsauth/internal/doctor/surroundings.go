package doctor

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"runtime"
	"runtime/debug"

	"github.com/zalando/go-keyring"
)

func checkKeyring(ctx context.Context, e *examination) Result {
	if e.Settings == nil {
		return noSettings()
	}
	if !e.Settings.Keyring {
		return skipped("it is not used")
	}
	_, err := e.key()
	stored := false
	if errors.Is(err, keyring.ErrNotFound) {
		_, failed := e.readStored(ctx)
		stored = !errors.Is(failed, fs.ErrNotExist)
	}
	return judgeKeyring(err, stored)
}

// judgeKeyring judges the attempt to read the key. stored reports whether a session that
// needs it may be stored.
func judgeKeyring(err error, stored bool) Result {
	switch {
	case err == nil:
		return ok("it has the key of the session")
	case errors.Is(err, keyring.ErrNotFound) && stored:
		return failure("it has no key for the session that is stored", "use the keyring with which the session was made, or run agsauth logout --forget-device and agsauth login")
	case errors.Is(err, keyring.ErrNotFound):
		return ok("it can be read; a sign-on makes a key")
	}
	return failure("the system's keyring cannot be used: "+err.Error(), "unlock it, or use a profile without the setting keyring")
}

func checkTerminal(_ context.Context, e *examination) Result {
	if e.CanPrompt {
		return ok("agsauth login can ask on it")
	}
	return ok("there is none; agsauth login needs all parameters, for example from --param-file")
}

func checkVersion(context.Context, *examination) Result {
	version := "(devel)"
	if info, found := debug.ReadBuildInfo(); found {
		version = cmp.Or(info.Main.Version, version)
	}
	return ok("agsauth %s, %s, %s/%s", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
