package ags_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
)

// sayer is a testing.T that keeps what is said of a failure.
type sayer struct{ said string }

func (s *sayer) Errorf(format string, args ...any) { s.said += fmt.Sprintf(format, args...) }

// testify prints what differs by reflection, and calls no methods.
func TestPrintedByReflection_NoSecretIsShown(t *testing.T) {
	secret := func() ags.Secret { return ags.NewSecret(accessMark) }
	token := func(client string) *ags.Token {
		return &ags.Token{AccessToken: secret(), RefreshToken: ags.NewSecret(refreshMark), ClientID: client}
	}
	cfg := config(&wire{tb: t})
	cfg.Header = http.Header{"Token": {accessMark}}
	cfg.Parameters = []ags.Parameter{{Name: "password", Value: passwordMark}}
	one, err := ags.New(cfg)
	require.NoError(t, err)
	cfg.TenantID = "another"
	two, err := ags.New(cfg)
	require.NoError(t, err)
	type holder struct {
		secret ags.Secret
		Token  *ags.Token
		N      int
	}
	for name, pair := range map[string][2]any{
		"Token":            {*token("a"), *token("b")},
		"*Token":           {token("a"), token("b")},
		"[]Token":          {[]ags.Token{*token("a")}, []ags.Token{*token("b")}},
		"Secret":           {secret(), ags.NewSecret(refreshMark)},
		"struct":           {holder{secret(), token("a"), 1}, holder{secret(), token("a"), 2}},
		"Client":           {*one, *two},
		"*Client":          {one, two},
		"Account's secret": {ags.Account{UserToken: secret()}, ags.Account{}},
	} {
		said := &sayer{}
		require.False(t, assert.Equal(said, pair[0], pair[1]), name)
		require.NotEmpty(t, said.said)
		assert.NotContains(t, said.said, "mark", name)
	}
}

func TestSecret_EqualOnesAreEqual(t *testing.T) {
	assert.Equal(t, ags.NewSecret("a"), ags.NewSecret("a"))
	assert.NotEqual(t, ags.NewSecret("a"), ags.NewSecret("b"))
	assert.Equal(t, ags.Secret{}, ags.NewSecret(""))
	for _, value := range []string{"", "a", accessMark, string(make([]byte, 1000)), "ö\x00\xff"} {
		assert.Equal(t, value, ags.NewSecret(value).Reveal())
	}
}

func TestConfigAndSignOnRequest_PrintNamesAlone(t *testing.T) {
	cfg := ags.Config{
		BaseURL: "https://dave:" + accessMark + "@gw.example.com/?q=" + accessMark, TenantID: "nagra",
		Header: http.Header{"Token": {accessMark}}, Parameters: []ags.Parameter{{Name: "password", Value: passwordMark}},
	}
	request := ags.SignOnRequest{Parameters: cfg.Parameters, ClientID: "PUB_989", DeviceInformation: []byte(`"` + accessMark + `"`)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{cfg, &cfg, request, &request} {
			inJSON, err := json.Marshal(v)
			require.NoError(t, err)
			printed := fmt.Sprintf(verb, v) + string(inJSON)
			assert.NotContains(t, printed, "mark", verb)
			assert.Contains(t, printed, "password", verb)
		}
	}
	assert.Contains(t, fmt.Sprint(cfg), "gw.example.com")
	assert.Contains(t, fmt.Sprint(request), "PUB_989")
}
