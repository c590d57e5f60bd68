package rpc_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/grpc"

	"github.com/agsauth/agsauth/integration/internal/harness"
)

// TestRejections checks the clients with servers that reject a call in other ways.
func TestRejections(t *testing.T) {
	for name, clients := range map[string][]harness.Client{
		"connect-go before the body": connectClientsOf(startEarly),
		"connect-go over HTTP/1.1":   {connectClientsOf(startHTTP1)[0]},
		"grpc":                       connectClientsOf(startGRPC)[2:5],
	} {
		for _, c := range clients {
			c.Without = notAboutRejections
			t.Run(name+"/"+c.Name, func(t *testing.T) { harness.Run(t, c) })
		}
	}
}

var notAboutRejections = map[harness.Check]string{
	harness.Lives:    "no call is rejected",
	harness.End:      "no call is rejected",
	harness.Deadline: "no call is rejected",
}

// startEarly starts a server that rejects a call before it reads the body.
func startEarly(t *testing.T, e *harness.Env) *httptest.Server {
	t.Helper()
	return startHTTP2(t, e, rejectEarly(e))
}

// startHTTP1 is startEarly without HTTP/2.
func startHTTP1(t *testing.T, e *harness.Env) *httptest.Server {
	t.Helper()
	srv := httptest.NewTLSServer(rejectEarly(e))
	t.Cleanup(srv.Close)
	return srv
}

func rejectEarly(e *harness.Env) http.Handler {
	next, rejection := connectServer(), connect.NewErrorWriter()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e.Accepts(r.Header.Get("Authorization")) {
			next.ServeHTTP(w, r)
			return
		}
		_ = rejection.Write(w, r, connect.NewError(connect.CodeUnauthenticated, errors.New("the token is not valid")))
	})
}

// startGRPC starts a server of grpc.
func startGRPC(t *testing.T, e *harness.Env) *httptest.Server {
	t.Helper()
	server := grpc.NewServer(protected(e)...)
	server.RegisterService(&echoService, nil)
	t.Cleanup(server.Stop)
	return startHTTP2(t, e, server)
}
