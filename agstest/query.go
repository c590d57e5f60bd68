package agstest

import (
	"net/url"
	"slices"
	"strings"
)

// secretParameters returns the names of query parameters, in lower case, whose values
// Request.Query does not show.
func secretParameters() []string {
	return []string{"access_token", "client-token", "client_secret", passwordGrant, refreshGrant, "token"}
}

// shownQuery returns a query with "[redacted]" in place of secret values. If it has a
// grant_type, all other values are secret.
func shownQuery(raw string) string {
	pairs := strings.Split(raw, "&")
	isGrant := slices.ContainsFunc(pairs, func(pair string) bool { return parameterName(pair) == grantTypeParameter })
	for i, pair := range pairs {
		name, _, hasValue := strings.Cut(pair, "=")
		switch parsed := parameterName(pair); {
		case parsed == grantTypeParameter || pair == "":
		case slices.Contains(secretParameters(), parsed) && hasValue:
			pairs[i] = name + "=" + redacted
		case isGrant && hasValue && parsed != "":
			pairs[i] = name + "=" + redacted
		case isGrant || parsed == "":
			pairs[i] = redacted // a name may be a secret that was not encoded
		}
	}
	return strings.Join(pairs, "&")
}

// parameterName returns the name of a pair of a query in lower case, empty if it is
// malformed.
func parameterName(pair string) string {
	name, _, _ := strings.Cut(pair, "=")
	name, err := url.QueryUnescape(name)
	if err != nil {
		return ""
	}
	return strings.ToLower(name)
}
