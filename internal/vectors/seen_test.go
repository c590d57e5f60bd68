package vectors_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

// The vectors' words for what the library tells.

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

// because is the cause of an error, "" of none.
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
	at, client, account, cause := instant(e.At), e.ClientID, e.AccountID, because(e.Err)
	return &ended{
		Reason: reasonOf(e.Reason), OutcomeUnknown: e.OutcomeUnknown,
		At: at, ClientID: &client, AccountID: &account, Because: &cause,
	}
}

// instant is an instant in seconds from the beginning, nil of none.
func instant(t time.Time) *seconds {
	if t.IsZero() {
		return nil
	}
	s := inSeconds(t.Sub(beginning))
	return &s
}

// outcomeOf says what a call came to.
func (r *runner) outcomeOf(ctx context.Context, served string, err error) outcome {
	if err != nil && r.gw.leaks(err.Error()) {
		r.complain("an error has a token in it")
	}
	var later *tokensource.UnavailableError
	var over *tokensource.LoginRequiredError
	cause := because(err)
	switch {
	case err == nil:
		return outcome{Served: served, OK: served == ""}
	case errors.As(err, &later):
		next := instant(later.NextAt)
		return outcome{Unavailable: &unavailable{NextAt: or(next, 0), Because: &cause}}
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

// hear is the Source's OnEvent.
func (r *runner) hear(e tokensource.Event) {
	if r.gw.leaks(fmt.Sprintf("%+v", e)) {
		r.complain("an event has a token in it")
	}
	cause := because(e.Err)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, event{Kind: kindOf(e.Kind), Reason: reasonOf(e.Reason), NextAt: instant(e.NextAt), Because: &cause})
}

// forget makes the next step begin with nothing seen.
func (r *runner) forget() {
	r.mu.Lock()
	r.events = nil
	r.mu.Unlock()
	r.gw.Refreshes.Forget()
	r.gw.Logins.Forget()
	r.gw.SignOuts.Forget()
}

// see returns what a step has come to. name is the call that the step made.
func (r *runner) see(want *expectation, name string) *expectation {
	got := &expectation{}
	if want.Status != nil {
		// What Status notices counts to this step, and is told before it is over.
		got.Status = statusOf(r.src.Status())
		r.pass(0)
	}
	for n, c := range r.callers {
		told := outcome{Waits: true}
		select {
		case <-c.done:
			told = c.told
			delete(r.callers, n)
		default:
			if n != name {
				continue
			}
		}
		if n == name {
			got.Answer = &told
			continue
		}
		if got.Later == nil {
			got.Later = map[string]outcome{}
		}
		got.Later[n] = told
	}
	if r.cell != nil {
		got.Stored = r.cell.stored(r.ctx)
		aside := len(r.cell.memory.Aside())
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
		RefreshAt: instant(s.RefreshAt), ExpiresAt: instant(s.ExpiresAt),
		RefreshExpiresAt: instant(s.RefreshExpiresAt), FixedExpiresAt: instant(s.FixedExpiresAt),
		NextAt: instant(s.NextAt), Generation: &s.Generation, Busy: &s.Busy, Unsaved: &s.Unsaved,
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
