package apiclients_test

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/golang/snappy"
	apiremote "github.com/prometheus/client_golang/exp/api/remote"
	config "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/storage/remote"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/integration/internal/harness"
	"github.com/agsauth/agsauth/tokensource"
	"github.com/agsauth/agsauth/transport"
)

var hidesErrors = map[harness.Check]string{harness.End: "it takes every error for one that may pass, and hides it"}

var remoteWrite = harness.Client{
	Name: "Prometheus remote write, client_golang/exp",
	Open: func(t *testing.T, e *harness.Env) harness.Calls {
		t.Helper()
		var received inbox
		api := newRemoteWrite(t, e, &received)
		return writes(&received, func(ctx context.Context, req *prompb.WriteRequest) error {
			_, err := api.Write(ctx, apiremote.WriteV1MessageType, req)
			return err
		})
	},
	Limits: hidesErrors,
}

var remoteWriteOfPrometheus = harness.Client{
	Name: "Prometheus remote write, prometheus/storage/remote",
	Open: func(t *testing.T, e *harness.Env) harness.Calls {
		t.Helper()
		var received inbox
		srv := serve(t, e, apiremote.NewWriteHandler(&received, apiremote.MessageTypes{apiremote.WriteV1MessageType}))
		target, err := url.Parse(srv.URL)
		require.NoError(t, err)
		writer, err := remote.NewWriteClient("test", &remote.ClientConfig{URL: &config.URL{URL: target}, Timeout: model.Duration(time.Minute)})
		require.NoError(t, err)
		client := writer.(*remote.Client).Client
		client.Transport = &transport.Transport{Source: e.Source, Base: client.Transport}
		return writes(&received, func(ctx context.Context, req *prompb.WriteRequest) error {
			data, err := req.Marshal()
			if err != nil {
				return err
			}
			_, err = writer.Store(ctx, snappy.Encode(nil, data), 0)
			return err
		})
	},
	Limits: hidesErrors,
}

func newRemoteWrite(t *testing.T, e *harness.Env, received *inbox) *apiremote.API {
	t.Helper()
	srv := serve(t, e, apiremote.NewWriteHandler(received, apiremote.MessageTypes{apiremote.WriteV1MessageType}))
	api, err := apiremote.NewAPI(srv.URL,
		apiremote.WithAPIHTTPClient(&http.Client{Transport: over(e, srv)}),
		apiremote.WithAPILogger(slog.New(slog.NewTextHandler(e.Log, nil))),
		apiremote.WithAPIBackoff(apiremote.BackoffConfig{Min: time.Millisecond, Max: time.Millisecond, MaxRetries: 3}),
	)
	require.NoError(t, err)
	return api
}

// Store keeps a request that the handler has decompressed.
func (i *inbox) Store(req *http.Request, _ apiremote.WriteMessageType) (*apiremote.WriteResponse, error) {
	body, err := io.ReadAll(req.Body)
	i.put(body)
	return apiremote.NewWriteResponse(), err
}

// writes returns the calls of a client that writes samples.
func writes(received *inbox, write func(context.Context, *prompb.WriteRequest) error) harness.Calls {
	exchange := func(ctx context.Context, samples int) error {
		req := newSamples(samples)
		want, err := req.Marshal()
		if err != nil {
			return err
		}
		return received.expect(write(ctx, req), want)
	}
	const sampleSize = 16 // about, with its prefix and compressed
	return harness.Calls{
		Get:  func(ctx context.Context) error { return exchange(ctx, 1) },
		Post: func(ctx context.Context, body []byte) error { return exchange(ctx, len(body)/sampleSize) },
	}
}

// newSamples returns samples that cannot be compressed.
func newSamples(n int) *prompb.WriteRequest {
	random := rand.New(rand.NewPCG(1, 2))
	series := prompb.TimeSeries{Labels: []prompb.Label{{Name: "__name__", Value: "example"}}}
	for range n {
		series.Samples = append(series.Samples, prompb.Sample{Value: random.Float64(), Timestamp: random.Int64N(1 << 40)})
	}
	return &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{series}}
}

// The callback gets the error that Write hides.
func TestRemoteWrite_TheCallbackSeesTheEnd(t *testing.T) {
	e := harness.NewEnv(t)
	var received inbox
	api := newRemoteWrite(t, e, &received)
	e.EndSession()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	retries := 0
	_, err := api.Write(ctx, apiremote.WriteV1MessageType, newSamples(1), apiremote.WithWriteRetryCallback(func(err error) {
		retries++
		if tokensource.IsFinal(err) {
			cancel(err)
		}
	}))
	require.ErrorIs(t, err, context.Canceled)
	var ended *tokensource.LoginRequiredError
	require.ErrorAs(t, context.Cause(ctx), &ended)
	assert.Equal(t, 1, retries)
}
