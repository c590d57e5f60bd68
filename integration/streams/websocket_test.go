package streams_test

import (
	"context"
	"net/http"
	"testing"

	codersocket "github.com/coder/websocket"
	gorillasocket "github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/integration/internal/harness"
	"github.com/agsauth/agsauth/transport"
)

const message = "a message"

var webSockets = []harness.Client{
	{
		Name: "coder/websocket", Open: openCoder,
		Without: map[harness.Check]string{harness.Post: "a handshake has no body"},
	},
	{
		Name: "gorilla/websocket",
		Open: openGorilla(func(ctx context.Context, e *harness.Env, dial func(http.Header) (*http.Response, error)) error {
			token, err := e.Source.TokenContext(ctx)
			if err != nil {
				return err
			}
			resp, err := dial(http.Header{"Authorization": {token.Type() + " " + token.AccessToken}})
			return closed(resp, err)
		}),
		Limits:  map[harness.Check]string{harness.Replaced: "it takes header fields only, and does not try again"},
		Without: map[harness.Check]string{harness.Post: "a handshake has no body"},
	},
	{
		Name: "gorilla/websocket, WithHeader",
		Open: openGorilla(func(ctx context.Context, e *harness.Env, dial func(http.Header) (*http.Response, error)) error {
			resp, err := transport.WithHeader(ctx, e.Source, dial)
			return closed(resp, err)
		}),
		Without: map[harness.Check]string{harness.Post: "a handshake has no body"},
	},
}

// closed closes the body of a handshake's response, and returns err.
func closed(resp *http.Response, err error) error {
	if resp != nil {
		_ = resp.Body.Close()
	}
	return err
}

// echoSocket accepts a WebSocket and sends each message back.
func echoSocket(w http.ResponseWriter, r *http.Request) {
	conn, err := codersocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	defer func() { _ = conn.CloseNow() }()
	for {
		kind, text, err := conn.Read(r.Context())
		if err != nil || conn.Write(r.Context(), kind, text) != nil {
			return
		}
	}
}

func openCoder(t *testing.T, e *harness.Env) harness.Calls {
	t.Helper()
	dial := coderDialer(t, e)
	return harness.Calls{Get: func(ctx context.Context) error {
		conn, err := dial(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = conn.CloseNow() }()
		if err := echoedByCoder(ctx, conn); err != nil {
			return err
		}
		return conn.Close(codersocket.StatusNormalClosure, "")
	}}
}

// coderDialer starts a server and returns a function that connects to it.
func coderDialer(t *testing.T, e *harness.Env) func(context.Context) (*codersocket.Conn, error) {
	t.Helper()
	srv := harness.NewServer(t, e.Protect(http.HandlerFunc(echoSocket)))
	ours := &http.Client{Transport: &transport.Transport{Source: e.Source, Base: srv.Client().Transport}}
	return func(ctx context.Context) (*codersocket.Conn, error) {
		conn, resp, err := codersocket.Dial(ctx, srv.URL, &codersocket.DialOptions{HTTPClient: ours})
		if err != nil {
			return nil, closed(resp, err)
		}
		return conn, nil
	}
}

func echoedByCoder(ctx context.Context, conn *codersocket.Conn) error {
	if err := conn.Write(ctx, codersocket.MessageText, []byte(message)); err != nil {
		return err
	}
	_, echo, err := conn.Read(ctx)
	if err != nil {
		return err
	}
	return harness.CheckEcho(http.StatusOK, []byte(message), echo)
}

// openGorilla opens a client whose calls dial through a function of connect's choice.
func openGorilla(
	connect func(ctx context.Context, e *harness.Env, dial func(http.Header) (*http.Response, error)) error,
) func(*testing.T, *harness.Env) harness.Calls {
	return func(t *testing.T, e *harness.Env) harness.Calls {
		t.Helper()
		srv := harness.NewServer(t, e.Protect(http.HandlerFunc(echoSocket)))
		url := "ws" + srv.URL[len("http"):]
		return harness.Calls{Get: func(ctx context.Context) error {
			var conn *gorillasocket.Conn
			err := connect(ctx, e, func(header http.Header) (resp *http.Response, err error) {
				conn, resp, err = gorillasocket.DefaultDialer.DialContext(ctx, url, header)
				return resp, err
			})
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close() }()
			return echoedByGorilla(conn)
		}}
	}
}

func echoedByGorilla(conn *gorillasocket.Conn) error {
	if err := conn.WriteMessage(gorillasocket.TextMessage, []byte(message)); err != nil {
		return err
	}
	_, echo, err := conn.ReadMessage()
	if err != nil {
		return err
	}
	return harness.CheckEcho(http.StatusOK, []byte(message), echo)
}

func TestWebSocket_OpenConnectionOutlivesItsToken(t *testing.T) {
	e := harness.NewEnv(t)
	conn, err := coderDialer(t, e)(t.Context())
	require.NoError(t, err)
	defer func() { _ = conn.CloseNow() }()
	e.EndSession()
	_, err = e.Source.TokenContext(t.Context())
	require.Error(t, err)
	require.NoError(t, echoedByCoder(t.Context(), conn))
	assert.Equal(t, 1, e.Received())
}
