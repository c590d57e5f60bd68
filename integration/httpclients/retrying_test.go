package httpclients_test

import (
	"context"
	"log"
	"net/http"
	"testing"
	"time"

	"github.com/failsafe-go/failsafe-go/failsafehttp"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/hashicorp/go-retryablehttp"
	"github.com/stretchr/testify/assert"

	"github.com/agsauth/agsauth/integration/internal/harness"
	"github.com/agsauth/agsauth/tokensource"
)

var retryableClients = []harness.Client{
	{
		Name: "go-retryablehttp",
		Open: openRetryable(func(*retryablehttp.Client) {}),
		Limits: map[harness.Check]string{
			harness.End: "it retries after almost every error",
		},
	},
	{
		Name: "go-retryablehttp, retries unless final",
		Open: openRetryable(func(c *retryablehttp.Client) {
			c.CheckRetry = func(ctx context.Context, resp *http.Response, err error) (bool, error) {
				if tokensource.IsFinal(err) {
					return false, err
				}
				return retryablehttp.DefaultRetryPolicy(ctx, resp, err)
			}
		}),
	},
}

func openRetryable(configure func(*retryablehttp.Client)) func(*testing.T, *harness.Env) harness.Calls {
	return func(t *testing.T, e *harness.Env) harness.Calls {
		t.Helper()
		url, ours := echoAPI(t, e)
		client := retryablehttp.NewClient()
		client.HTTPClient.Transport = ours
		client.Logger = log.New(e.Log, "", 0)
		client.RetryWaitMin = retryWait
		configure(client)
		exchange := func(ctx context.Context, method string, body []byte) error {
			req, err := retryablehttp.NewRequestWithContext(ctx, method, url, body)
			if err != nil {
				return err
			}
			resp, err := client.Do(req)
			return harness.CheckResponse(resp, err, body)
		}
		return harness.Calls{
			Get:      func(ctx context.Context) error { return exchange(ctx, http.MethodGet, nil) },
			Post:     func(ctx context.Context, body []byte) error { return exchange(ctx, http.MethodPost, body) },
			Attempts: ours.count,
		}
	}
}

func TestRetryable_WaitsFifteenSecondsByDefault(t *testing.T) {
	client := retryablehttp.NewClient()
	var waits time.Duration
	for n := range client.RetryMax {
		waits += client.Backoff(client.RetryWaitMin, client.RetryWaitMax, n, nil)
	}
	assert.Equal(t, 15*time.Second, waits)
}

var failsafeClients = []harness.Client{
	{
		Name: "failsafe-go",
		Open: openFailsafe(failsafehttp.NewRetryPolicyBuilder()),
		Limits: map[harness.Check]string{
			harness.End: "it retries after almost every error",
		},
	},
	{
		Name: "failsafe-go, retries unless final",
		Open: openFailsafe(failsafehttp.NewRetryPolicyBuilder().
			AbortIf(func(_ *http.Response, err error) bool { return tokensource.IsFinal(err) })),
	},
}

func openFailsafe(policy retrypolicy.Builder[*http.Response]) func(*testing.T, *harness.Env) harness.Calls {
	return func(t *testing.T, e *harness.Env) harness.Calls {
		t.Helper()
		url, ours := echoAPI(t, e)
		client := &http.Client{Transport: failsafehttp.NewRoundTripper(ours, policy.Build())}
		calls := harness.CallsOf(client, func() string { return url })
		calls.Attempts = ours.count
		return calls
	}
}
