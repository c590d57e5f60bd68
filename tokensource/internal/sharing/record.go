package sharing

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"github.com/agsauth/agsauth/ags"
)

// recordVersion is the version of the records written. It rises only if readers of the
// former version would do harm.
const recordVersion = 1

// sealedMagic begins the records of a store.Sealed. A record that has it is not damaged.
const sealedMagic = "agsauth-sealed"

// Record is what is stored of a session: a pair of tokens, or the mark of a sign-out.
// Readers ignore fields that they do not know.
type Record struct {
	Version int `json:"version"`
	// Generation counts the pairs. It decides which of two records is newer. Time does
	// not, because the clocks of two hosts differ.
	Generation int64 `json:"generation"`

	storedPair

	IssuedAt         time.Time `json:"issued_at,omitzero"`
	RefreshExpiresAt time.Time `json:"refresh_expires_at,omitzero"`
	FixedExpiresAt   time.Time `json:"fixed_expires_at,omitzero"`
	StartedAt        time.Time `json:"started_at,omitzero"`

	// AttemptAt marks that a refresh of this pair is under way. A process that finds the
	// mark later knows that the refresh was not finished.
	AttemptAt time.Time `json:"attempt_at,omitzero"`
	// RejectedAt is when the gateway rejected the refresh token of this pair. It is only
	// reported: a process that needs a token asks the gateway again.
	RejectedAt time.Time `json:"rejected_at,omitzero"`
	// SignedOutAt makes the record the mark of a sign-out.
	SignedOutAt time.Time `json:"signed_out_at,omitzero"`

	// SignOutPending are the pairs that the gateway must still be told to sign out. They
	// are stored before the gateway is told, so that if this process dies the next
	// reader goes on. Every writer keeps those that it has read.
	SignOutPending []storedPair `json:"sign_out_pending,omitempty"`
}

// storedPair is the part of a record that is enough to sign out its pair.
type storedPair struct {
	AccessToken  string    `json:"access_token,omitempty"`
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

// NewRecord returns the record of a pair whose session began at startedAt.
func NewRecord(t *ags.Token, startedAt time.Time) *Record {
	return &Record{
		storedPair:       storedPairOf(t),
		IssuedAt:         t.IssuedAt.UTC(),
		RefreshExpiresAt: utc(t.RefreshExpiresAt),
		FixedExpiresAt:   utc(t.FixedExpiresAt),
		StartedAt:        startedAt.UTC(),
	}
}

// NewMark returns the mark of the sign-out of a device.
func NewMark(clientID, accountID string, signedOutAt time.Time) *Record {
	return &Record{storedPair: storedPair{ClientID: clientID, AccountID: accountID}, SignedOutAt: signedOutAt.UTC()}
}

// Token returns the pair of a record that is no mark of a sign-out.
func (r *Record) Token() *ags.Token {
	t := r.TokenWithoutAccess()
	t.AccessToken = ags.NewSecret(r.AccessToken)
	return t
}

// TokenWithoutAccess is Token without the access token, for callers that need that in
// plain text anyway: to mask it takes time.
func (r *Record) TokenWithoutAccess() *ags.Token {
	rest := r.storedPair
	rest.AccessToken = ""
	t := rest.token()
	t.IssuedAt, t.RefreshExpiresAt, t.FixedExpiresAt = r.IssuedAt, r.RefreshExpiresAt, r.FixedExpiresAt
	return t
}

// decode reads a record. Its errors quote nothing of it: that may be a token.
func decode(data []byte) (*Record, error) {
	if bytes.HasPrefix(data, []byte(sealedMagic)) {
		return nil, errSealed
	}
	var r Record
	switch err := json.Unmarshal(data, &r); {
	case err != nil, r.Version != recordVersion:
		return nil, newerOrDamaged(data)
	case r.Generation < 1, r.AccessToken == "" && r.SignedOutAt.IsZero():
		return nil, ErrDamaged
	}
	return &r, nil
}

// newerOrDamaged returns why a record cannot be read. One of a later version may have
// fields of other types.
func newerOrDamaged(data []byte) error {
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil || head.Version <= recordVersion {
		return ErrDamaged
	}
	return fmt.Errorf("%w (version %d)", errNewer, head.Version)
}

func (r *Record) encode() ([]byte, error) {
	r.Version = recordVersion
	return json.Marshal(r)
}

// IsSignOut reports whether the record is the mark of a sign-out.
func (r *Record) IsSignOut() bool { return !r.SignedOutAt.IsZero() }

// SaveOver fills in what r does not say of the device and the account from the record
// that it replaces. The mark of a sign-out says which session it has ended.
func (r *Record) SaveOver(former *Record) {
	if former == nil {
		return
	}
	if r.IsSignOut() {
		r.StartedAt = former.StartedAt
	}
	r.ClientID = cmp.Or(r.ClientID, former.ClientID)
	r.AccountID = cmp.Or(r.AccountID, former.AccountID)
}

// utc keeps a zero instant zero.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.Round(0).UTC()
}
