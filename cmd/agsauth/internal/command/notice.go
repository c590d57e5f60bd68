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

// noticed is a gateway whose slow calls are told to the user.
type noticed struct {
	signon.Gateway
	notice func() (stop func())
}

// SignOn implements [signon.Gateway].
func (n noticed) SignOn(ctx context.Context, r ags.SignOnRequest) (*ags.Token, error) {
	defer n.notice()()
	return n.Gateway.SignOn(ctx, r)
}

// SubsequentSignOn implements [signon.Gateway].
func (n noticed) SubsequentSignOn(ctx context.Context, userToken ags.Secret, r ags.SignOnRequest) (*ags.Token, error) {
	defer n.notice()()
	return n.Gateway.SubsequentSignOn(ctx, userToken, r)
}
