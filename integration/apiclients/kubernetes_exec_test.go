package apiclients_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	streams "k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"

	"github.com/agsauth/agsauth/integration/internal/harness"
	"github.com/agsauth/agsauth/tokensource"
)

const (
	spdyProtocol      = "v4.channel.k8s.io"
	webSocketProtocol = "v5.channel.k8s.io"
	output            = "the output of a command"
	success           = `{"status":"Success"}`
)

var errNoBody = map[harness.Check]string{harness.Post: "a command has no body"}

var kubernetesSPDY = harness.Client{
	Name: "client-go, remotecommand over SPDY",
	Open: openExecutor(newSPDYExecutor),
	Limits: map[harness.Check]string{
		harness.End: "it formats the error with %v",
	},
	Without: errNoBody,
}

var kubernetesWebSocket = harness.Client{
	Name: "client-go, remotecommand over WebSocket",
	Open: openExecutor(newWebSocketExecutor),
	Limits: map[harness.Check]string{
		harness.Replaced: "it turns the response into an error",
	},
	Without: errNoBody,
}

func openExecutor(newExecutor func(*rest.Config, *url.URL) (remotecommand.Executor, error)) func(*testing.T, *harness.Env) harness.Calls {
	return func(t *testing.T, e *harness.Env) harness.Calls {
		t.Helper()
		config, target := newExecConfig(t, e)
		return harness.Calls{Get: func(ctx context.Context) error {
			executor, err := newExecutor(config, target)
			if err != nil {
				return err
			}
			return run(ctx, executor)
		}}
	}
}

func newExecConfig(t *testing.T, e *harness.Env) (*rest.Config, *url.URL) {
	t.Helper()
	srv := serve(t, e, http.HandlerFunc(execCommand))
	config := &rest.Config{Host: srv.URL}
	wrap(config, e)
	target, err := url.Parse(srv.URL)
	require.NoError(t, err)
	return config, target
}

func newSPDYExecutor(config *rest.Config, target *url.URL) (remotecommand.Executor, error) {
	return remotecommand.NewSPDYExecutor(config, http.MethodPost, target)
}

func newWebSocketExecutor(config *rest.Config, target *url.URL) (remotecommand.Executor, error) {
	return remotecommand.NewWebSocketExecutor(config, http.MethodGet, target.String())
}

func run(ctx context.Context, executor remotecommand.Executor) error {
	var stdout bytes.Buffer
	err := executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &stdout})
	if err == nil && stdout.String() != output {
		err = errors.New("the output has not arrived whole")
	}
	return err
}

// execCommand answers as the API server that runs a command in a container.
func execCommand(w http.ResponseWriter, r *http.Request) {
	if websocket.IsWebSocketUpgrade(r) {
		execOverWebSocket(w, r)
		return
	}
	w.Header().Set(streams.HeaderProtocolVersion, spdyProtocol)
	opened := make(chan streams.Stream, 2)
	conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(stream streams.Stream, _ <-chan struct{}) error {
		opened <- stream
		return nil
	})
	if conn == nil {
		return
	}
	defer func() { _ = conn.Close() }()
	for range cap(opened) {
		stream := <-opened
		text := output
		if stream.Headers().Get("streamType") == "error" {
			text = success
		}
		_, _ = io.WriteString(stream, text)
		_ = stream.Close()
	}
	<-conn.CloseChan()
}

func execOverWebSocket(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{Subprotocols: []string{webSocketProtocol}}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	for _, message := range []string{"\x01" + output, "\x03" + success} { // the channels of stdout and of errors
		_ = conn.WriteMessage(websocket.BinaryMessage, []byte(message))
	}
	_ = conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
	_, _, _ = conn.ReadMessage()
}

// As kubectl falls back. The function of the same name in k8s.io/apimachinery does not
// know the error.
func TestKubernetes_FallbackToSPDYReplacesTheToken(t *testing.T) {
	e := harness.NewEnv(t)
	config, target := newExecConfig(t, e)
	primary, err := newWebSocketExecutor(config, target)
	require.NoError(t, err)
	secondary, err := newSPDYExecutor(config, target)
	require.NoError(t, err)
	executor, err := remotecommand.NewFallbackExecutor(primary, secondary, streams.IsUpgradeFailure)
	require.NoError(t, err)
	require.NoError(t, e.RejectCurrent(t.Context()))
	require.NoError(t, run(t.Context(), executor))
	assert.Equal(t, 3, e.Received(), "by WebSocket, and twice by SPDY")
}

func TestKubernetes_TheEndIsKnownThoughItsTypeIsLost(t *testing.T) {
	e := harness.NewEnv(t)
	config, target := newExecConfig(t, e)
	executor, err := newSPDYExecutor(config, target)
	require.NoError(t, err)
	e.EndSession()
	err = run(t.Context(), executor)
	require.ErrorContains(t, err, "login required")
	assert.NotErrorIs(t, err, tokensource.ErrLoginRequired)
	select {
	case <-e.Source.LoginRequired():
	default:
		assert.Fail(t, "the session has ended")
	}
}
