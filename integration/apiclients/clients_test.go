package apiclients_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/agsauth/agsauth/integration/internal/harness"
	"github.com/agsauth/agsauth/internal/leak"
	"github.com/agsauth/agsauth/transport"
)

func TestMain(m *testing.M) { leak.Main(m) }

var clients = []harness.Client{
	github, githubOverOAuth2,
	google, googleWithTokenSource,
	genqlient,
	kubernetes, kubernetesWithTokenSource, kubernetesSPDY, kubernetesWebSocket,
	elastic,
	remoteWrite, remoteWriteOfPrometheus,
	promhttpOutside, promhttpInside,
	cloudEvents,
}

func TestClients(t *testing.T) {
	for _, c := range clients {
		t.Run(c.Name, func(t *testing.T) { harness.Run(t, c) })
	}
}

func TestPage(t *testing.T) { harness.CheckPage(t, "../../docs/clients.md", "API clients", clients) }

// Limits of clients that use a token source through oauth2.Transport or as it does.
var oauth2Limits = map[harness.Check]string{
	harness.Replaced: "it does not look at responses",
	harness.Post:     "it does not look at responses",
	harness.Deadline: "it calls Token without a context",
}

// serve starts a server for h, which the Env protects.
func serve(t *testing.T, e *harness.Env, h http.Handler) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(e.Protect(h))
	t.Cleanup(srv.Close)
	return srv
}

// over returns a Transport whose requests go to srv.
func over(e *harness.Env, srv *httptest.Server) *transport.Transport {
	return &transport.Transport{Source: e.Source, Base: srv.Client().Transport}
}

// answer returns a handler that answers with the JSON of v.
func answer(v any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
}

var errIncomplete = errors.New("the body has not arrived whole")

// inbox keeps the last body that a server has received, for clients whose answers do
// not repeat it.
type inbox struct {
	mu   sync.Mutex
	last []byte
}

func (i *inbox) put(body []byte) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.last = bytes.Clone(body)
}

// expect returns err, or an error if another body than want was received last.
func (i *inbox) expect(err error, want []byte) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if err == nil && !bytes.Equal(i.last, want) {
		err = errIncomplete
	}
	return err
}
