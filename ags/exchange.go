package ags

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// exchange makes the attempts of a call. It is the transport of a go-retryablehttp
// client of its own, so that it sees each attempt. It is used by one goroutine.
type exchange struct {
	settings      *settings
	call          *call
	correlationID string
	redactor      redactor
	read          func(*response) error // see [send]

	retriesLeft int
	delays      int // delays made

	// The last attempt.
	response response
	err      error // nil if it succeeded
	outcome  outcome
	retrying bool // it is to be retried

	// All attempts.
	anySent    bool // one may have been written
	lostBefore bool // an attempt before the last one was lost
	unknown    bool // an attempt before the last one was lost or not answered by the gateway
}

// outcome says whether the gateway answered an attempt.
type outcome uint8

const (
	answered       outcome = iota // with a complete response, or an error that it sent
	notSent                       // the request was not written
	lost                          // it may have been written, and there is no complete response
	notFromGateway                // it may have been written, and the response is not the gateway's
)

// run makes the attempts and returns the error of the last one.
func (x *exchange) run(ctx context.Context) error {
	ctx = withoutTraces(ctx)
	var body any // nil, and not an empty []byte, for none
	if x.call.body != nil {
		body = x.call.body
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, x.call.method, x.call.url, body)
	if err != nil {
		return errors.New("ags: " + x.call.op + ": the request is not valid")
	}
	req.Header = x.call.header
	req.Header.Set(correlationIDField, x.correlationID)
	client := retryablehttp.Client{
		HTTPClient:   &http.Client{Transport: x},
		RetryMax:     x.retriesLeft,
		CheckRetry:   x.checkRetry,
		Backoff:      func(_, _ time.Duration, _ int, _ *http.Response) time.Duration { return 0 }, // checkRetry waits
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	if resp, err := client.Do(req); err == nil {
		_ = resp.Body.Close()
	}
	// If the context ended the wait for a retry, the error of the last attempt says
	// more than the context's.
	if e, ok := errors.AsType[*Error](x.err); ok && x.retrying && ctx.Err() != nil {
		e.Err = withContextError(ctx, e.Err)
	}
	return x.err
}

// RoundTrip makes one attempt and records it in x. The response that it returns
// has a status only: without a Location, no redirect is followed.
func (x *exchange) RoundTrip(req *http.Request) (*http.Response, error) {
	x.response = response{op: x.call.op, correlationID: x.correlationID, refusals: x.call.refusals}
	x.lostBefore = x.lostBefore || x.outcome == lost
	x.unknown = x.unknown || x.outcome == lost || x.outcome == notFromGateway
	x.outcome, x.retrying = answered, false
	ctx := req.Context()
	if ctx.Err() != nil {
		x.outcome = notSent
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, context.Cause(ctx)
	}
	// Round(0) removes the monotonic reading: the times of a token are stored.
	x.response.sentAt = x.settings.clock.Now().Round(0)
	var trace sendTrace
	ctx, stop := withTimeout(ctx, x.settings.clock, x.settings.timeout)
	defer stop()
	req = req.WithContext(trace.withHooks(ctx))
	resp, err := x.settings.connections.RoundTrip(req)
	if err == nil && resp == nil {
		err = errors.New("the transport returned neither a response nor an error")
	}
	x.unknown = x.unknown || req.Body == nil && trace.mayHaveResent()
	if err != nil {
		if trace.mayHaveSent(err) {
			x.outcome, x.anySent = lost, true
		} else {
			x.outcome = notSent
		}
		return nil, orTimeout(ctx, err)
	}
	x.anySent = true
	x.response.read(resp)
	x.response.readErr = orTimeout(ctx, x.response.readErr)
	return &http.Response{StatusCode: resp.StatusCode, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
}

// checkRetry evaluates the last attempt. If there is to be another one, it waits
// until then.
func (x *exchange) checkRetry(ctx context.Context, _ *http.Response, err error) (bool, error) {
	x.evaluate(ctx, err)
	delay, retry := x.retryDelay()
	if !retry || x.retriesLeft == 0 {
		return false, nil
	}
	x.retriesLeft--
	x.retrying = true
	return x.wait(ctx, delay), nil
}

// evaluate sets the result of the last attempt. err is the transport's error, if
// there is no response.
func (x *exchange) evaluate(ctx context.Context, err error) {
	r := &x.response
	switch {
	case !r.received:
		x.fail(&Error{NotSent: !x.anySent, Err: x.cause(ctx, err)})
	case !r.hasValidStatus():
		x.outcome = notFromGateway
		x.fail(&Error{Status: r.status, Message: "the status is not an HTTP status", Malformed: true})
	case r.status >= http.StatusBadRequest:
		e := r.toError(x.redactor, x.settings.clock.Now())
		if e.NotFromGateway {
			x.outcome = notFromGateway
		}
		if r.readErr != nil {
			e.Err = x.cause(ctx, r.readErr).with(io.ErrUnexpectedEOF)
			if e.Malformed {
				x.outcome = lost
			}
		}
		x.fail(e)
	default:
		x.err = x.read(r)
		if invalid, ok := errors.AsType[*responseError](x.err); ok {
			x.failResponse(ctx, invalid)
		}
	}
}

// failResponse sets the error of an attempt whose successful response is invalid.
func (x *exchange) failResponse(ctx context.Context, invalid *responseError) {
	e := &Error{Status: x.response.status, Code: invalid.code, Message: invalid.text, Malformed: !invalid.rejection && !invalid.refusal}
	if e.Refusal = invalid.refusal; invalid.message != "" {
		e.Message = x.redactor.text(invalid.message)
	}
	if invalid.truncated != nil {
		x.outcome = lost
		e.Err = x.cause(ctx, invalid.truncated).with(io.ErrUnexpectedEOF)
	}
	x.fail(e)
}

// fail sets the error of the last attempt.
func (x *exchange) fail(e *Error) {
	e.Op, e.CorrelationID = x.call.op, x.correlationID
	e.OutcomeUnknown = x.unknown && x.call.policy != retryTransient
	x.err = e
}

// cause returns the cause for err, which includes the end of ctx, if it has ended.
func (x *exchange) cause(ctx context.Context, err error) *cause {
	c := newCause(err)
	if ctx.Err() != nil {
		return withContextError(ctx, c)
	}
	return c
}
