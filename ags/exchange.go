package ags

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// call is one call of the gateway before it is made.
type call struct {
	op      string // what [Error.Op] says
	method  string
	url     string
	header  http.Header
	body    []byte // nil for none
	secrets []string
	policy  policy
}

// send makes a call, and repeats it as its policy says. read is given every whole
// answer of a status below 400, and those that are cut off, in which it finds
// that error by itself if it needs the body.
func send[T any](ctx context.Context, c *Client, k *call, read func(*answer) (T, error)) (T, error) {
	var result T
	x := exchange{
		settings: c.settings(), call: k, correlationID: correlationID(ctx), left: c.settings().retry.Max,
		clean: scrubber{slices.Concat(k.secrets, c.settings().secrets)},
		read: func(a *answer) (err error) {
			result, err = read(a)
			return err
		},
	}
	if attemptsOnce(ctx) {
		x.left = 0
	}
	if err := x.run(ctx); err != nil {
		var none T
		return none, err
	}
	return result, nil
}

// exchange is a call being made: all its attempts. It is the transport of a
// go-retryablehttp client of its own, which repeats them, and so sees each
// attempt by itself. It is used by one goroutine.
type exchange struct {
	settings      *settings
	call          *call
	correlationID string
	clean         scrubber
	read          func(*answer) error

	left  int // repetitions left
	waits int // waits made

	answer     answer // to the last attempt
	notSent    bool   // the last attempt did not reach the wire
	lost       bool   // the last attempt may have, and has no whole answer
	unanswered bool   // the last attempt may have, and the answer is not the gateway's
	wanted     bool   // the last attempt is to be repeated
	err        error  // what the last attempt came to, nil for a success
	anySent    bool   // some attempt may have reached the wire
	lostBefore bool   // the answer to an attempt before the last was lost
	unknown    bool   // so it was, or it was not the gateway's
}

// run makes the attempts and returns what the last of them came to.
func (x *exchange) run(ctx context.Context) error {
	ctx = withoutTraces(ctx)
	var body any
	if x.call.body != nil {
		body = x.call.body
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, x.call.method, x.call.url, body)
	if err != nil {
		return errors.New("ags: " + x.call.op + ": the request cannot be made")
	}
	req.Header = x.call.header
	req.Header.Set("X-Correlation-Id", x.correlationID)
	client := retryablehttp.Client{
		HTTPClient:   &http.Client{Transport: x},
		RetryMax:     x.left,
		CheckRetry:   x.checkRetry,
		Backoff:      func(_, _ time.Duration, _ int, _ *http.Response) time.Duration { return 0 },
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	if resp, err := client.Do(req); err == nil {
		_ = resp.Body.Close()
	}
	return x.outcome(ctx)
}

// RoundTrip makes one attempt. What there is to know of it is left in x; what it
// returns is a status and no more. Without a Location no redirect is followed: a
// request with a token or a password goes where it was meant to, and nowhere else.
func (x *exchange) RoundTrip(req *http.Request) (*http.Response, error) {
	x.answer = answer{op: x.call.op, correlationID: x.correlationID}
	x.lostBefore = x.lostBefore || x.lost
	x.unknown = x.unknown || x.lost || x.unanswered
	x.notSent, x.lost, x.unanswered, x.wanted = false, false, false, false
	ctx := req.Context()
	if ctx.Err() != nil {
		x.notSent = true
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, context.Cause(ctx)
	}
	// Round(0): the instants of a token are wall-clock ones; they are stored.
	x.answer.sentAt = x.settings.clock.Now().Round(0)
	var seen sighting
	ctx, stop := withTimeout(ctx, x.settings.clock, x.settings.timeout)
	defer stop()
	req = req.WithContext(seen.watch(ctx))
	// One connection, one answer. What follows an answer on a connection that is
	// kept, such as the rest of one whose length was told too short, net/http
	// writes to the standard log: tokens, of this answer or of somebody else's.
	req.Close = true
	resp, err := x.settings.base.RoundTrip(req)
	if err == nil && resp == nil {
		err = errors.New("the transport gave neither an answer nor an error")
	}
	if err != nil {
		x.notSent = !seen.maybeSent(err)
		x.anySent = x.anySent || !x.notSent
		return nil, timedOut(ctx, err)
	}
	x.anySent = true
	x.answer.receive(resp)
	x.answer.cut = timedOut(ctx, x.answer.cut)
	return &http.Response{StatusCode: resp.StatusCode, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
}

// checkRetry judges the attempt that was just made, and, if there is to be
// another, waits until it is due.
func (x *exchange) checkRetry(ctx context.Context, _ *http.Response, err error) (bool, error) {
	x.judge(ctx, err)
	wait, again := x.delay()
	if !again || x.left == 0 {
		return false, nil
	}
	x.left--
	x.wanted = true
	return x.pause(ctx, wait), nil
}

// judge sets what the attempt that was just made came to. err is the error in the
// place of an answer.
func (x *exchange) judge(ctx context.Context, err error) {
	a := &x.answer
	if !a.received {
		x.lost = !x.notSent
		x.fail(&Error{NotSent: !x.anySent, Err: x.cause(ctx, err)})
		return
	}
	if !a.hasStatus() {
		x.unanswered = true
		x.fail(&Error{Status: a.status, Message: "this is no HTTP status", Malformed: true})
		return
	}
	if a.status >= http.StatusBadRequest {
		e := a.refusal(x.clean, x.settings.clock.Now())
		if a.cut != nil {
			x.lost = e.Malformed
			e.Err = x.cause(ctx, a.cut).and(io.ErrUnexpectedEOF)
		}
		x.unanswered = x.lost || e.NotFromGateway
		x.fail(e)
		return
	}
	x.err = x.read(a)
	if w, ok := errors.AsType[*answerError](x.err); ok {
		e := &Error{Status: a.status, Code: w.code, Message: w.text, Malformed: !w.rejection}
		if w.cut != nil {
			x.lost = true
			e.Err = x.cause(ctx, w.cut).and(io.ErrUnexpectedEOF)
		}
		x.fail(e)
	}
}

// fail makes e what the attempt came to.
func (x *exchange) fail(e *Error) {
	e.Op, e.CorrelationID = x.call.op, x.correlationID
	e.OutcomeUnknown = x.unknown && x.call.policy != retryTransient
	x.err = e
}

// timedOut returns the timeoutError in the place of what it made an attempt fail with.
func timedOut(ctx context.Context, err error) error {
	if t, ok := errors.AsType[timeoutError](context.Cause(ctx)); ok && err != nil {
		return t
	}
	return err
}

// cause returns what may be told of err.
func (x *exchange) cause(ctx context.Context, err error) *cause {
	c := newCause(err)
	if ctx.Err() != nil {
		return ended(ctx, c)
	}
	return c
}

// outcome returns what the call came to.
func (x *exchange) outcome(ctx context.Context) error {
	// The last failure is told also where the context ended the wait for another
	// attempt: it says more than that.
	if e, ok := errors.AsType[*Error](x.err); ok && x.wanted && ctx.Err() != nil {
		e.Err = ended(ctx, e.Err)
	}
	return x.err
}
