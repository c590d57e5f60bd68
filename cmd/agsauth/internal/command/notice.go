package command

import (
	"context"
	"fmt"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/signon"
)

// slow is how long a call of the gateway takes before the user is told.
const slow = time.Second

// notice tells a user who is present that the gateway takes its time, unless stop is called
// before that.
func (s *signingOn) notice() (stop func()) {
	if s.ask == nil {
		return func() {}
	}
	timer := time.AfterFunc(slow, func() { fmt.Fprintln(s.env.Err, "agsauth: waiting for the gateway …") })
	return func() { timer.Stop() }
}

// noticed is a gateway whose slow calls are told to the user. A call that has begun is not
// interrupted: the gateway may have registered the device already, and nobody would know
// its identifier.
type noticed struct {
	signon.Gateway
	env    *Env
	notice func() (stop func())
}

// SignOn implements [signon.Gateway].
func (n noticed) SignOn(ctx context.Context, r ags.SignOnRequest) (*ags.Token, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	defer n.begin()()
	return n.Gateway.SignOn(context.WithoutCancel(ctx), r)
}

// SubsequentSignOn implements [signon.Gateway].
func (n noticed) SubsequentSignOn(ctx context.Context, userToken ags.Secret, r ags.SignOnRequest) (*ags.Token, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	defer n.begin()()
	return n.Gateway.SubsequentSignOn(context.WithoutCancel(ctx), userToken, r)
}

// begin marks that a call is under way, until end is called.
func (n noticed) begin() (end func()) {
	n.env.signOns.Add(1)
	stop := n.notice()
	return func() {
		stop()
		n.env.signOns.Add(-1)
	}
}
