package gateway

import (
	"embed"
	"io/fs"
	"maps"
	"net/http"
	"path"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
)

// webFiles are the files of the page. They load nothing from elsewhere.
//
//go:embed web
var webFiles embed.FS

// webPolicy allows the page its own files and its own listener, and no page to have it in
// a frame, where its buttons could be pressed unawares. As it requires trusted types and
// allows none, no script can make markup of data.
const webPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Page returns the page over the admin interface, for [Options]. It is a usage error if
// there is no admin interface.
func (s Settings) Page() (http.Handler, error) {
	if !s.hasAdmin() {
		return nil, exit.Usagef("web: the page needs the admin interface; leave out --web or --admin-listen off")
	}
	return newPage(), nil
}

func newPage() http.Handler {
	files, err := fs.Sub(webFiles, "web")
	if err != nil {
		panic(err) // the name is not valid
	}
	server := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", webPolicy)
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-cache") // another agsauth may listen here next
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "the page is for GET and HEAD", http.StatusMethodNotAllowed)
			return
		}
		if kind := mediaType(r.URL.Path); kind != "" {
			h.Set("Content-Type", kind)
		}
		server.ServeHTTP(w, r)
	})
}

// mediaType returns the media type of a file of the page. The system's own table of types
// may have others, with which a browser would not run the scripts.
func mediaType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return ""
}

// guardedBy returns a handler that refuses what the admin interface refuses because of
// where it comes from.
func guardedBy(admin, page http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		probe := r.Clone(r.Context())
		probe.Method, probe.URL.Path, probe.URL.RawPath, probe.URL.RawQuery = http.MethodGet, "/health", "", ""
		answer := &refusalOnly{to: w, header: http.Header{}}
		admin.ServeHTTP(answer, probe)
		if !answer.refused {
			page.ServeHTTP(w, r)
		}
	})
}

// refusalOnly passes an answer on unless it is a success.
type refusalOnly struct {
	to      http.ResponseWriter
	header  http.Header
	refused bool
}

// Header implements [http.ResponseWriter].
func (w *refusalOnly) Header() http.Header { return w.header }

// WriteHeader implements [http.ResponseWriter].
func (w *refusalOnly) WriteHeader(status int) {
	w.refused = status != http.StatusOK
	if !w.refused {
		return
	}
	maps.Copy(w.to.Header(), w.header)
	w.to.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *refusalOnly) Write(b []byte) (int, error) {
	if !w.refused {
		return len(b), nil
	}
	return w.to.Write(b)
}
