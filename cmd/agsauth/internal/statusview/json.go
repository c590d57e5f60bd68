package statusview

import (
	"encoding/json"
	"time"
)

// instant is a moment in both forms that programs read: RFC 3339 in UTC, and seconds
// since 1970. It is null if unknown.
type instant struct {
	Time  string `json:"time"`
	Epoch int64  `json:"epoch"`
}

func instantOf(t time.Time) *instant {
	if t.IsZero() {
		return nil
	}
	return &instant{Time: t.UTC().Format(time.RFC3339), Epoch: t.Unix()}
}

// document is the JSON of a View. Members are never left out, so that a program can rely
// on them.
type document struct {
	Profile               string    `json:"profile"`
	Gateway               string    `json:"gateway"`
	SignedIn              bool      `json:"signed_in"`
	Phase                 string    `json:"phase"`
	Reason                *string   `json:"reason"`
	AccountID             string    `json:"account_id"`
	ClientID              string    `json:"client_id"`
	Now                   *instant  `json:"now"`
	IssuedAt              *instant  `json:"issued_at"`
	RefreshAt             *instant  `json:"refresh_at"`
	AccessTokenExpiresAt  *instant  `json:"access_token_expires_at"`
	RefreshTokenExpiresAt *instant  `json:"refresh_token_expires_at"`
	SessionExpiresAt      *instant  `json:"session_expires_at"`
	Generation            int64     `json:"generation"`
	Unsaved               bool      `json:"unsaved"`
	Error                 *string   `json:"error"`
	NextAttemptAt         *instant  `json:"next_attempt_at"`
	RefreshStartedAt      *instant  `json:"refresh_started_at"`
	RejectedAt            *instant  `json:"rejected_at"`
	SignOutPending        bool      `json:"sign_out_pending"`
	RemainingSeconds      int64     `json:"remaining_seconds"`
	MinValidity           *validity `json:"min_validity"`
}

type validity struct {
	Seconds float64 `json:"seconds"`
	Met     bool    `json:"met"`
}

// JSON returns the view as indented JSON with a final newline.
func (v View) JSON() ([]byte, error) {
	st := v.Status
	d := document{
		Profile: v.Profile, Gateway: v.Gateway,
		SignedIn: v.SignedIn(), Phase: st.Phase.String(), Reason: textOf(st.Reason != 0, st.Reason.String()),
		AccountID: st.AccountID, ClientID: st.ClientID,
		Now: instantOf(v.Now), IssuedAt: instantOf(st.IssuedAt), RefreshAt: instantOf(st.RefreshAt),
		AccessTokenExpiresAt: instantOf(st.ExpiresAt), RefreshTokenExpiresAt: instantOf(st.RefreshExpiresAt),
		SessionExpiresAt: instantOf(st.FixedExpiresAt),
		Generation:       st.Generation, Unsaved: st.Unsaved, NextAttemptAt: instantOf(st.NextAt),
		RefreshStartedAt: instantOf(st.AttemptAt), RejectedAt: instantOf(st.RejectedAt), SignOutPending: st.SignOutPending,
		RemainingSeconds: int64(v.Remaining() / time.Second),
	}
	if st.Err != nil {
		d.Error = textOf(true, st.Err.Error())
	}
	if v.MinValidity > 0 {
		d.MinValidity = &validity{Seconds: v.MinValidity.Seconds(), Met: v.IsValid()}
	}
	text, err := json.MarshalIndent(d, "", "  ")
	return append(text, '\n'), err
}

func textOf(known bool, text string) *string {
	if !known {
		return nil
	}
	return &text
}
