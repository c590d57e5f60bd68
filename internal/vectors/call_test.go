package vectors_test

import (
	"cmp"
	"context"

	"github.com/agsauth/agsauth/tokensource"
)

// actByCall carries out the actions that may wait.
func (r *runner) actByCall(s *step) (name string) {
	src := r.src
	plain := func(f func(context.Context) error) func(context.Context) (string, error) {
		return func(ctx context.Context) (string, error) { return "", f(ctx) }
	}
	switch {
	case s.Ask != nil:
		name = cmp.Or(s.Ask.As, "caller")
		r.call(name, s.Ask.Deadline, r.ask(src))
	case s.SetToken != nil:
		name = "set_token"
		t := r.gw.issue(s.SetToken, r.now(), true)
		r.call(name, nil, plain(func(ctx context.Context) error { return src.SetToken(ctx, t) }))
	case s.SignOut != nil:
		name = "sign_out"
		r.call(name, nil, plain(src.SignOut))
	case s.Sync != nil:
		name = "sync"
		r.call(name, nil, plain(src.Sync))
	case s.Run != nil:
		name = cmp.Or(s.Run.As, "run")
		r.call(name, nil, plain(src.Run))
		r.callers[name].endless = true
	case s.Close != nil:
		name = "close"
		r.call(name, nil, plain(func(context.Context) error { return src.Close() }))
	}
	return name
}

// call starts a call. It replaces a waiting call of the same name, whose result is
// not checked any more.
func (r *runner) call(name string, deadline *seconds, f func(context.Context) (string, error)) {
	ctx, cancel := context.WithCancelCause(r.ctx)
	c := &caller{leave: func() { cancel(context.Canceled) }, done: make(chan struct{})}
	if former, ok := r.callers[name]; ok {
		former.leave()
	}
	r.callers[name] = c
	if deadline != nil {
		timer := r.clock.NewTimer(deadline.span())
		go func() {
			defer timer.Stop()
			select {
			case <-timer.C():
				cancel(context.DeadlineExceeded)
			case <-ctx.Done():
			}
		}()
	}
	go func() {
		defer close(c.done)
		served, err := f(ctx)
		c.outcome = r.outcomeOf(ctx, served, err)
		cancel(nil)
	}()
}

// ask returns a call that asks for a token and returns the token's name.
func (r *runner) ask(src *tokensource.Source) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		tok, err := src.TokenContext(ctx)
		if err != nil {
			return "", err
		}
		r.gw.mu.Lock()
		defer r.gw.mu.Unlock()
		now := r.clock.Now()
		name, ours := r.gw.names[tok.AccessToken]
		expires := r.gw.expiries[tok.AccessToken]
		if !tok.Expiry.IsZero() && !now.Before(tok.Expiry) || !expires.IsZero() && !now.Before(expires) {
			r.violate("an expired token was served: " + name)
		}
		if tok.RefreshToken != "" || !ours {
			r.violate("a token was served that the gateway did not issue, or that has a refresh token")
		}
		return name, nil
	}
}

// valueOf returns the token with a name, or one that was never issued.
func (r *runner) valueOf(name string) string {
	r.gw.mu.Lock()
	defer r.gw.mu.Unlock()
	for value, n := range r.gw.names {
		if n == name {
			return value
		}
	}
	return "never-issued-" + name
}
