package apiclients_test

import (
	"context"
	"crypto/tls"
	"flag"
	"log/slog"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	clienttransport "k8s.io/client-go/transport"
	"k8s.io/klog/v2"

	"github.com/agsauth/agsauth/integration/internal/harness"
	"github.com/agsauth/agsauth/transport"
)

var kubernetes = harness.Client{
	Name: "client-go",
	Open: openKubernetes(wrap),
}

var kubernetesWithTokenSource = harness.Client{
	Name: "client-go, TokenSourceWrapTransport",
	Open: openKubernetes(func(config *rest.Config, e *harness.Env) {
		config.Wrap(clienttransport.TokenSourceWrapTransport(e.Source))
	}),
	Limits: oauth2Limits,
}

// wrap plugs a Transport into the configuration.
func wrap(config *rest.Config, e *harness.Env) {
	config.Wrap(func(base http.RoundTripper) http.RoundTripper {
		return &transport.Transport{Source: e.Source, Base: base}
	})
}

func openKubernetes(plugIn func(*rest.Config, *harness.Env)) func(*testing.T, *harness.Env) harness.Calls {
	return func(t *testing.T, e *harness.Env) harness.Calls {
		t.Helper()
		logEverything(t, e)
		srv := serve(t, e, kubernetesAPI())
		config := &rest.Config{Host: srv.URL, APIPath: "/api"}
		config.GroupVersion, config.NegotiatedSerializer = &corev1.SchemeGroupVersion, scheme.Codecs.WithoutConversion()
		plugIn(config, e)
		client, err := rest.RESTClientFor(config)
		require.NoError(t, err)
		return harness.Calls{
			Get: func(ctx context.Context) error {
				return client.Get().Namespace("default").Resource("configmaps").Name("map").Do(ctx).Into(&corev1.ConfigMap{})
			},
			Post: func(ctx context.Context, body []byte) error {
				var created corev1.ConfigMap
				text := string(body)
				err := client.Post().Namespace("default").Resource("configmaps").
					Body(&corev1.ConfigMap{Data: map[string]string{"text": text}}).Do(ctx).Into(&created)
				if err == nil && created.Data["text"] != text {
					err = errIncomplete
				}
				return err
			},
		}
	}
}

// kubernetesAPI answers as the API server, which returns what it has created.
func kubernetesAPI() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/namespaces/default/configmaps/map", answer(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "map"}}))
	mux.HandleFunc("POST /api/v1/namespaces/default/configmaps", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
		harness.Echo(w, r)
	})
	return mux
}

// logEverything makes klog write to the Env's log, at the level of "kubectl -v=9".
func logEverything(t *testing.T, e *harness.Env) {
	t.Helper()
	var flags flag.FlagSet
	klog.InitFlags(&flags)
	require.NoError(t, flags.Set("v", "9"))
	klog.SetSlogLogger(slog.New(slog.NewTextHandler(e.Log, &slog.HandlerOptions{Level: slog.Level(-9)})))
	t.Cleanup(func() {
		klog.ClearLogger()
		require.NoError(t, flags.Set("v", "0"))
	})
}

// Code that opens connections of its own takes their settings from the innermost
// transport of a configuration.
func TestKubernetes_ConnectionSettingsAreFound(t *testing.T) {
	e := harness.NewEnv(t)
	srv := serve(t, e, kubernetesAPI())
	dialled := 0
	config := &rest.Config{
		Host:            "https://api.example.com",
		TLSClientConfig: rest.TLSClientConfig{ServerName: "api.example.com", Insecure: true},
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			dialled++
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}
	wrap(config, e)
	rt, err := rest.TransportFor(config)
	require.NoError(t, err)

	dial, err := utilnet.DialerFor(rt)
	require.NoError(t, err)
	require.NotNil(t, dial)
	conn, err := dial(t.Context(), "tcp", srv.Listener.Addr().String())
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	assert.Equal(t, 1, dialled)

	settings, err := utilnet.TLSClientConfig(rt)
	require.NoError(t, err)
	assert.Equal(t, "api.example.com", settings.ServerName)
	assert.EqualValues(t, tls.VersionTLS12, settings.MinVersion)
}
