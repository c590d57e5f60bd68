package tokenformat_test

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/tokenformat"
)

var expiry = time.Date(2026, 3, 1, 12, 30, 0, 5, time.FixedZone("", 3600))

func TestFormats(t *testing.T) {
	token := &oauth2.Token{AccessToken: "a.b<c", TokenType: "bearer", RefreshToken: "hidden", Expiry: expiry}
	for name, want := range map[string]string{
		"raw":       `a.b<c`,
		"header":    `Authorization: Bearer a.b<c`,
		"json":      `{"access_token":"a.b<c","token_type":"Bearer","expires_at":"2026-03-01T11:30:00Z","expires_at_epoch":1772364600}`,
		"curl":      `header = "Authorization: Bearer a.b<c"`,
		"envoy-sds": `{"resources":[{"@type":"type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret","name":"agsauth","generic_secret":{"secret":{"inline_string":"Bearer a.b<c"}}}]}`,
	} {
		format, ok := tokenformat.Lookup(name)
		require.True(t, ok, name)
		assert.Equal(t, want, string(format(token)), name)
	}
	_, ok := tokenformat.Lookup("yaml")
	assert.False(t, ok)
}

func TestJSON_OmitsAnUnknownExpiry(t *testing.T) {
	assert.JSONEq(t, `{"access_token":"a","token_type":"Bearer"}`, string(tokenformat.JSON(&oauth2.Token{AccessToken: "a"})))
}

func TestEnvoySDS_OfNoToken(t *testing.T) {
	assert.Contains(t, string(tokenformat.EnvoySDS(nil)), `"inline_string":""`)
}

// What curl makes of the configuration is judged by curl, which prints it with --libcurl.
func TestCurlConfig_IsReadByCurl(t *testing.T) {
	path, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("there is no curl")
	}
	token := &oauth2.Token{AccessToken: `q"b\s`}
	cmd := exec.CommandContext(t.Context(), path, "-q", "-K", "-", "--libcurl", "-", "--silent", "file:///dev/null")
	cmd.Stdin = strings.NewReader(string(tokenformat.CurlConfig(token)))
	out, err := cmd.Output()
	require.NoError(t, err)
	assert.Contains(t, string(out), `"Authorization: Bearer q\"b\\s"`)
}
