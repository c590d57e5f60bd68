package apiclients_test

import (
	"context"
	"net/http"
	"testing"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/integration/internal/harness"
)

var cloudEvents = harness.Client{
	Name: "cloudevents/sdk-go",
	Open: func(t *testing.T, e *harness.Env) harness.Calls {
		t.Helper()
		var received inbox
		srv := serve(t, e, receiver(t, &received))
		client, err := cloudevents.NewClientHTTP(cloudevents.WithTarget(srv.URL), cloudevents.WithRoundTripper(over(e, srv)))
		require.NoError(t, err)
		send := func(ctx context.Context, data []byte) error {
			event := cloudevents.NewEvent()
			event.SetType("example")
			event.SetSource("example/integration")
			if err := event.SetData(cloudevents.TextPlain, data); err != nil {
				return err
			}
			result := client.Send(ctx, event)
			if cloudevents.IsACK(result) {
				result = nil
			}
			return received.expect(result, data)
		}
		return harness.Calls{
			Get:  func(ctx context.Context) error { return send(ctx, []byte("small")) },
			Post: send,
		}
	},
}

func receiver(t *testing.T, received *inbox) http.Handler {
	t.Helper()
	protocol, err := cloudevents.NewHTTP()
	require.NoError(t, err)
	handler, err := cloudevents.NewHTTPReceiveHandler(t.Context(), protocol, func(event cloudevents.Event) { received.put(event.Data()) })
	require.NoError(t, err)
	return handler
}
