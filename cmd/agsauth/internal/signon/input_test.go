package signon_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/signon"
)

func TestParseParameter(t *testing.T) {
	for _, tt := range []struct{ argument, want string }{
		{"username=dave", "username=dave"},
		{" username = dave ", "username= dave "},
		{"query=a=b", "query=a=b"},
		{"username=", "username="},
	} {
		got, err := signon.ParseParameter(tt.argument)
		require.NoError(t, err)
		assert.Equal(t, []string{tt.want}, pairs([]ags.Parameter{got}))
	}
}

func TestParseParameter_Refused(t *testing.T) {
	for _, tt := range []struct{ argument, want string }{
		{"open sesame", "a --param is not name=value"},
		{"=open sesame", "a --param is not name=value"},
		{"password=open sesame", `the parameter "password" is a secret`},
		{"PIN=open sesame", `the parameter "PIN" is a secret`},
	} {
		_, err := signon.ParseParameter(tt.argument)
		var input *signon.InputError
		require.ErrorAs(t, err, &input, tt.argument)
		assert.Contains(t, input.Problem, tt.want)
		assert.NotEmpty(t, input.Remedy)
		assert.NotContains(t, err.Error(), "sesame")
	}
}

func TestIsSecretName(t *testing.T) {
	for _, name := range []string{
		"password", "Password", "userPassword", "passwd", "passCode", "PIN", "pin", "userPin", "user_pin", "User PIN",
		"pin2", "otp", "client-secret", "sessionToken", "passphrase", "pwd", "credential",
	} {
		assert.True(t, signon.IsSecretName(name), name)
	}
	for _, name := range []string{"", "username", "shipping", "opinion", "Spinner", "compass", "laptop", "accountId", "key"} {
		assert.False(t, signon.IsSecretName(name), name)
	}
}

func TestRefuseSecrets(t *testing.T) {
	properties := []ags.ParameterProperty{{Name: "username"}, {Name: "Memorable", IsPassword: true}}
	require.NoError(t, signon.RefuseSecrets([]ags.Parameter{{Name: "username", Value: "dave"}, {Name: "other"}}, properties))
	err := signon.RefuseSecrets([]ags.Parameter{{Name: "memorable", Value: "open sesame"}}, properties)
	require.ErrorContains(t, err, `the parameter "memorable" is a secret`)
	assert.NotContains(t, err.Error(), "sesame")
}
