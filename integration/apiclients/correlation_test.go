package apiclients_test

import (
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/integration/internal/harness"
)

func TestCorrelationID_ReachesTheGatewayAndTheAPI(t *testing.T) {
	const field = "X-Correlation-Id"
	var mu sync.Mutex
	var received []string
	e := harness.NewEnv(t)
	srv := serve(t, e, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		received = append(received, r.Header.Get(field))
		mu.Unlock()
		harness.Echo(w, r)
	}))
	ours := over(e, srv)
	ours.RequestHeader = func(req *http.Request) http.Header { return ags.CorrelationHeader(req.Context()) }
	client := &http.Client{Transport: ours}

	e.NextLife()
	require.NoError(t, harness.Exchange(ags.WithCorrelationID(t.Context(), "flow-1"), client, http.MethodPost, srv.URL, nil))
	require.NoError(t, harness.Exchange(t.Context(), client, http.MethodPost, srv.URL, nil))
	refreshes := e.Gateway.Requests(agstest.Refresh)
	require.Len(t, refreshes, 1)
	assert.Equal(t, "flow-1", refreshes[0].Header.Get(field))
	mu.Lock()
	defer mu.Unlock()
	assert.Equal(t, []string{"flow-1", ""}, received)
}
