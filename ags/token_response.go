package ags

import (
	"net/http"
	"strings"
	"time"
)

// skewNoise is what the two clocks may differ by without being corrected for: the
// wire has whole seconds.
const skewNoise = time.Second

// readToken returns the token that a sign-on, or a refresh of prev, is answered
// with. prev is nil for a sign-on. The token is made anew, so that an answer
// that is no good leaves nothing half changed.
func readToken(a *answer, prev *Token) (*Token, error) {
	if a.status != http.StatusOK && a.status != http.StatusCreated {
		return nil, a.unexpected()
	}
	o, err := a.object()
	if err != nil {
		return nil, err
	}
	t, err := readPair(o)
	if err != nil {
		return nil, err
	}
	spans, err := readSpans(o)
	if err != nil {
		return nil, err
	}
	t.IssuedAt = a.sentAt
	access, refresh := readClaims(t.AccessToken), readClaims(t.RefreshToken)
	server := serverTime(a, spans, access, refresh)
	t.ExpiresAt = t.horizon(spans.access, access.expiresAt, server)
	t.RefreshExpiresAt = t.horizon(spans.refresh, refresh.expiresAt, server)
	if prev != nil {
		t.inherit(prev)
	}
	fixed := fixedClaim(access, readClaims(t.RefreshToken))
	// The claim first: it is what the gateway checks.
	if t.FixedExpiresAt = t.horizon(0, fixed, server); t.FixedExpiresAt.IsZero() {
		t.FixedExpiresAt = t.horizon(spans.fixed, time.Time{}, server)
	}
	if prev != nil && t.FixedExpiresAt.IsZero() && prev.FixedExpiresAt.After(t.IssuedAt) {
		t.FixedExpiresAt = prev.FixedExpiresAt
	}
	return t, nil
}

// readPair returns a token with all that is not about time.
func readPair(o object) (*Token, error) {
	var t Token
	var err error
	if t.AccessToken, err = o.credential("access_token"); err != nil {
		return nil, err
	}
	if t.AccessToken.IsZero() {
		code, _ := o.refusal()
		return nil, &answerError{text: "the answer has no access_token", code: code, rejection: isTokenRejection(o)}
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

// isTokenRejection reports whether an answer is the platform's rejection of a token,
// which some operators' front ends send with status 200.
func isTokenRejection(o object) bool {
	code, _ := o.refusal()
	rejected := Error{Status: http.StatusOK, Code: code}
	return rejected.endsSession()
}

// spans are the lifetimes that an answer tells, zero for those it does not.
type spans struct{ access, refresh, fixed time.Duration }

func readSpans(o object) (spans, error) {
	var s spans
	var err error
	if s.access, err = o.span("expires_in"); err != nil {
		return spans{}, err
	}
	if o.has("expires_in") && s.access == 0 {
		return spans{}, malformed("expires_in is zero")
	}
	if s.refresh, err = o.span("refresh_expires_in"); err != nil {
		return spans{}, err
	}
	if s.fixed, err = o.span("fixed_refresh_expires_in"); err != nil {
		return spans{}, err
	}
	return s, nil
}

// horizon returns when what lives for span is over, by our clock; if no span is
// told, when claim is, which is by the gateway's clock, that showed server at
// IssuedAt. A claim that the grant itself disproves, or of more than ten years,
// is none.
func (t *Token) horizon(span time.Duration, claim, server time.Time) time.Time {
	if span == 0 && !claim.IsZero() {
		span = claim.Sub(server)
	}
	if span <= 0 || span > tenYears {
		return time.Time{}
	}
	return t.IssuedAt.Add(span)
}

// inherit takes over from the token that was refreshed what the answer does not
// tell and no refresh changes. A horizon that the grant itself disproves is not.
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

// serverTime returns what the gateway's clock showed when the request was sent:
// our own time, if the two agree but for what the wire rounds off.
//
// A claimed instant less the span that belongs to it is when the token was
// issued, and counting a claim from there is counting its span from when the
// request was sent. The fixed horizon is no such pair: after a refresh its span
// may be the full constant, and the difference the time of the sign-on.
func serverTime(a *answer, s spans, access, refresh claims) time.Time {
	known := []time.Time{access.expiresAt, refresh.expiresAt, access.fixedExpiresAt, refresh.fixedExpiresAt}
	for _, pair := range []struct {
		claim time.Time
		span  time.Duration
	}{{access.expiresAt, s.access}, {refresh.expiresAt, s.refresh}} {
		if issued := pair.claim.Add(-pair.span); !pair.claim.IsZero() && pair.span > 0 && precedes(issued, known) {
			return withoutNoise(issued, a.sentAt)
		}
	}
	if date, err := http.ParseTime(a.header.Get("Date")); err == nil {
		return withoutNoise(date, a.sentAt)
	}
	return a.sentAt
}

// precedes reports whether tokens with these horizons can have been issued then:
// no token is over when it is issued.
func precedes(issued time.Time, horizons []time.Time) bool {
	for _, h := range horizons {
		if !h.IsZero() && !h.After(issued) {
			return false
		}
	}
	return true
}

// withoutNoise returns server, or ours if the two hardly differ.
func withoutNoise(server, ours time.Time) time.Time {
	if server.Sub(ours).Abs() < skewNoise {
		return ours
	}
	return server
}
