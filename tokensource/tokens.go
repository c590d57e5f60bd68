package tokensource

import (
	"crypto/sha256"
	"sync/atomic"

	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource/internal/lifecycle"
	"github.com/agsauth/agsauth/tokensource/internal/sharing"
)

// tokens are the secrets of a pair. The access token is kept in the bearer alone: a token
// can be long, and an ags.Secret does not share its memory.
type tokens struct {
	refresh ags.Secret
	// bearer is what callers get: shared, read-only, without the refresh token. It is set
	// once. It is an atomic pointer because printers that use reflection follow others.
	bearer atomic.Pointer[oauth2.Token]
}

// withRefresh returns the access token of t with another refresh token.
func (t *tokens) withRefresh(refresh ags.Secret) *tokens {
	both := &tokens{refresh: refresh}
	both.bearer.Store(t.bearer.Load())
	return both
}

// Fingerprint identifies the pair.
func (t *tokens) Fingerprint() lifecycle.Fingerprint {
	return fingerprint(t.bearer.Load().AccessToken, t.refresh)
}

func fingerprint(accessToken string, refresh ags.Secret) lifecycle.Fingerprint {
	return sha256.Sum256([]byte(accessToken + "\x00" + refresh.Reveal()))
}

// fingerprintOf identifies the pair of a record.
func fingerprintOf(rec *sharing.Record) lifecycle.Fingerprint {
	return fingerprint(rec.AccessToken, ags.NewSecret(rec.RefreshToken))
}

func tokensOf(p *lifecycle.Pair) *tokens { return p.Tokens.(*tokens) }

// bearer returns what callers get of a pair.
func bearer(p *lifecycle.Pair) *oauth2.Token { return tokensOf(p).bearer.Load() }

// newPair returns the pair of a token. The arrival says where it came from, and when.
func (s *Source) newPair(t *ags.Token, a lifecycle.Arrival) *lifecycle.Pair {
	return s.newPairWith(t.AccessToken.Reveal(), t, a)
}

// newPairWith is newPair with the access token in plain text. That of t is not used unless
// there is a former pair.
func (s *Source) newPairWith(accessToken string, t *ags.Token, a lifecycle.Arrival) *lifecycle.Pair {
	set := s.cfg.settings()
	secrets := &tokens{refresh: t.RefreshToken}
	a.Grant = lifecycle.Grant{
		Device:   lifecycle.Device{ClientID: t.ClientID, AccountID: t.AccountID},
		IssuedAt: t.IssuedAt, ExpiresAt: t.ExpiresAt, RefreshExpiresAt: t.RefreshExpiresAt, FixedExpiresAt: t.FixedExpiresAt,
		HasRefreshToken: !t.RefreshToken.IsZero(),
	}
	if a.Former != nil {
		if !a.HasRefreshToken {
			secrets.refresh = tokensOf(a.Former).refresh
		}
		a.FixedIsClaim = (&ags.Token{AccessToken: t.AccessToken, RefreshToken: secrets.refresh}).HasFixedClaim()
	}
	a.Tokens, a.Draw = secrets, s.cfg.draw()
	a.RefreshBefore, a.WarnBefore = set.refreshBefore, set.warnBefore
	p := lifecycle.NewPair(a)
	secrets.bearer.Store(&oauth2.Token{AccessToken: accessToken, TokenType: t.TokenType, Expiry: p.Expiry()})
	return p
}

// handedInPair returns the pair of a token that a user or a Login has handed in. What it
// does not say of the device is what was known before.
func (s *Source) handedInPair(t *ags.Token, former lifecycle.Device) *lifecycle.Pair {
	given := *t
	device := lifecycle.Device{ClientID: t.ClientID, AccountID: t.AccountID}.Or(former)
	given.ClientID, given.AccountID = device.ClientID, device.AccountID
	return s.newPair(&given, lifecycle.Arrival{Origin: lifecycle.HandedIn, At: s.cfg.clock.Now()})
}

// tokenOf returns a pair as the gateway's client knows it.
func tokenOf(p *lifecycle.Pair) *ags.Token {
	shared := bearer(p)
	return &ags.Token{
		AccessToken: ags.NewSecret(shared.AccessToken), RefreshToken: tokensOf(p).refresh, TokenType: shared.TokenType,
		ClientID: p.ClientID, AccountID: p.AccountID,
		IssuedAt: p.IssuedAt(), ExpiresAt: p.ExpiresAt(), RefreshExpiresAt: p.RefreshExpiresAt(), FixedExpiresAt: p.FixedExpiresAt(),
	}
}

// recordOf returns the record of what is in memory: a pair, or the mark of a sign-out.
func recordOf(state *lifecycle.State) *sharing.Record {
	if p := state.Pair(); p != nil {
		return recordOfPair(p)
	}
	device := state.Device()
	return sharing.NewMark(device.ClientID, device.AccountID, state.End().At)
}

func recordOfPair(p *lifecycle.Pair) *sharing.Record {
	return sharing.NewRecord(tokenOf(p), p.StartedAt())
}

// stored returns what a record says, nil for none.
func (s *Source) stored(rec *sharing.Record) *lifecycle.Stored {
	if rec == nil {
		return nil
	}
	st := &lifecycle.Stored{
		Generation: rec.Generation, StartedAt: rec.StartedAt, SignedOutAt: rec.SignedOutAt,
		Device: lifecycle.Device{ClientID: rec.ClientID, AccountID: rec.AccountID},
	}
	if !rec.IsSignOut() {
		arrival := lifecycle.Arrival{Origin: lifecycle.HandedIn, At: s.cfg.clock.Now(), StartedAt: rec.StartedAt}
		st.Pair = s.newPairWith(rec.AccessToken, rec.TokenWithoutAccess(), arrival)
	}
	return st
}
