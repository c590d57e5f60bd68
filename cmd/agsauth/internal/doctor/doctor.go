// Package doctor examines everything that agsauth needs: its configuration, the way to
// the gateway, the clock, the files, the stored session. It says what is wrong and what
// to do about it.
//
// It changes nothing. It signs on nowhere, refreshes nothing, and repairs no mode of a
// file. Its report has no token, no password, no identifier of an account or a device,
// and not the name of the home folder, so that it can be pasted.
package doctor

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/clock"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/config"
	"github.com/agsauth/agsauth/store"
)

// Config is what is examined.
type Config struct {
	// Resolved are the values of the profile, or nil if they could not be read:
	// ResolveErr then says why.
	Resolved   *config.Resolved
	ResolveErr error
	// Settings are the parsed values. If SettingsErr is not nil, some of them have their
	// zero value. Settings is nil if Resolved is.
	Settings    *config.Settings
	SettingsErr error
	// Client calls the gateway, over Transport. It is nil if it could not be made;
	// ClientErr then says why, unless no gateway is set.
	Client    *ags.Client
	ClientErr error
	// Transport is how the gateway is reached. CAErr says why the authorities of the
	// setting ca-file are not among those that it trusts.
	Transport *http.Transport
	CAErr     error

	// Key returns the key of the session from the system's keyring. It makes none: if
	// there is none, the error Is [keyring.ErrNotFound].
	Key func() (store.Key, error)
	// LookupEnv returns an environment variable.
	LookupEnv func(name string) (string, bool)
	// Home is the user's home folder, which is not shown.
	Home string
	// CanPrompt reports whether the process has a terminal to ask the user on.
	CanPrompt bool

	// Clock is this machine's clock.
	Clock clock.Clock
	// Timeout bounds each check. Zero means 10 seconds.
	Timeout time.Duration
}

const defaultTimeout = 10 * time.Second

// Level says how bad a result is.
type Level string

// The levels.
const (
	OK      Level = "ok"
	Warning Level = "warning" // works, but needs attention soon
	Failure Level = "failure"
	Skipped Level = "skipped" // could not be examined, or does not apply
)

// Result is the result of a check.
type Result struct {
	Name  string `json:"name"`
	Level Level  `json:"level"`
	// Text says what was found.
	Text string `json:"text"`
	// Hint says what to do. It may be empty, but not if Level is Failure.
	Hint string `json:"hint,omitempty"`
}

// Summary counts the results of each level.
type Summary struct {
	OK       int `json:"ok"`
	Warnings int `json:"warnings"`
	Failures int `json:"failures"`
	Skipped  int `json:"skipped"`
}

// Report is the result of all checks.
type Report struct {
	Results []Result `json:"results"`
	Summary Summary  `json:"summary"`
}

// Run makes all checks at the same time, and returns their results in a fixed order. A
// check that fails, crashes or hangs does not prevent the others. The end of ctx ends
// all of them.
func Run(ctx context.Context, cfg Config) Report {
	return run(ctx, cfg, checks())
}

func run(ctx context.Context, cfg Config, all []check) Report {
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	e := newExamination(ctx, cfg)
	report := Report{Results: make([]Result, len(all))}
	var group sync.WaitGroup
	for i, c := range all {
		group.Go(func() { report.Results[i] = c.make(ctx, e) })
	}
	group.Wait()
	for i := range report.Results {
		report.Results[i] = printable(report.Results[i], cfg.Home)
		report.Summary.add(report.Results[i].Level)
	}
	return report
}

func (s *Summary) add(level Level) {
	switch level {
	case OK:
		s.OK++
	case Warning:
		s.Warnings++
	case Failure:
		s.Failures++
	case Skipped:
		s.Skipped++
	}
}
