package ags_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
)

func TestHasFixedClaim(t *testing.T) {
	good := jwt(`{"fixed_exp":1657465493}`)
	for name, tc := range map[string]struct {
		access, refresh string
		want            bool
	}{
		"none":                   {"", "", false},
		"opaque":                 {"opaque", "a.b.c", false},
		"access":                 {good, "opaque", true},
		"refresh":                {"opaque", good, true},
		"unknown alg":            {jwtWith(`{"alg":"XY999"}`, `{"fixed_exp":1657465493}`), "", true},
		"no alg":                 {jwtWith(`{"typ":"JWT"}`, `{"fixed_exp":1657465493}`), "", true},
		"alg none":               {jwtWith(`{"alg":"none"}`, `{"fixed_exp":1657465493}`), "", true},
		"padded":                 {"eyJhbGciOiJ4In0=.eyJmaXhlZF9leHAiOjE2NTc0NjU0OTMgfQ==.eA==", "", true},
		"milliseconds":           {jwt(`{"fixed_exp":1657465493000}`), "", true},
		"a numeric string":       {jwt(`{"fixed_exp":"1657465493"}`), "", true},
		"zero":                   {jwt(`{"fixed_exp":0}`), "", false},
		"negative":               {jwt(`{"fixed_exp":-1657465493}`), "", false},
		"too large":              {jwt(`{"fixed_exp":1e300}`), "", false},
		"infinite":               {jwt(`{"fixed_exp":1e999}`), "", false},
		"text":                   {jwt(`{"fixed_exp":"soon"}`), "", false},
		"null":                   {jwt(`{"fixed_exp":null}`), "", false},
		"a list":                 {jwt(`{"fixed_exp":[1657465493]}`), "", false},
		"never":                  {jwt(`{"exp":1654877093,"fixed_exp":9999999999}`), "", false},
		"ten years":              {jwt(`{"exp":1654873493,"fixed_exp":1970233493}`), "", true},
		"above ten years":        {jwt(`{"exp":1654873493,"fixed_exp":1970233494}`), "", false},
		"claims not an object":   {jwt(`[1]`), "", false},
		"claims not JSON":        {jwt(`{"fixed_exp":1657465493`), "", false},
		"header not JSON":        {jwtWith(`{`, `{"fixed_exp":1657465493}`), "", false},
		"header not base64":      {"!" + good, "", false},
		"too many segments":      {good + ".x", "", false},
		"too few":                {strings.TrimSuffix(good, good[strings.LastIndex(good, "."):]), "", false},
		"one valid, one invalid": {jwt(`{"fixed_exp":-1}`), good, true},
	} {
		t.Run(name, func(t *testing.T) {
			token := &ags.Token{AccessToken: ags.NewSecret(tc.access), RefreshToken: ags.NewSecret(tc.refresh)}
			assert.Equal(t, tc.want, token.HasFixedClaim())
			if tc.access == "" {
				return
			}
			refreshed, err := refreshAt(t, issued, testToken(), toJSON(map[string]string{"access_token": tc.access, "refresh_token": tc.refresh}))
			require.NoError(t, err)
			assert.Equal(t, tc.want, !refreshed.FixedExpiresAt.IsZero(), "FixedExpiresAt is set if the claim is")
		})
	}
}
