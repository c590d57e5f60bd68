package httpclients_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	restyv2 "github.com/go-resty/resty/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	restyv3 "resty.dev/v3"

	"github.com/agsauth/agsauth/integration/internal/harness"
	"github.com/agsauth/agsauth/tokensource"
)

const (
	// debugBodyLimit keeps large bodies out of resty's log.
	debugBodyLimit = 1024
	retryWait      = time.Millisecond
)

var restyClients = []harness.Client{
	{Name: "resty v2", Open: openRestyV2(func(*restyv2.Client) {})},
	{
		Name: "resty v2, retries",
		Open: openRestyV2(func(c *restyv2.Client) { c.SetRetryCount(3) }),
		Limits: map[harness.Check]string{
			harness.End: "it retries after every error",
		},
	},
	{
		Name: "resty v2, retries unless final",
		Open: openRestyV2(func(c *restyv2.Client) {
			c.SetRetryCount(3).AddRetryCondition(func(_ *restyv2.Response, err error) bool {
				return err != nil && !tokensource.IsFinal(err)
			})
		}),
	},
	{Name: "resty v3", Open: openRestyV3(func(c *restyv3.Client) { c.SetRetryCount(3) })},
	{
		Name: "resty v3, retries after errors",
		Open: openRestyV3(func(c *restyv3.Client) {
			c.SetRetryCount(3).AddRetryConditions(func(_ *restyv3.Response, err error) bool { return err != nil })
		}),
		Limits: map[harness.Check]string{
			harness.End: "the condition does not tell errors apart",
		},
	},
	{
		Name: "resty v3, retries unless final",
		Open: openRestyV3(func(c *restyv3.Client) {
			c.SetRetryCount(3).AddRetryConditions(func(_ *restyv3.Response, err error) bool {
				return err != nil && !tokensource.IsFinal(err)
			})
		}),
	},
}

func openRestyV2(configure func(*restyv2.Client)) func(*testing.T, *harness.Env) harness.Calls {
	return func(t *testing.T, e *harness.Env) harness.Calls {
		t.Helper()
		url, ours := echoAPI(t, e)
		client := restyv2.New().SetTransport(ours).SetLogger(restyLog{e.Log}).SetDebug(true).SetDebugBodyLimit(debugBodyLimit).
			SetRetryWaitTime(retryWait).SetRetryMaxWaitTime(retryWait)
		configure(client)
		return harness.Calls{
			Get: func(ctx context.Context) error {
				resp, err := client.R().SetContext(ctx).Get(url)
				if err != nil {
					return err
				}
				return harness.CheckEcho(resp.StatusCode(), nil, resp.Body())
			},
			Post: func(ctx context.Context, body []byte) error {
				resp, err := client.R().SetContext(ctx).SetBody(body).Post(url)
				if err != nil {
					return err
				}
				return harness.CheckEcho(resp.StatusCode(), body, resp.Body())
			},
			Attempts: ours.count,
		}
	}
}

func openRestyV3(configure func(*restyv3.Client)) func(*testing.T, *harness.Env) harness.Calls {
	return func(t *testing.T, e *harness.Env) harness.Calls {
		t.Helper()
		url, ours := echoAPI(t, e)
		client := restyv3.New().SetTransport(ours).SetLogger(restyLog{e.Log}).SetDebug(true).SetDebugBodyLimit(debugBodyLimit).
			SetRetryWaitTime(retryWait).SetRetryMaxWaitTime(retryWait)
		t.Cleanup(func() { _ = client.Close() })
		configure(client)
		return harness.Calls{
			Get: func(ctx context.Context) error {
				resp, err := client.R().SetContext(ctx).Get(url)
				if err != nil {
					return err
				}
				return harness.CheckEcho(resp.StatusCode(), nil, resp.Bytes())
			},
			Post: func(ctx context.Context, body []byte) error {
				// Resty reuses the buffer of a []byte when it has the response. If the API
				// rejects the token early, net/http may still read from that buffer.
				resp, err := client.R().SetContext(ctx).SetBody(bytes.NewReader(body)).Post(url)
				if err != nil {
					return err
				}
				return harness.CheckEcho(resp.StatusCode(), body, resp.Bytes())
			},
			Attempts: ours.count,
		}
	}
}

// restyLog is a logger of both versions.
type restyLog struct{ w io.Writer }

func (l restyLog) Errorf(format string, v ...any) { l.write("error", format, v) }
func (l restyLog) Warnf(format string, v ...any)  { l.write("warning", format, v) }
func (l restyLog) Debugf(format string, v ...any) { l.write("debug", format, v) }

func (l restyLog) write(level, format string, v []any) {
	_, _ = fmt.Fprintf(l.w, level+": "+format+"\n", v...)
}

func TestRestyV2_ItsOwnAuthTokenIsSentUnchanged(t *testing.T) {
	e := harness.NewEnv(t)
	url, ours := echoAPI(t, e)
	resp, err := restyv2.New().SetTransport(ours).SetLogger(restyLog{e.Log}).SetAuthToken("its own").R().Get(url)
	require.NoError(t, err)
	assert.Equal(t, http.StatusUnauthorized, resp.StatusCode())
	assert.Equal(t, 1, e.Received())
}
