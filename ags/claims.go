package ags

import (
	"encoding/json"
	"errors"
	"math"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// farthest is the last number that is read as seconds since 1970. Some releases
// of the gateway write milliseconds, and so does a greater one mean.
const farthest = 1e11

// claims are what a token says of itself. Nothing of it is verified, for a client
// has no key, and so it is used for nothing but scheduling: a claim that makes no
// sense is as none. Both instants are by the gateway's clock, and zero if unknown.
type claims struct {
	expiresAt      time.Time
	fixedExpiresAt time.Time
}

// readClaims returns the claims of a token, or none where it is not a JWT.
func readClaims(token Secret) claims {
	values := jwt.MapClaims{}
	parser := jwt.NewParser(jwt.WithJSONNumber(), jwt.WithPaddingAllowed())
	// An algorithm that is not known does not keep us from reading.
	if _, _, err := parser.ParseUnverified(token.Reveal(), values); err != nil && !errors.Is(err, jwt.ErrTokenUnverifiable) {
		return claims{}
	}
	c := claims{expiresAt: numericDate(values["exp"]), fixedExpiresAt: numericDate(values["fixed_exp"])}
	if !c.expiresAt.IsZero() && c.fixedExpiresAt.Sub(c.expiresAt) > tenYears {
		c.fixedExpiresAt = time.Time{}
	}
	return c
}

// numericDate returns the instant that a claim holds, or the zero one.
func numericDate(claim any) time.Time {
	raw, _ := json.Marshal(claim) // as it was: it was read from JSON
	v, ok := parseNumber(raw)
	if ok && v > farthest {
		v /= 1000
	}
	if !ok || v <= 0 || v > farthest {
		return time.Time{}
	}
	seconds, fraction := math.Modf(v)
	return time.Unix(int64(seconds), int64(math.Round(fraction*1e3))*int64(time.Millisecond))
}

// fixedClaim returns the earlier of the fixed horizons that two tokens claim, or
// the zero instant.
func fixedClaim(a, b claims) time.Time {
	if a.fixedExpiresAt.IsZero() || !b.fixedExpiresAt.IsZero() && b.fixedExpiresAt.Before(a.fixedExpiresAt) {
		return b.fixedExpiresAt
	}
	return a.fixedExpiresAt
}

// HasFixedClaim reports whether the access token or the refresh token is a JWT
// with a usable fixed_exp claim: whether FixedExpiresAt comes from the tokens
// themselves, which is what the gateway goes by, and not from a span beside them.
func (t *Token) HasFixedClaim() bool {
	return !fixedClaim(readClaims(t.AccessToken), readClaims(t.RefreshToken)).IsZero()
}
