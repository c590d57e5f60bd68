package apiclients_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	"github.com/elastic/go-elasticsearch/v9"
	"github.com/elastic/go-elasticsearch/v9/esapi"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/integration/internal/harness"
)

var elastic = harness.Client{
	Name: "elastic/go-elasticsearch",
	Open: func(t *testing.T, e *harness.Env) harness.Calls {
		t.Helper()
		srv := serve(t, e, elasticAPI())
		client, err := elasticsearch.New(
			elasticsearch.WithAddresses(srv.URL),
			elasticsearch.WithTransportOptions(
				elastictransport.WithTransport(over(e, srv)),
				elastictransport.WithRetryOnError(notFinal),
				elastictransport.WithLogger(&elastictransport.CurlLogger{Output: e.Log, EnableResponseBody: true}),
			),
		)
		require.NoError(t, err)
		return harness.Calls{
			Get: func(ctx context.Context) error {
				return expectEcho(client.Info(client.Info.WithContext(ctx)))(nil)
			},
			Post: func(ctx context.Context, body []byte) error {
				return expectEcho(client.Bulk(bytes.NewReader(body), client.Bulk.WithContext(ctx)))(body)
			},
		}
	},
}

// elasticAPI echoes with the field that the client requires of an Elasticsearch.
func elasticAPI() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		harness.Echo(w, r)
	})
}

// expectEcho returns a function that reads an answer and compares it with the body.
func expectEcho(resp *esapi.Response, err error) func(body []byte) error {
	return func(body []byte) error {
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.IsError() {
			return fmt.Errorf("status %d", resp.StatusCode)
		}
		echo, err := io.ReadAll(resp.Body)
		if err == nil && !bytes.Equal(echo, body) {
			err = errIncomplete
		}
		return err
	}
}
