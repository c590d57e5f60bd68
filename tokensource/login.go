package tokensource

import (
	"context"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource/internal/lifecycle"
	"github.com/agsauth/agsauth/tokensource/internal/sharing"
	"github.com/agsauth/agsauth/tokensource/internal/task"
)

// SignOnWith returns a LoginFunc that signs on at the gateway with the parameters of
// request. It sends the client identifier of the ended session, so that the device stays
// the same; or that of request, if none is known; or, for a device that is new or was
// deleted, the device information of request.
func SignOnWith(client *ags.Client, request ags.SignOnRequest) LoginFunc {
	return func(ctx context.Context, ended *LoginRequiredError) (*ags.Token, error) {
		r := request
		if ended.ClientID != "" {
			r.ClientID = ended.ClientID
		}
		if ags.DeviceDeleted(ended.Err) {
			r.ClientID = ""
		}
		if r.ClientID != "" {
			r.DeviceInformation = nil
		}
		return client.SignOn(ctx, r)
	}
}

// loginKey marks the context of a Login with the Source that it is for.
type loginKey struct{}

// isInLogin reports whether ctx comes from this Source's Login.
func (s *Source) isInLogin(ctx context.Context) bool {
	source, _ := ctx.Value(loginKey{}).(*Source)
	return source == s
}

// login calls Login, under the lock, unless another process has signed on.
func (op *operation) login() lifecycle.Outcome {
	s := op.src
	lockTimeout := s.cfg.settings().lockTimeout
	read, release, err := op.open(lockTimeout, lockTimeout)
	defer release()
	if err != nil {
		// Without having read the store, do not sign on: a session may be there.
		return op.loginFailed(err)
	}
	if s.shared != nil {
		op.adopt(read)
	}
	if !op.isStillDue() {
		return nil
	}
	answer, err := op.callLogin()
	if err != nil {
		return op.loginFailed(err)
	}
	v := op.view()
	next := s.handedInPair(answer, v.Device())
	if next.ServeUntil().PassedOnEither(v.now) {
		return op.loginFailed(lifecycle.ErrDeadAnswer)
	}
	if !op.receive(tokenOf(next)) {
		return nil
	}
	if s.cfg.onGrant() != nil {
		return op.exchangeLogin(answer, v.Device())
	}
	return op.loggedIn(next)
}

// loggedIn saves a new session. An explicit SetToken or SignOut of another process that
// was stored meanwhile goes first.
func (op *operation) loggedIn(next *lifecycle.Pair) lifecycle.Outcome {
	s := op.src
	outcome := lifecycle.LoggedIn{Pair: next, Draw: s.cfg.draw()}
	if v := op.view(); s.shared != nil && !v.isOver {
		var newer *sharing.Record
		outcome.Save, newer = op.commit(recordOfPair(next), v.Generation(), false)
		if newer != nil && !op.view().isOver {
			op.signOutIfEnded(tokenOf(next), newer)
			outcome.Newer = s.stored(newer)
		}
	}
	return outcome
}

// callLogin calls Login; once more, as a first-time device, if the gateway does not know
// the device any more.
func (op *operation) callLogin() (*ags.Token, error) {
	s := op.src
	v := op.view()
	defer op.measure(v.now)
	ended := loginRequired(&v.State, v.NextSignOnEnd(v.now))
	call := func(ctx context.Context) (*ags.Token, error) {
		answer, err := s.login(ctx, ended)
		if err == nil && (answer == nil || answer.AccessToken.IsZero()) {
			err = errNoToken
		}
		return answer, err
	}
	tooLate := func(answer *ags.Token) { op.receive(answer) }
	ctx := context.WithValue(op.ctx, loginKey{}, s)
	answer, err := task.Call(ctx, s.caller(), task.Limit{}, "Login", call, tooLate)
	op.answered(err)
	if ended.ClientID == "" || !ags.DeviceDeleted(err) {
		return answer, err
	}
	if _, applied := op.apply(lifecycle.DeviceForgotten{}); !applied || op.ctx.Err() != nil {
		return answer, err
	}
	again := *ended
	again.ClientID, again.Err = "", err
	ended = &again
	op.charge()
	answer, err = task.Call(ctx, s.caller(), task.Limit{}, "Login", call, tooLate)
	op.answered(err)
	return answer, err
}

func (op *operation) loginFailed(err error) lifecycle.Outcome {
	if op.ctx.Err() != nil {
		return nil
	}
	return lifecycle.LoginFailed{Cause: causeOf(err, classifyLogin(err)), Draw: op.src.cfg.draw()}
}
