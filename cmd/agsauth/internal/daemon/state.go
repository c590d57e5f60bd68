package daemon

import (
	"time"

	"github.com/agsauth/agsauth/tokensource"
)

// isLive reports whether a session in this phase has a token to serve.
func isLive(p tokensource.Phase) bool {
	return p == tokensource.Fresh || p == tokensource.Ageing
}

// needsPerson says that nobody but a person can sign on, and how. It is empty if there is a
// session that can be refreshed, or if the Source signs on by itself. After a sign-out it
// does not: that was a person's wish.
func needsPerson(s tokensource.Status, signsOn bool, login string) string {
	switch {
	case s.Reason == 0, signsOn && s.Reason != tokensource.SignedOut:
		return ""
	case s.Reason == tokensource.NoSession:
		return "not signed on; run: " + login
	}
	return "the session has ended: " + s.Reason.String() + "; run: " + login
}

// notReady says in a few words why there is no token, and how to sign on. It is empty if
// there is one.
func notReady(s tokensource.Status, login string) string {
	switch s.Phase {
	case tokensource.Fresh, tokensource.Ageing:
		return ""
	case tokensource.Unknown:
		return "the session has not been read yet"
	case tokensource.Expired:
		return "the access token has expired, and was not refreshed yet" + lastFailure(s)
	case tokensource.Ended:
		if s.Reason == tokensource.NoSession {
			return "not signed on" + lastFailure(s) + "; run: " + login
		}
		return "the session has ended: " + s.Reason.String() + lastFailure(s) + "; run: " + login
	}
	return "the session is in an unknown phase"
}

// lastFailure returns the class of the last failure, in parentheses. The error itself
// stays in the log: its text comes from elsewhere and may be long.
func lastFailure(s tokensource.Status) string {
	if s.Err == nil {
		return ""
	}
	return " (last attempt: " + tokensource.ClassOf(s.Err).String() + ")"
}

// statusText describes a session for the service manager.
func statusText(s tokensource.Status, login string) string {
	if why := notReady(s, login); why != "" {
		return why
	}
	text := "the session is " + s.Phase.String()
	if !s.ExpiresAt.IsZero() {
		text += ", the access token expires at " + s.ExpiresAt.UTC().Format(time.RFC3339)
	}
	return text
}
