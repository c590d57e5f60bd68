package apiclients_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/Khan/genqlient/graphql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/integration/internal/harness"
	"github.com/agsauth/agsauth/transport"
)

var genqlient = harness.Client{
	Name: "Khan/genqlient",
	Open: func(t *testing.T, e *harness.Env) harness.Calls {
		t.Helper()
		client := newGraphQL(t, e, transport.RejectionGraphQL)
		return harness.Calls{
			Get:  func(ctx context.Context) error { return echoQuery(ctx, client, "small") },
			Post: func(ctx context.Context, body []byte) error { return echoQuery(ctx, client, string(body)) },
		}
	},
}

func newGraphQL(t *testing.T, e *harness.Env, isRejection func(*http.Response) bool) graphql.Client {
	t.Helper()
	srv := httptest.NewServer(graphQLAPI(e))
	t.Cleanup(srv.Close)
	rt := over(e, srv)
	rt.IsRejection = isRejection
	return graphql.NewClient(srv.URL, &http.Client{Transport: rt})
}

type echoData struct {
	Echo string `json:"echo"`
}

// echoQuery does what genqlient's generated functions do.
func echoQuery(ctx context.Context, client graphql.Client, text string) error {
	var data echoData
	err := client.MakeRequest(ctx, &graphql.Request{
		OpName: "Echo", Query: "query Echo($text: String!) { echo(text: $text) }", Variables: map[string]string{"text": text},
	}, &graphql.Response{Data: &data})
	if err == nil && data.Echo != text {
		err = errIncomplete
	}
	return err
}

// graphQLAPI answers every query with its variable. It rejects tokens with status 200,
// as many GraphQL servers do.
func graphQLAPI(e *harness.Env) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !e.Accepts(r.Header.Get("Authorization")) {
			answer(map[string]any{
				"data":   nil,
				"errors": []any{map[string]any{"message": "not signed on", "extensions": map[string]any{"code": "UNAUTHENTICATED"}}},
			})(w, r)
			return
		}
		var query struct{ Variables struct{ Text string } }
		if err := json.NewDecoder(r.Body).Decode(&query); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer(map[string]any{"data": echoData{Echo: query.Variables.Text}})(w, r)
	}
}

func TestGraphQL_ARejectionWithStatus200NeedsItsOwnRule(t *testing.T) {
	e := harness.NewEnv(t)
	client := newGraphQL(t, e, nil)
	require.NoError(t, echoQuery(t.Context(), client, "text"))
	require.NoError(t, e.RejectCurrent(t.Context()))
	for range 2 {
		assert.ErrorContains(t, echoQuery(t.Context(), client, "text"), "not signed on")
	}
	assert.Equal(t, 3, e.Received())
}
