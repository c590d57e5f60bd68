package tokensource

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/agsauth/agsauth/ags"
)

// recordVersion is the version of the records written. It rises only when a
// reader that does not know the new one would do harm.
const recordVersion = 1

var (
	errDamaged = errors.New("the stored record is damaged")
	errNewer   = errors.New("the stored record was written by a newer version of this library, which is needed to read it")
	errSealed  = errors.New("the stored record is sealed, and this Store does not open it")
)

// sealedMagic is what the records of a store.Sealed begin with. One that is found in
// a store without it is no damage.
const sealedMagic = "agsauth-sealed"

// record is what is stored of a session: a pair of tokens, or, after a sign-out,
// a tombstone. Readers ignore fields that they do not know.
type record struct {
	Version int `json:"version"`
	// Generation counts the pairs. It, and never time, says which of two records
	// is newer: the clocks of two hosts differ.
	Generation int64 `json:"generation"`

	AccessToken  string `json:"access_token,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`
	TokenType    string `json:"token_type,omitempty"`
	ClientID     string `json:"client_id,omitempty"`
	AccountID    string `json:"account_id,omitempty"`

	IssuedAt         time.Time `json:"issued_at,omitzero"`
	ExpiresAt        time.Time `json:"expires_at,omitzero"`
	RefreshExpiresAt time.Time `json:"refresh_expires_at,omitzero"`
	FixedExpiresAt   time.Time `json:"fixed_expires_at,omitzero"`
	StartedAt        time.Time `json:"started_at,omitzero"`

	// AttemptAt is set while a refresh of this pair is under way. Found by
	// another process it says that one was not finished.
	AttemptAt time.Time `json:"attempt_at,omitzero"`
	// SignedOutAt makes this a tombstone.
	SignedOutAt time.Time `json:"signed_out_at,omitzero"`

	// SignOutPending are the pairs that the gateway is still to be told to sign out.
	// They are stored before the gateway is told, so that a process that dies in
	// between leaves the rest to whoever reads the record next. Every writer keeps
	// those that it has read.
	SignOutPending []storedPair `json:"sign_out_pending,omitempty"`
}

// storedPair is what the gateway must be told to sign out a pair that is not the
// record's own any more.
type storedPair struct {
	AccessToken  string    `json:"access_token"`
	RefreshToken string    `json:"refresh_token,omitempty"`
	TokenType    string    `json:"token_type,omitempty"`
	ClientID     string    `json:"client_id,omitempty"`
	AccountID    string    `json:"account_id,omitempty"`
	ExpiresAt    time.Time `json:"expires_at,omitzero"`
}

func storedPairOf(t *ags.Token) storedPair {
	return storedPair{
		AccessToken:  t.AccessToken.Reveal(),
		RefreshToken: t.RefreshToken.Reveal(),
		TokenType:    t.TokenType,
		ClientID:     t.ClientID,
		AccountID:    t.AccountID,
		ExpiresAt:    utc(t.ExpiresAt),
	}
}

func (p storedPair) token() *ags.Token {
	return &ags.Token{
		AccessToken:  ags.NewSecret(p.AccessToken),
		RefreshToken: ags.NewSecret(p.RefreshToken),
		TokenType:    p.TokenType,
		ClientID:     p.ClientID,
		AccountID:    p.AccountID,
		ExpiresAt:    p.ExpiresAt,
	}
}

// decodeRecord reads a record. Its errors say nothing of what is in it, which
// may be a token.
func decodeRecord(data []byte) (*record, error) {
	if bytes.HasPrefix(data, []byte(sealedMagic)) {
		return nil, errSealed
	}
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil || head.Version < 1 {
		return nil, errDamaged
	}
	if head.Version > recordVersion {
		return nil, fmt.Errorf("%w (version %d)", errNewer, head.Version)
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil || r.Generation < 1 {
		return nil, errDamaged
	}
	if r.AccessToken == "" && r.SignedOutAt.IsZero() {
		return nil, errDamaged
	}
	return &r, nil
}

func (r *record) encode() ([]byte, error) {
	r.Version = recordVersion
	return json.Marshal(r)
}

// tombstone reports whether the record says that the session was signed out.
func (r *record) tombstone() bool { return !r.SignedOutAt.IsZero() }

// saveOver fills in what r does not tell of the device and the account from what it
// is saved over. A tombstone tells which session it has ended.
func (r *record) saveOver(former *record) {
	if r.tombstone() {
		r.StartedAt = former.StartedAt
	}
	r.ClientID = cmp.Or(r.ClientID, former.ClientID)
	r.AccountID = cmp.Or(r.AccountID, former.AccountID)
}

// token returns the pair of a record that is no tombstone.
func (r *record) token() *ags.Token {
	return &ags.Token{
		AccessToken:      ags.NewSecret(r.AccessToken),
		RefreshToken:     ags.NewSecret(r.RefreshToken),
		TokenType:        r.TokenType,
		ClientID:         r.ClientID,
		AccountID:        r.AccountID,
		IssuedAt:         r.IssuedAt,
		ExpiresAt:        r.ExpiresAt,
		RefreshExpiresAt: r.RefreshExpiresAt,
		FixedExpiresAt:   r.FixedExpiresAt,
	}
}

// recordOf returns the record of a session's pair.
func recordOf(s *session, generation int64) *record {
	t := s.token
	return &record{
		Generation:       generation,
		AccessToken:      s.accessToken(),
		RefreshToken:     t.RefreshToken.Reveal(),
		TokenType:        t.TokenType,
		ClientID:         t.ClientID,
		AccountID:        t.AccountID,
		IssuedAt:         t.IssuedAt.UTC(),
		ExpiresAt:        utc(t.ExpiresAt),
		RefreshExpiresAt: utc(t.RefreshExpiresAt),
		FixedExpiresAt:   utc(t.FixedExpiresAt),
		StartedAt:        s.startedAt.Time(time.Time{}),
	}
}

// utc keeps a zero dualclock.Instant zero.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.Round(0).UTC()
}
