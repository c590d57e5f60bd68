package ags

import (
	"net/http"
	"strings"
	"time"
)

// clockTolerance is the difference between the two clocks that is not corrected,
// because the gateway's times are whole seconds.
const clockTolerance = time.Second

// readToken returns the token of the response to a sign-on, or to a refresh of
// prev. prev is nil for a sign-on, and is not changed.
func readToken(r *response, prev *Token) (*Token, error) {
	if r.status != http.StatusOK && r.status != http.StatusCreated {
		return nil, r.unexpectedStatus()
	}
	o, err := r.object()
	if err != nil {
		return nil, err
	}
	if r.refusals && !o.has("access_token") {
		if code, message := o.codeAndMessage(); isRefusal(r.status, code, message) {
			return nil, &responseError{text: "the response has no access_token", code: code, refusal: true, message: message}
		}
	}
	t, err := readTokenFields(o)
	if err != nil {
		return nil, err
	}
	l, err := readLifetimes(o)
	if err != nil {
		return nil, err
	}
	t.IssuedAt = r.sentAt
	access, refresh := readClaims(t.AccessToken), readClaims(t.RefreshToken)
	server := serverTime(r, l, access, refresh)
	t.ExpiresAt = t.expiry(l.access, access.expiresAt, server)
	t.RefreshExpiresAt = t.expiry(l.refresh, refresh.expiresAt, server)
	if prev != nil {
		t.inherit(prev)
	}
	fixed := fixedClaim(access, readClaims(t.RefreshToken))
	// The claim takes precedence, because the gateway checks it.
	if t.FixedExpiresAt = t.expiry(0, fixed, server); t.FixedExpiresAt.IsZero() {
		t.FixedExpiresAt = t.expiry(l.fixed, time.Time{}, server)
	}
	if prev != nil && t.FixedExpiresAt.IsZero() && prev.FixedExpiresAt.After(t.IssuedAt) {
		t.FixedExpiresAt = prev.FixedExpiresAt
	}
	return t, nil
}

// readTokenFields returns a token without its times.
func readTokenFields(o object) (*Token, error) {
	var t Token
	var err error
	if t.AccessToken, err = o.credential("access_token"); err != nil {
		return nil, err
	}
	if t.AccessToken.IsZero() {
		code, _ := o.codeAndMessage()
		return nil, &responseError{text: "the response has no access_token", code: code, rejection: isTokenRejection(code)}
	}
	if t.RefreshToken, err = o.credential("refresh_token"); err != nil {
		return nil, err
	}
	if t.TokenType, err = o.text("token_type"); err != nil {
		return nil, err
	}
	if t.TokenType == "" {
		t.TokenType = "bearer"
	}
	if !strings.EqualFold(t.TokenType, "bearer") {
		return nil, malformed("token_type is not bearer")
	}
	if t.ClientID, err = o.identifier("client_id"); err != nil {
		return nil, err
	}
	if t.AccountID, err = o.identifier("accountId"); err != nil {
		return nil, err
	}
	return &t, nil
}

// isTokenRejection reports whether a response with status 200 and this code rejects
// a token. The platform's documentation describes it for some operators.
func isTokenRejection(code int) bool {
	rejected := Error{Status: http.StatusOK, Code: code}
	return rejected.endsSession()
}

// lifetimes are the lifetimes of a response, zero if it omits them.
type lifetimes struct{ access, refresh, fixed time.Duration }

func readLifetimes(o object) (lifetimes, error) {
	var l lifetimes
	var err error
	if l.access, err = o.lifetime("expires_in"); err != nil {
		return lifetimes{}, err
	}
	if o.has("expires_in") && l.access == 0 {
		return lifetimes{}, malformed("expires_in is zero")
	}
	if l.refresh, err = o.lifetime("refresh_expires_in"); err != nil {
		return lifetimes{}, err
	}
	if l.fixed, err = o.lifetime("fixed_refresh_expires_in"); err != nil {
		return lifetimes{}, err
	}
	return l, nil
}

// expiry returns when a lifetime that starts at IssuedAt ends, by our clock. If
// the lifetime is zero, it returns the expiry of the claim. The claim is by the
// gateway's clock, which showed server at IssuedAt. A claim that is not in the
// future, or more than ten years ahead, is ignored.
func (t *Token) expiry(lifetime time.Duration, claim, server time.Time) time.Time {
	if lifetime == 0 && !claim.IsZero() {
		lifetime = claim.Sub(server)
	}
	if lifetime <= 0 || lifetime > maxLifetime {
		return time.Time{}
	}
	return t.IssuedAt.Add(lifetime)
}

// inherit copies from prev what a refresh response may omit. A refresh token that
// was just accepted has not expired: a RefreshExpiresAt in the past is not copied.
func (t *Token) inherit(prev *Token) {
	if t.RefreshToken.IsZero() {
		t.RefreshToken = prev.RefreshToken
		if t.RefreshExpiresAt.IsZero() && prev.RefreshExpiresAt.After(t.IssuedAt) {
			t.RefreshExpiresAt = prev.RefreshExpiresAt
		}
	}
	if t.ClientID == "" {
		t.ClientID = prev.ClientID
	}
	if t.AccountID == "" {
		t.AccountID = prev.AccountID
	}
}

// serverTime returns the time that the gateway's clock showed when the request was
// sent, or our own time if the two agree within clockTolerance.
//
// The tokens have no iat claim. Their issue time is exp less the lifetime in the
// response. fixed_exp is not used for it: after a refresh
// fixed_refresh_expires_in may be the original lifetime, and the difference would
// be the time of the sign-on.
func serverTime(r *response, l lifetimes, access, refresh claims) time.Time {
	expiries := []time.Time{access.expiresAt, refresh.expiresAt, access.fixedExpiresAt, refresh.fixedExpiresAt}
	for _, c := range []struct {
		exp      time.Time
		lifetime time.Duration
	}{{access.expiresAt, l.access}, {refresh.expiresAt, l.refresh}} {
		issued := c.exp.Add(-c.lifetime)
		if !c.exp.IsZero() && c.lifetime > 0 && isBeforeAll(issued, expiries) {
			return orOurs(issued, r.sentAt)
		}
	}
	if date, err := http.ParseTime(r.header.Get("Date")); err == nil {
		return orOurs(date, r.sentAt)
	}
	return r.sentAt
}

// isBeforeAll reports whether a token with these expiries can have been issued at
// issued: it has not expired then. Zero times are ignored.
func isBeforeAll(issued time.Time, expiries []time.Time) bool {
	for _, e := range expiries {
		if !e.IsZero() && !e.After(issued) {
			return false
		}
	}
	return true
}

// orOurs returns ours if server differs from it by less than clockTolerance, and
// server otherwise.
func orOurs(server, ours time.Time) time.Time {
	if server.Sub(ours).Abs() < clockTolerance {
		return ours
	}
	return server
}
