package peer

import (
	"context"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/agsauth/agsauth/bench/internal/impl"
)

// azure is azcore's bearer policy. No call of it returns a token, so a request is sent
// through a pipeline with this policy. The pipeline's other policies are disabled as
// far as possible, and its transport answers at once.
type azure struct {
	policy   *runtime.BearerTokenPolicy
	pipeline runtime.Pipeline
}

type azureFetch struct {
	fetch  impl.Fetch
	margin time.Duration
}

func (a azureFetch) GetToken(ctx context.Context, _ policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, expires, err := a.fetch(ctx)
	if err != nil {
		return azcore.AccessToken{}, err
	}
	return azcore.AccessToken{Token: token, ExpiresOn: expires, RefreshOn: expires.Add(-a.margin)}, nil
}

// nullTransport answers at once, with the request that it got.
type nullTransport struct{}

func (l *nullTransport) Do(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: req}, nil
}

// azureSpacing is azcore's least time between two refreshes ahead of the expiry.
const azureSpacing = 30 * time.Second

func azcoreImplementation() impl.Implementation {
	return impl.Implementation{
		Name:    "azcore",
		Spacing: azureSpacing,
		New: func(s impl.Setup) (impl.Instance, error) {
			opts := &policy.BearerTokenOptions{InsecureAllowCredentialWithHTTP: true}
			p := runtime.NewBearerTokenPolicy(azureFetch{s.Fetch, s.Margin}, []string{"scope"}, opts)
			return &azure{policy: p, pipeline: azurePipeline(p, &nullTransport{})}, nil
		},
		Wrap: func(in impl.Instance, base http.RoundTripper) impl.Sender {
			pipeline := azurePipeline(in.(*azure).policy, baseTransport{base})
			return func(req *http.Request) (*http.Response, error) {
				r, err := runtime.NewRequestFromRequest(req)
				if err != nil {
					return nil, err
				}
				return pipeline.Do(r)
			}
		},
	}
}

type baseTransport struct{ base http.RoundTripper }

func (d baseTransport) Do(req *http.Request) (*http.Response, error) { return d.base.RoundTrip(req) }

func azurePipeline(p policy.Policy, transport policy.Transporter) runtime.Pipeline {
	return runtime.NewPipeline("bench", "v0", runtime.PipelineOptions{PerRetry: []policy.Policy{p}}, &policy.ClientOptions{
		Retry:     policy.RetryOptions{MaxRetries: -1},
		Telemetry: policy.TelemetryOptions{Disabled: true},
		Transport: transport,
	})
}

func (a *azure) Get(ctx context.Context) (string, error) {
	req, err := runtime.NewRequest(ctx, http.MethodGet, "http://127.0.0.1/")
	if err != nil {
		return "", err
	}
	resp, err := a.pipeline.Do(req)
	if err != nil {
		return "", err
	}
	return resp.Request.Header.Get("Authorization"), nil
}

func (a *azure) Loop(ctx context.Context, n int) {
	req, err := runtime.NewRequest(ctx, http.MethodGet, "http://127.0.0.1/")
	if err != nil {
		return
	}
	for range n {
		_, _ = a.pipeline.Do(req)
	}
}

func (a *azure) Close() {}
