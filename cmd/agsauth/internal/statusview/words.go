package statusview

import (
	"fmt"
	"strings"
	"time"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/terminal"
	"github.com/agsauth/agsauth/tokensource"
)

// Announcement returns what happened, and the account, the device and the end of the session,
// after a command that was to begin one. It ends with a newline.
func (v View) Announcement(what string) string {
	st := v.Status
	var parts []string
	if st.AccountID != "" {
		parts = append(parts, "account "+st.AccountID)
	}
	if st.ClientID != "" {
		parts = append(parts, "device "+st.ClientID)
	}
	if len(parts) > 0 {
		what += ": " + strings.Join(parts, ", ")
	}
	text := terminal.Printable(what) + ".\n"
	if end := st.FixedExpiresAt; end.After(v.Now) {
		text += fmt.Sprintf("The session ends in %s, on %s.\n", human(end.Sub(v.Now)), v.date(end))
	}
	return text
}

// run says to run a command. It is a line of its own, so that it can be copied.
func (v View) run(name string) string {
	if v.Command == nil {
		return "Run: agsauth " + name
	}
	return "Run: " + v.Command(name)
}

// sentences says what will happen next, and what to do.
func (v View) sentences() []string {
	st := v.Status
	list := []string{v.nextStep()}
	switch {
	case v.Renewable():
		list = append(list, v.end())
	case st.Phase != tokensource.Unknown:
		list = append(list, v.run("login"))
	}
	if st.Err != nil {
		text := "The last attempt failed: " + exit.Plain(st.Err.Error()) + "."
		if st.NextAt.After(v.Now) {
			text += " The next one is due in " + human(st.NextAt.Sub(v.Now)) + "."
		}
		list = append(list, text)
	}
	if st.SignOutPending {
		list = append(list, "The gateway has not been told of the sign-out.", v.run("logout"))
	}
	if st.RejectedAt.IsZero() && !st.AttemptAt.IsZero() {
		list = append(list, fmt.Sprintf("Another process began a refresh on %s. If it was killed, the outcome is unknown.", v.date(st.AttemptAt)))
	}
	if st.Unsaved {
		list = append(list, "The session could not be saved.", v.run("doctor"))
	}
	if v.MinValidity > 0 {
		list = append(list, v.validity())
	}
	return list
}

// nextStep says what happens when a token is asked for.
func (v View) nextStep() string {
	st := v.Status
	switch st.Phase {
	case tokensource.Unknown:
		return "The stored session has not been read."
	case tokensource.Ended:
		if st.Reason == tokensource.NoSession {
			return "No session is stored."
		}
		return "The session has ended."
	case tokensource.Expired:
		if !st.RejectedAt.IsZero() {
			return fmt.Sprintf("The access token has expired, and the gateway rejected the refresh token on %s.", v.date(st.RejectedAt))
		}
		return "The access token has expired. It is refreshed when a token is next asked for."
	case tokensource.Fresh, tokensource.Ageing:
	}
	switch {
	case st.Reason != 0, !st.RejectedAt.IsZero():
		return "The access token can be used until it expires, and cannot be refreshed."
	case st.RefreshAt.IsZero():
		return "The access token can be used."
	case st.RefreshAt.After(v.Now):
		return fmt.Sprintf("The access token can be used. A refresh is due in %s.", human(st.RefreshAt.Sub(v.Now)))
	}
	return "The access token can be used. It is refreshed when a token is next asked for."
}

// end says when the session ends at the latest.
func (v View) end() string {
	refresh, fixed := v.Status.RefreshExpiresAt, v.Status.FixedExpiresAt
	until := func(at time.Time) string { return human(max(0, at.Sub(v.Now))) }
	switch {
	case fixed.IsZero() && refresh.IsZero():
		return "The gateway has not said when the session ends."
	case fixed.IsZero():
		return fmt.Sprintf("Without a refresh the session ends in %s.", until(refresh))
	case refresh.IsZero(), !refresh.Before(fixed):
		return fmt.Sprintf("The session ends in %s; no refresh extends it.", until(fixed))
	}
	return fmt.Sprintf("Without a refresh the session ends in %s. It ends in %s in any case.", until(refresh), until(fixed))
}

func (v View) validity() string {
	wanted := short(v.MinValidity)
	if v.IsValid() {
		return fmt.Sprintf("The access token remains valid for at least %s.", wanted)
	}
	return fmt.Sprintf("The access token does NOT remain valid for %s.", wanted)
}

// short writes a duration as the user does: 30m rather than 30m0s.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
