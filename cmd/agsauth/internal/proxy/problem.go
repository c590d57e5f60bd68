package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

// problem is a response of the proxy itself, in the form of RFC 9457. It never contains
// anything that was sent.
type problem struct {
	Title         string `json:"title"`
	Status        int    `json:"status"`
	Code          string `json:"code"`
	Detail        string `json:"detail,omitempty"`
	Hint          string `json:"hint,omitempty"`
	CorrelationID string `json:"correlationId,omitempty"`

	retryAfter time.Duration
}

// writeProblem answers with a problem.
func (x *exchange) writeProblem(p *problem) {
	x.own = true
	header := x.Header()
	clear(header)
	header.Set("Content-Type", "application/problem+json")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	if p.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(int((p.retryAfter+time.Second-1)/time.Second)))
	}
	content, err := json.Marshal(p)
	if err != nil {
		content = []byte("{}") // cannot happen: all fields are texts and numbers
	}
	header.Set("Content-Length", strconv.Itoa(len(content)+1))
	x.WriteHeader(p.Status)
	_, _ = x.Write(append(content, '\n'))
}

// serveError answers a request that has got no response.
func (p *Proxy) serveError(w http.ResponseWriter, r *http.Request, err error) {
	x, ok := w.(*exchange)
	if !ok {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	if r.Context().Err() != nil || x.status != 0 {
		// The client has left, the proxy closes, or the header has been sent.
		panic(http.ErrAbortHandler)
	}
	x.writeProblem(p.problemOf(err))
}

// problemOf says what an error means for the client. The texts of errors of net/http may
// quote the response, so only those of the token and of the network's system calls are
// shown.
func (p *Proxy) problemOf(err error) *problem {
	if asked, ok := errors.AsType[*tokenError](err); ok {
		return p.tokenProblem(asked.err)
	}
	if _, ok := errors.AsType[*clientError](err); ok {
		return &problem{
			Status: http.StatusBadRequest, Code: "request_broken", Title: "The body of the request broke off.",
			Hint: "Send the request again.",
		}
	}
	result := &problem{
		Status: http.StatusBadGateway, Code: "upstream_failed", Title: "The API has not answered properly.",
		Detail: "The connection broke, or what came was not HTTP.", Hint: "Try again later, or ask the operator of " + p.cfg.Upstream.Host + ".",
	}
	if failed, ok := errors.AsType[*net.OpError](err); ok {
		result.Detail = failed.Error()
		if failed.Op == "dial" {
			result.Code, result.Title = "upstream_unreachable", "The API cannot be reached."
			result.Hint = "Check the URL of the upstream and the network."
		}
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		result.Status = http.StatusGatewayTimeout
	}
	return result
}

// tokenProblem says why there is no token: somebody must sign in, or the gateway is away.
func (p *Proxy) tokenProblem(err error) *problem {
	result := &problem{Detail: err.Error()}
	if failed, ok := errors.AsType[*ags.Error](err); ok {
		result.CorrelationID, result.retryAfter = failed.CorrelationID, failed.RetryAfter
	}
	switch {
	case errors.Is(err, tokensource.ErrClosed):
		result.Status, result.Code, result.Title = http.StatusServiceUnavailable, "closed", "The proxy is being stopped."
	case tokensource.IsFinal(err):
		result.Status, result.Code, result.Title = http.StatusServiceUnavailable, "signed_out", "The proxy is signed out."
		result.Hint = "Run " + p.cfg.LoginCommand + "; the proxy takes up the new session by itself."
		result.retryAfter = 0
	default:
		result.Status, result.Code, result.Title = http.StatusBadGateway, "gateway_unavailable", "The gateway gives no token at present."
		result.Hint = "Try again later; agsauth doctor says what is wrong."
	}
	return result
}
