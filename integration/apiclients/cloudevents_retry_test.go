package apiclients_test

import (
	"net/http"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/integration/internal/harness"
	"github.com/agsauth/agsauth/tokensource"
)

// The client's own retries repeat every error; a function can choose among status codes
// only. The end of the session is found in the result nevertheless.
func TestCloudEvents_RetriesRepeatTheEndOfTheSession(t *testing.T) {
	e := harness.NewEnv(t)
	var received inbox
	srv := serve(t, e, receiver(t, &received))
	attempts, ours := 0, over(e, srv)
	client, err := cloudevents.NewClientHTTP(cloudevents.WithTarget(srv.URL), cloudevents.WithRoundTripper(
		roundTripperFunc(func(req *http.Request) (*http.Response, error) {
			attempts++
			return ours.RoundTrip(req)
		})))
	require.NoError(t, err)
	event := cloudevents.NewEvent()
	event.SetType("example")
	event.SetSource("example/integration")
	e.EndSession()

	result := client.Send(cloudevents.ContextWithRetriesConstantBackoff(t.Context(), time.Millisecond, 3), event)
	require.ErrorIs(t, result, tokensource.ErrLoginRequired)
	assert.Equal(t, 4, attempts)
}
