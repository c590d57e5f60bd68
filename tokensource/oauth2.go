package tokensource

import (
	"context"

	"golang.org/x/oauth2"
)

var _ oauth2.TokenSource = (*Source)(nil)

// Token is TokenContext for libraries that know nothing of contexts: its wait is
// ended by Close, or by the end of the attempt waited for. It returns a copy, as
// oauth2's own wrappers write into the token that they are given.
func (s *Source) Token() (*oauth2.Token, error) {
	t, err := s.TokenContext(background())
	if err != nil {
		return nil, err
	}
	c := *t
	return &c, nil
}

// background is the context of what has none: the calls of oauth2.TokenSource,
// and the telling of events.
func background() context.Context {
	return context.Background() //nolint:forbidigo // oauth2.TokenSource has no context to take
}
