package modeltest_test

import (
	"context"
	"encoding/json"
	"time"

	"github.com/agsauth/agsauth/ags"
)

// record is a stored session in the documented format.
type record struct {
	Version          int       `json:"version"`
	Generation       int64     `json:"generation"`
	AccessToken      string    `json:"access_token,omitempty"`
	RefreshToken     string    `json:"refresh_token,omitempty"`
	TokenType        string    `json:"token_type,omitempty"`
	ClientID         string    `json:"client_id,omitempty"`
	AccountID        string    `json:"account_id,omitempty"`
	IssuedAt         time.Time `json:"issued_at,omitzero"`
	ExpiresAt        time.Time `json:"expires_at,omitzero"`
	RefreshExpiresAt time.Time `json:"refresh_expires_at,omitzero"`
	FixedExpiresAt   time.Time `json:"fixed_expires_at,omitzero"`
	StartedAt        time.Time `json:"started_at,omitzero"`
	AttemptAt        time.Time `json:"attempt_at,omitzero"`
	SignedOutAt      time.Time `json:"signed_out_at,omitzero"`
	SignOutPending   []struct {
		AccessToken string `json:"access_token"`
	} `json:"sign_out_pending,omitempty"`
}

// hasPending reports whether the sign-out of a pair at the gateway is pending.
func (r *record) hasPending(accessToken string) bool {
	for _, p := range r.SignOutPending {
		if p.AccessToken == accessToken {
			return true
		}
	}
	return false
}

func (r *record) token() *ags.Token {
	return &ags.Token{
		AccessToken: ags.NewSecret(r.AccessToken), RefreshToken: ags.NewSecret(r.RefreshToken), TokenType: r.TokenType,
		ClientID: r.ClientID, AccountID: r.AccountID, IssuedAt: r.IssuedAt, ExpiresAt: r.ExpiresAt,
		RefreshExpiresAt: r.RefreshExpiresAt, FixedExpiresAt: r.FixedExpiresAt,
	}
}

// parse decodes a record, or returns nil if it cannot.
func parse(data []byte) *record {
	var r record
	if json.Unmarshal(data, &r) != nil || r.Version != 1 {
		return nil
	}
	return &r
}

// storedLocked is the stored record and its pair.
func (d *sharedStore) storedLocked() (*record, *pair) {
	data, err := d.memory.Peer().Load(context.Background())
	if err != nil {
		return nil, nil
	}
	r := parse(data)
	if r == nil {
		return nil, nil
	}
	return r, d.model.gw.pairs[r.AccessToken]
}
