package doctor

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/config"
)

// checkSecretFiles examines who can read the files that may have passwords in them.
func checkSecretFiles(_ context.Context, e *examination) Result {
	if e.Settings == nil {
		return noSettings()
	}
	var files []string
	if hasSecret(e.Resolved) {
		files = append(files, e.Resolved.File.Text)
	}
	if e.Settings.ParamFile != "" {
		files = append(files, e.Settings.ParamFile)
	}
	for _, path := range files {
		info, err := os.Stat(path)
		if err != nil {
			return failure("a file that may have a password in it cannot be read: "+err.Error(), "correct the setting param-file, or the mode of the file")
		}
		if f := factsOf(path, info); f.readable {
			return warning(fmt.Sprintf("%s may have a password in it, and its mode %04o lets other users read it", path, f.mode.Perm()), "run chmod 600 on it")
		}
	}
	if len(files) == 0 {
		return ok("there are none")
	}
	return ok("no other user can read %s", strings.Join(files, " and "))
}

// hasSecret reports whether the profile's part of the configuration file may have a
// secret: a parameter or a header field whose name says so, or a password in a URL.
func hasSecret(r *config.Resolved) bool {
	for _, table := range []map[string]string{r.Parameters, r.Headers} {
		for name := range table {
			if isNameOfSecret(name) {
				return true
			}
		}
	}
	for _, v := range r.Values {
		if v.Origin == r.InFile() && v.Display() != v.Text {
			return true
		}
	}
	return false
}

func isNameOfSecret(name string) bool {
	name = strings.ToLower(name)
	for _, part := range []string{"pass", "pin", "secret", "token", "key", "auth", "cookie", "credential", "code"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}
