package ags

import (
	"encoding/json"
	"errors"
	"math"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// maxClaimSeconds is the largest claim that is read as seconds since 1970. A
// larger one is milliseconds, as some releases of the platform write it.
const maxClaimSeconds = 1e11

// claims are the claims of a token that this package reads, by the gateway's
// clock. A zero time is unknown. They are not verified, and invalid ones are
// ignored.
type claims struct {
	expiresAt      time.Time
	fixedExpiresAt time.Time
}

// readClaims returns the claims of a token, zero if it is not a JWT.
func readClaims(token Secret) claims {
	values := jwt.MapClaims{}
	parser := jwt.NewParser(jwt.WithJSONNumber(), jwt.WithPaddingAllowed())
	// An unknown algorithm does not matter: the signature is not verified.
	if _, _, err := parser.ParseUnverified(token.Reveal(), values); err != nil && !errors.Is(err, jwt.ErrTokenUnverifiable) {
		return claims{}
	}
	c := claims{expiresAt: numericDate(values["exp"]), fixedExpiresAt: numericDate(values["fixed_exp"])}
	if !c.expiresAt.IsZero() && c.fixedExpiresAt.Sub(c.expiresAt) > maxLifetime {
		c.fixedExpiresAt = time.Time{}
	}
	return c
}

// numericDate returns the time that a claim contains, or zero if it is invalid.
func numericDate(claim any) time.Time {
	raw, _ := json.Marshal(claim) // no error: it was decoded from JSON
	v, ok := parseNumber(raw)
	if ok && v > maxClaimSeconds {
		v /= 1000
	}
	if !ok || v <= 0 || v > maxClaimSeconds {
		return time.Time{}
	}
	seconds, fraction := math.Modf(v)
	return time.Unix(int64(seconds), int64(math.Round(fraction*1e3))*int64(time.Millisecond))
}

// fixedClaim returns the earlier fixed_exp of two tokens, or zero if there is none.
func fixedClaim(a, b claims) time.Time {
	if a.fixedExpiresAt.IsZero() || !b.fixedExpiresAt.IsZero() && b.fixedExpiresAt.Before(a.fixedExpiresAt) {
		return b.fixedExpiresAt
	}
	return a.fixedExpiresAt
}
