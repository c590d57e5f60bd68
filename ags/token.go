package ags

import "time"

// Token is what a sign-on and a refresh alike answer: an access token, the
// refresh token that goes with it, and how long each is good for. The two belong
// together: every refresh issues both anew, and both are to be replaced at once.
//
// A Token is not changed once it is made, and so may be shared.
//
// All instants are by this machine's own clock. The gateway tells spans, which
// are counted from when the request was sent, so that a token is never thought
// to live longer than it does; where it tells instants, inside its tokens, these
// are corrected by what its clock was seen to differ from ours. A zero instant
// is an unknown one.
type Token struct {
	// AccessToken is sent with every request to the platform's APIs.
	AccessToken Secret
	// RefreshToken buys the next pair. It may be good for one use only.
	RefreshToken Secret
	// TokenType is "bearer", in whatever case the gateway writes it.
	TokenType string

	// ClientID is the device's identity, given at its first sign-on. It is to be
	// sent with every later one, for the life of the device: a sign-on without
	// it registers another device, of which an account may have only a few.
	ClientID string
	// AccountID is the account signed on to.
	AccountID string

	// IssuedAt is when the request was sent that this is the answer to.
	IssuedAt time.Time
	// ExpiresAt is when the access token expires. A refresh moves it.
	ExpiresAt time.Time
	// RefreshExpiresAt is when the refresh token expires. A refresh moves it too.
	RefreshExpiresAt time.Time
	// FixedExpiresAt is when the session ends, however recent the last refresh.
	// It is set by the sign-on, and no refresh moves it.
	FixedExpiresAt time.Time
}
