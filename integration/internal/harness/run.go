package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/tokensource"
)

// Check is something that works in a client.
type Check string

const (
	// Lives means that no call fails in three lives of an access token.
	Lives Check = "lives"
	// Replaced means that a token that the API rejects is replaced, and the call that
	// it was sent with succeeds.
	Replaced Check = "replaced"
	// Post means the same for a call with a body of 4 MiB.
	Post Check = "post"
	// End means that the session's end is found with errors.As, at once, with one call of
	// the gateway and without a retry.
	End Check = "end"
	// Deadline means that the deadline of a call's context ends its wait for a token.
	Deadline Check = "deadline"
)

// Checks returns all checks, in the order of the columns of docs/clients.md.
func Checks() []Check { return []Check{Lives, Replaced, Post, End, Deadline} }

const (
	bodySize = 4 << 20
	// callTimeout ends a call that hangs.
	callTimeout = 20 * time.Second
	// atOnce is how long a call may take that waits for nothing.
	atOnce = 2 * time.Second
	// shortDeadline is the deadline of the call that waits for a token.
	shortDeadline = 100 * time.Millisecond
)

// Client describes a client. Its Name is that of its row in docs/clients.md.
type Client struct {
	Name string
	// Open starts a server of the client's kind, protected by the Env, and returns the
	// calls of a client that uses the Source. What it starts, it stops with t.Cleanup.
	Open func(t *testing.T, e *Env) Calls
	// Limits are the checks that the client makes impossible, and why. They must fail.
	Limits map[Check]string
	// Without are the checks that make no sense for the client, and why.
	Without map[Check]string
}

// Calls are the calls of a client. They return the client's error as its user gets it.
type Calls struct {
	// Get makes a call that has no large body. A client for connections opens one, uses
	// it and closes it.
	Get func(ctx context.Context) error
	// Post makes a call with a body, and returns an error if that has not arrived whole.
	Post func(ctx context.Context, body []byte) error
	// Attempts, if not nil, returns how often the client has tried to send a request. A
	// client that retries sets it: its waits are milliseconds here, so that the time
	// that a call took does not show that the client has retried.
	Attempts func() int
}

func (c *Calls) attempts() int {
	if c.Attempts == nil {
		return 0
	}
	return c.Attempts()
}

// Run performs every check with the client.
func Run(t *testing.T, c Client) {
	t.Helper()
	perform := map[Check]func(context.Context, *Env, Calls) error{
		Lives: checkLives, Replaced: checkReplaced, Post: checkPost, End: checkEnd, Deadline: checkDeadline,
	}
	for _, check := range Checks() {
		if _, without := c.Without[check]; without {
			continue
		}
		t.Run(string(check), func(t *testing.T) {
			e := NewEnv(t)
			calls := c.Open(t, e)
			err := perform[check](t.Context(), e, calls)
			if why, limited := c.Limits[check]; limited {
				require.Error(t, err, "this works now, and was said not to: %s", why)
				t.Logf("%s, because %s", err, why)
			} else {
				require.NoError(t, err)
			}
			e.search("the log", e.Log.String())
			assert.Empty(t, e.found(), "these have a token")
		})
	}
}

// call makes a call and searches its error for tokens.
func (e *Env) call(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := call(ctx)
	if err != nil {
		e.search("an error", fmt.Sprintf("%v\n%+v\n%#v", err, err, err))
	}
	return err
}

func checkLives(ctx context.Context, e *Env, c Calls) error {
	for life := range 3 {
		for range 2 {
			if err := e.call(ctx, c.Get); err != nil {
				return fmt.Errorf("in life %d: %w", life+1, err)
			}
		}
		e.NextLife()
	}
	return expectRefreshes(e, 2)
}

func checkReplaced(ctx context.Context, e *Env, c Calls) error {
	return replaced(ctx, e, c.Get)
}

func checkPost(ctx context.Context, e *Env, c Calls) error {
	body := bytes.Repeat([]byte("0123456789abcde\n"), bodySize/16)
	return replaced(ctx, e, func(ctx context.Context) error { return c.Post(ctx, body) })
}

func replaced(ctx context.Context, e *Env, call func(context.Context) error) error {
	if err := e.call(ctx, call); err != nil {
		return fmt.Errorf("before the rejection: %w", err)
	}
	if err := e.RejectCurrent(ctx); err != nil {
		return err
	}
	before := e.Received()
	if err := e.call(ctx, call); err != nil {
		return fmt.Errorf("with a rejected token: %w", err)
	}
	if n := e.Received() - before; n != 2 {
		return fmt.Errorf("the API received %d requests for one call, want 2", n)
	}
	return expectRefreshes(e, 1)
}

func expectRefreshes(e *Env, want int) error {
	if n := e.Gateway.Count(agstest.Refresh); n != want {
		return fmt.Errorf("the gateway received %d refreshes, want %d", n, want)
	}
	return nil
}

func checkEnd(ctx context.Context, e *Env, c Calls) error {
	if err := e.call(ctx, c.Get); err != nil {
		return fmt.Errorf("before the end: %w", err)
	}
	e.EndSession()
	begin, before := time.Now(), c.attempts()
	err := e.call(ctx, c.Get)
	took, attempts := time.Since(begin), c.attempts()-before
	ended, ok := errors.AsType[*tokensource.LoginRequiredError](err)
	switch {
	case err == nil:
		return errors.New("a call succeeded after the session's end")
	case !ok:
		return fmt.Errorf("the session's end is not found in %w", err)
	case ended.Reason != tokensource.RefreshRejected:
		return fmt.Errorf("the reason is %q", ended.Reason)
	case took > atOnce:
		return fmt.Errorf("the session's end was returned after %s", took)
	case c.Attempts != nil && attempts != 1:
		return fmt.Errorf("the session's end was returned after %d attempts", attempts)
	}
	return expectRefreshes(e, 1)
}

func checkDeadline(ctx context.Context, e *Env, c Calls) error {
	if err := e.call(ctx, c.Get); err != nil {
		return fmt.Errorf("before the wait: %w", err)
	}
	release := e.Gateway.Hold(agstest.Refresh)
	defer release()
	e.NextLife()
	short, cancel := context.WithTimeout(ctx, shortDeadline)
	defer cancel()
	returned := make(chan error, 1)
	go func() { returned <- e.call(short, c.Get) }()
	timer := time.NewTimer(shortDeadline + atOnce)
	defer timer.Stop()
	var late bool
	select {
	case err := <-returned:
		if err == nil {
			return errors.New("a call succeeded without a token")
		}
	case <-timer.C:
		late = true
	}
	release()
	if late {
		return errors.Join(fmt.Errorf("the call had not returned %s after its deadline", atOnce), <-returned)
	}
	return e.call(ctx, c.Get)
}
