package tokensource

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource/internal/lifecycle"
	"github.com/agsauth/agsauth/tokensource/internal/task"
)

// exchange passes a pair that a refresh was granted to Config.OnGrant. Before, the new
// refresh token is put into use beside the former access token: whatever OnGrant does,
// that is what the next refresh needs.
func (op *operation) exchange(granted *ags.Token, a lifecycle.Arrival, saving saving) lifecycle.Outcome {
	s := op.src
	pair := s.newPair(granted, a)
	kept := a.Former.WithRefreshTokenOf(pair, tokensOf(a.Former).withRefresh(tokensOf(pair).refresh))
	result, outcome := op.saveGranted(kept, saving)
	if !result.used {
		return outcome
	}
	op.apply(lifecycle.Granted{Pair: kept, Save: result.SaveResult})
	exchanged, err := op.callOnGrant(tokenOf(pair))
	if err != nil {
		return op.transientFailure(err)
	}
	if !op.receive(exchanged) {
		return nil
	}
	a.Former = kept
	return op.refreshed(s.newPair(exchanged, a), saving)
}

// exchangeLogin passes a pair that Login has returned to Config.OnGrant. Before, the pair
// is saved with an access token that counts as expired. If OnGrant fails, the session
// begins with that: its refresh is tried again.
func (op *operation) exchangeLogin(granted *ags.Token, device lifecycle.Device) lifecycle.Outcome {
	s := op.src
	var kept lifecycle.Outcome
	if !granted.RefreshToken.IsZero() {
		unused := *granted
		unused.ExpiresAt = s.cfg.clock.Now().Wall.Round(0)
		kept = op.loggedIn(s.handedInPair(&unused, device))
		begun := kept.(lifecycle.LoggedIn)
		if begun.Newer != nil || op.view().isOver {
			return kept
		}
		if s.shared != nil && begun.Save.Err == nil {
			op.apply(lifecycle.Saved{SaveResult: begun.Save})
		}
	}
	exchanged, err := op.callOnGrant(granted)
	switch {
	case err != nil && kept == nil:
		return op.loginFailed(err)
	case err != nil:
		op.apply(kept)
		return op.transientFailure(err)
	}
	return op.loggedIn(s.handedInPair(exchanged, device))
}

// callOnGrant calls Config.OnGrant and completes what it returns.
func (op *operation) callOnGrant(granted *ags.Token) (*ags.Token, error) {
	s := op.src
	exchange := func(ctx context.Context) (*ags.Token, error) {
		given := *granted
		exchanged, err := s.cfg.onGrant()(ctx, &given)
		if err == nil && (exchanged == nil || exchanged.AccessToken.IsZero()) {
			err = errNoToken
		}
		return exchanged, err
	}
	exchanged, err := task.Call(op.detachedCtx, s.caller(), task.Limit{Whole: s.cfg.settings().refreshTimeout}, "Config.OnGrant", exchange, nil)
	if err != nil {
		return nil, fmt.Errorf("OnGrant: %w", err)
	}
	return completed(exchanged, granted), nil
}

// completed fills in what OnGrant has left out.
func completed(exchanged, granted *ags.Token) *ags.Token {
	t := *exchanged
	if t.RefreshToken.IsZero() {
		t.RefreshToken = granted.RefreshToken
	}
	t.TokenType = cmp.Or(t.TokenType, granted.TokenType)
	t.ClientID, t.AccountID = cmp.Or(t.ClientID, granted.ClientID), cmp.Or(t.AccountID, granted.AccountID)
	for _, at := range []struct{ set, granted *time.Time }{
		{&t.IssuedAt, &granted.IssuedAt},
		{&t.ExpiresAt, &granted.ExpiresAt},
		{&t.RefreshExpiresAt, &granted.RefreshExpiresAt},
		{&t.FixedExpiresAt, &granted.FixedExpiresAt},
	} {
		if at.set.IsZero() {
			*at.set = *at.granted
		}
	}
	return &t
}
