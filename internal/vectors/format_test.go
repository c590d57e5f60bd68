package vectors_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"time"
)

// The vectors' format, as testdata/vectors/README.md describes it. A field whose
// absence means something else than its zero value is a pointer.

type vectorFile struct {
	Topic   string   `json:"topic"`
	About   string   `json:"about"`
	Vectors []vector `json:"vectors"`
}

type vector struct {
	Name  string `json:"name"`
	Rule  string `json:"rule"`
	From  string `json:"from"`
	Given given  `json:"given"`
	Steps []step `json:"steps"`
}

type given struct {
	Settings  *settings   `json:"settings,omitempty"`
	Draw      float64     `json:"draw,omitempty"`
	Lifetimes *lifetimes  `json:"lifetimes,omitempty"`
	Token     *pair       `json:"token,omitempty"`
	Login     bool        `json:"login,omitempty"`
	Store     *givenStore `json:"store,omitempty"`
}

type settings struct {
	RefreshBefore  seconds `json:"refresh_before_s,omitempty"`
	RefreshTimeout seconds `json:"refresh_timeout_s,omitempty"`
	LockTimeout    seconds `json:"lock_timeout_s,omitempty"`
	StoreTimeout   seconds `json:"store_timeout_s,omitempty"`
	WarnBefore     seconds `json:"warn_before_s,omitempty"`
}

type lifetimes struct {
	Access  *seconds `json:"access_s,omitempty"`
	Refresh *seconds `json:"refresh_s,omitempty"`
	Fixed   *seconds `json:"fixed_s,omitempty"`
}

// pair is a pair of tokens. A field that is not set has its usual value.
type pair struct {
	lifetimes

	AccessToken   *string  `json:"access_token,omitempty"`
	RefreshToken  *string  `json:"refresh_token,omitempty"`
	FixedAt       *seconds `json:"fixed_at_s,omitempty"`
	FixedClaimed  bool     `json:"fixed_claimed,omitempty"`
	IssuedAt      *seconds `json:"issued_at_s,omitempty"`
	IssuedUnknown bool     `json:"issued_unknown,omitempty"`
	ClientID      *string  `json:"client_id,omitempty"`
	AccountID     *string  `json:"account_id,omitempty"`
}

type givenStore struct {
	Record     *pair    `json:"record,omitempty"`
	StartedAt  *seconds `json:"started_at_s,omitempty"`
	NoLock     bool     `json:"no_lock,omitempty"`
	NoSetAside bool     `json:"no_set_aside,omitempty"`
}

type step struct {
	// These may accompany any action.
	Answers *answers `json:"answers,omitempty"`
	Draw    *float64 `json:"draw,omitempty"`
	After   seconds  `json:"after_s,omitempty"`

	action

	Expect *expectation `json:"expect,omitempty"`
}

// action has at most one field set.
type action struct {
	Sleep      *seconds   `json:"sleep_s,omitempty"`
	SetWallBy  *seconds   `json:"set_wall_by_s,omitempty"`
	Ask        *ask       `json:"ask,omitempty"`
	Leave      *string    `json:"leave,omitempty"`
	Invalidate *string    `json:"invalidate,omitempty"`
	SetToken   *pair      `json:"set_token,omitempty"`
	SignOut    *struct{}  `json:"sign_out,omitempty"`
	Sync       *struct{}  `json:"sync,omitempty"`
	Run        *run       `json:"run,omitempty"`
	Close      *struct{}  `json:"close,omitempty"`
	Restart    *restart   `json:"restart,omitempty"`
	Store      *behaviour `json:"store,omitempty"`
	Neighbour  *neighbour `json:"neighbour,omitempty"`
}

type answers struct {
	Refresh []reply `json:"refresh,omitempty"`
	Login   []reply `json:"login,omitempty"`
	SignOut []reply `json:"sign_out,omitempty"`
}

// reply is the gateway's answer to a call. With no field but Takes and Times set, it
// grants the request.
type reply struct {
	Grant         *pair   `json:"grant,omitempty"`
	Status        int     `json:"status,omitempty"`
	Code          int     `json:"code,omitempty"`
	RetryAfter    seconds `json:"retry_after_s,omitempty"`
	Lost          bool    `json:"lost,omitempty"`
	CutOff        bool    `json:"cut_off,omitempty"`
	Unsent        bool    `json:"unsent,omitempty"`
	NotTheGateway bool    `json:"not_the_gateway,omitempty"`
	Takes         seconds `json:"takes_s,omitempty"`
	Times         int     `json:"times,omitempty"`
}

type ask struct {
	As       string   `json:"as,omitempty"`
	Deadline *seconds `json:"deadline_s,omitempty"`
}

type run struct {
	As string `json:"as,omitempty"`
}

type restart struct {
	Token *pair `json:"token,omitempty"`
}

// behaviour is how a store's calls behave from now on: "works", "fails", "hangs"; for a
// load "repairs", for a save "lost", and for a lock "unsupported". Empty changes nothing.
type behaviour struct {
	Load string `json:"load,omitempty"`
	Save string `json:"save,omitempty"`
	Lock string `json:"lock,omitempty"`
}

// neighbour is what another process does with the store. One field is set.
type neighbour struct {
	Rotates       *pair  `json:"rotates,omitempty"`
	LogsIn        *pair  `json:"logs_in,omitempty"`
	Generation    *int64 `json:"generation,omitempty"` // of what it stores
	SignsOut      bool   `json:"signs_out,omitempty"`
	BeginsSignOut bool   `json:"begins_sign_out,omitempty"`
	Empties       bool   `json:"empties,omitempty"`
	NotesAttempt  bool   `json:"notes_attempt,omitempty"`
	TakesLock     bool   `json:"takes_lock,omitempty"`
	GivesLockBack bool   `json:"gives_lock_back,omitempty"`
	Damages       bool   `json:"damages,omitempty"`
	WritesNewer   bool   `json:"writes_newer_version,omitempty"`
}

// expectation is everything that can be observed of a step. A field that is a pointer
// is checked if it is set; the others are always checked.
type expectation struct {
	Answer    *outcome           `json:"answer,omitempty"`
	Later     map[string]outcome `json:"later,omitempty"`
	Refreshes []string           `json:"refreshes,omitempty"`
	Logins    []loginCall        `json:"logins,omitempty"`
	SignOuts  []string           `json:"sign_outs,omitempty"`
	Events    []event            `json:"events,omitempty"`
	Status    *status            `json:"status,omitempty"`
	Stored    *stored            `json:"stored,omitempty"`
	SetAside  *int               `json:"set_aside,omitempty"`
	Signal    *bool              `json:"signal,omitempty"`
}

// outcome is the result of a call. One field is set.
type outcome struct {
	Served        string       `json:"served,omitempty"`
	OK            bool         `json:"ok,omitempty"`
	Waits         bool         `json:"waits,omitempty"`
	Unavailable   *unavailable `json:"unavailable,omitempty"`
	LoginRequired *ended       `json:"login_required,omitempty"`
	Closed        bool         `json:"closed,omitempty"`
	Left          bool         `json:"left,omitempty"`
	TimedOut      bool         `json:"timed_out,omitempty"`
	Failed        string       `json:"failed,omitempty"`
}

type unavailable struct {
	NextAt  seconds `json:"next_at_s"`
	Because *string `json:"because,omitempty"`
}

type ended struct {
	Reason         string   `json:"reason"`
	OutcomeUnknown bool     `json:"outcome_unknown,omitempty"`
	At             *seconds `json:"at_s,omitempty"`
	ClientID       *string  `json:"client_id,omitempty"`
	AccountID      *string  `json:"account_id,omitempty"`
	Because        *string  `json:"because,omitempty"`
}

type loginCall ended

type event struct {
	Kind    string   `json:"kind"`
	Reason  string   `json:"reason,omitempty"`
	NextAt  *seconds `json:"next_at_s,omitempty" check:"always"` // nil is none
	Because *string  `json:"because,omitempty"`
}

type status struct {
	Phase            string   `json:"phase"`
	Reason           string   `json:"reason,omitempty"`
	RefreshAt        *seconds `json:"refresh_at_s,omitempty"`
	ExpiresAt        *seconds `json:"expires_at_s,omitempty"`
	RefreshExpiresAt *seconds `json:"refresh_expires_at_s,omitempty"`
	FixedExpiresAt   *seconds `json:"fixed_expires_at_s,omitempty"`
	NextAt           *seconds `json:"next_at_s,omitempty"`
	Generation       *int64   `json:"generation,omitempty"`
	Busy             *bool    `json:"busy,omitempty"`
	Unsaved          *bool    `json:"unsaved,omitempty"`
	ClientID         *string  `json:"client_id,omitempty"`
	AccountID        *string  `json:"account_id,omitempty"`
}

type stored struct {
	Holds        string  `json:"holds"`
	AccessToken  string  `json:"access_token,omitempty"`
	RefreshToken *string `json:"refresh_token,omitempty"`
	Generation   *int64  `json:"generation,omitempty"`
	Attempt      bool    `json:"attempt,omitempty"`
	ClientID     *string `json:"client_id,omitempty"`
	// SignOutPending are the access tokens that are still to be signed out at the gateway.
	SignOutPending []string `json:"sign_out_pending,omitempty"`
}

// seconds is a span, or an instant counted from the vector's beginning, to the
// microsecond.
type seconds float64

func (s seconds) span() time.Duration {
	return time.Duration(math.Round(float64(s)*1e6)) * time.Microsecond
}

func inSeconds(d time.Duration) seconds {
	return seconds(float64(d.Round(time.Microsecond)/time.Microsecond) / 1e6)
}

// decode reads JSON of exactly this format: unknown fields and trailing data are
// errors.
func decode(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("data after the value")
	}
	return nil
}
