package vectors_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

// The vectors' words for the values of the library.

func reasonOf(r tokensource.Reason) string {
	switch r {
	case 0:
		return ""
	case tokensource.NoSession:
		return "no_session"
	case tokensource.RefreshExpired:
		return "refresh_expired"
	case tokensource.FixedExpired:
		return "fixed_expired"
	case tokensource.RefreshRejected:
		return "refresh_rejected"
	case tokensource.SignedOut:
		return "signed_out"
	}
	return r.String()
}

func kindOf(k tokensource.Kind) string {
	switch k {
	case tokensource.EventRefreshed:
		return "refreshed"
	case tokensource.EventRefreshFailed:
		return "refresh_failed"
	case tokensource.EventAdopted:
		return "adopted"
	case tokensource.EventTokenSet:
		return "token_set"
	case tokensource.EventLoggedIn:
		return "logged_in"
	case tokensource.EventLoginFailed:
		return "login_failed"
	case tokensource.EventEnding:
		return "ending"
	case tokensource.EventEnded:
		return "ended"
	case tokensource.EventStoreFailed:
		return "store_failed"
	case tokensource.EventSaved:
		return "saved"
	case tokensource.EventUnlocked:
		return "unlocked"
	case tokensource.EventStoreRepaired:
		return "store_repaired"
	}
	return k.String()
}

// because returns the cause of an error, "" for nil.
func because(err error) string {
	var e *ags.Error
	switch {
	case err == nil:
		return ""
	case errors.Is(err, errStore):
		return "store"
	case errors.As(err, &e):
		return gatewayCause(e)
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return "other"
}

func gatewayCause(e *ags.Error) string {
	switch {
	case e.Malformed && e.Status == 200:
		return "cut_off"
	case e.Malformed, e.NotFromGateway:
		return "not_the_gateway"
	case e.NotSent:
		return "unsent"
	case e.Status == 0:
		return "lost"
	case e.Code != 0:
		return fmt.Sprintf("%d/%d", e.Status, e.Code)
	}
	return fmt.Sprint(e.Status)
}

func endedOf(e *tokensource.LoginRequiredError) *ended {
	at, client, account, cause := instantOf(e.At), e.ClientID, e.AccountID, because(e.Err)
	return &ended{
		Reason: reasonOf(e.Reason), OutcomeUnknown: e.OutcomeUnknown,
		At: at, ClientID: &client, AccountID: &account, Because: &cause,
	}
}

// instantOf returns an instant in seconds from the beginning, nil for the zero time.
func instantOf(t time.Time) *seconds {
	if t.IsZero() {
		return nil
	}
	s := inSeconds(t.Sub(beginning))
	return &s
}

// outcomeOf returns the outcome of a call.
func (r *runner) outcomeOf(ctx context.Context, served string, err error) outcome {
	if err != nil && r.gw.leaks(err.Error()) {
		r.violate("an error contains a token")
	}
	var later *tokensource.UnavailableError
	var over *tokensource.LoginRequiredError
	cause := because(err)
	switch {
	case err == nil:
		return outcome{Served: served, OK: served == ""}
	case errors.As(err, &later):
		next := instantOf(later.NextAt)
		return outcome{Unavailable: &unavailable{NextAt: valueOr(next, 0), Because: &cause}}
	case errors.As(err, &over):
		return outcome{LoginRequired: endedOf(over)}
	case errors.Is(err, tokensource.ErrClosed):
		return outcome{Closed: true}
	case errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		return outcome{TimedOut: true}
	case ctx.Err() != nil:
		return outcome{Left: true}
	}
	return outcome{Failed: cause}
}

// onEvent is the Source's OnEvent.
func (r *runner) onEvent(e tokensource.Event) {
	if r.gw.leaks(fmt.Sprintf("%+v", e)) {
		r.violate("an event contains a token")
	}
	cause := because(e.Err)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, event{Kind: kindOf(e.Kind), Reason: reasonOf(e.Reason), NextAt: instantOf(e.NextAt), Because: &cause})
}

// resetObserved forgets what was observed of the step before.
func (r *runner) resetObserved() {
	r.mu.Lock()
	r.events = nil
	r.mu.Unlock()
	r.gw.Refreshes.Forget()
	r.gw.Logins.Forget()
	r.gw.SignOuts.Forget()
}

// observe returns what can be observed of a step. name is the call of the step.
func (r *runner) observe(want *expectation, name string) *expectation {
	got := &expectation{}
	if want.Status != nil {
		// The events that Status causes belong to this step.
		got.Status = statusOf(r.src.Status())
		r.advance(0)
	}
	for n, c := range r.callers {
		result := outcome{Waits: true}
		select {
		case <-c.done:
			result = c.outcome
			delete(r.callers, n)
		default:
			if n != name {
				continue
			}
		}
		if n == name {
			got.Answer = &result
			continue
		}
		if got.Later == nil {
			got.Later = map[string]outcome{}
		}
		got.Later[n] = result
	}
	if r.record != nil {
		got.Stored = r.record.stored(r.ctx)
		aside := len(r.record.memory.Aside())
		got.SetAside = &aside
	}
	signal := isClosed(r.src.LoginRequired())
	got.Signal = &signal
	r.mu.Lock()
	got.Events = r.events
	r.mu.Unlock()
	got.Refreshes, got.Logins, got.SignOuts = r.gw.calls()
	return got
}

func statusOf(s tokensource.Status) *status {
	return &status{
		Phase: s.Phase.String(), Reason: reasonOf(s.Reason),
		RefreshAt: instantOf(s.RefreshAt), ExpiresAt: instantOf(s.ExpiresAt),
		RefreshExpiresAt: instantOf(s.RefreshExpiresAt), FixedExpiresAt: instantOf(s.FixedExpiresAt),
		NextAt: instantOf(s.NextAt), Generation: &s.Generation, Busy: &s.Busy, Unsaved: &s.Unsaved,
		ClientID: &s.ClientID, AccountID: &s.AccountID,
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
