package ags

import "time"

// Token is the response to a sign-on and to a refresh: an access token, the
// refresh token that belongs to it, and their lifetimes. Every refresh issues
// both anew; replace both at once.
//
// A Token is not changed after it is made, and may be shared.
//
// All times are by this machine's clock. The gateway sends lifetimes in seconds;
// they are counted from when the request was sent, so that a token is never
// believed to live longer than it does. Times in a token's claims are corrected
// by the observed difference between the two clocks. A zero time is unknown.
type Token struct {
	// AccessToken is sent with every request to the platform's APIs.
	AccessToken Secret
	// RefreshToken obtains the next tokens. It may be valid for one use only.
	RefreshToken Secret
	// TokenType is "bearer", in the gateway's spelling.
	TokenType string

	// ClientID identifies the device. The gateway assigns it at the first sign-on.
	// Send it with every later one: a sign-on without it registers a new device,
	// and an account may have only a few.
	ClientID string
	// AccountID identifies the account.
	AccountID string

	// IssuedAt is when the request for this token was sent.
	IssuedAt time.Time
	// ExpiresAt is when the access token expires. A refresh extends it.
	ExpiresAt time.Time
	// RefreshExpiresAt is when the refresh token expires. A refresh extends it.
	RefreshExpiresAt time.Time
	// FixedExpiresAt is when the session ends. The sign-on sets it, and no refresh
	// extends it.
	FixedExpiresAt time.Time
}

// HasFixedClaim reports whether the access token or the refresh token is a JWT
// with a valid fixed_exp claim. FixedExpiresAt then comes from the tokens, whose
// claim the gateway checks, and not from fixed_refresh_expires_in.
func (t *Token) HasFixedClaim() bool {
	return !fixedClaim(readClaims(t.AccessToken), readClaims(t.RefreshToken)).IsZero()
}
