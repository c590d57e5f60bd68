package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/tokensource"
	"github.com/agsauth/agsauth/transport"
)

const (
	requestTimeout    = 10 * time.Second
	maxResponseBytes  = 64 << 10
	maxLoggedFailures = 5 // all failures are counted
)

// worker calls the API. It does not know about tokens: its client adds them.
type worker struct {
	demo     *Demo
	id       int
	client   *http.Client
	rejected bool // the API has rejected the token of the current request
}

func (d *Demo) newWorker(id int) *worker {
	w := &worker{demo: d, id: id}
	w.client = &http.Client{Transport: &transport.Transport{Source: d.read().source, Base: roundTripFunc(w.roundTrip)}}
	return w
}

// run makes requests until the demo stops or ctx ends.
func (w *worker) run(ctx context.Context) {
	d := w.demo
	for {
		d.update(func(s *state) { s.pending[w.id] = time.Now() })
		// A token may be granted between the failure of the request and its record.
		byKey := d.read().hasFaultByKey(d.clock.Elapsed())
		err := w.request(ctx)
		if ctx.Err() != nil {
			return // an interrupted request has not failed
		}
		w.record(err, byKey)
		select {
		case <-time.After(d.plan.Pause):
		case <-d.stop:
			return
		}
	}
}

// request makes one request and checks that the API received its body, which must
// arrive complete even if the client repeats the request.
func (w *worker) request(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	body := fmt.Appendf(nil, "from worker %d", w.id)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.demo.server.URL+"/api/films", bytes.NewReader(body))
	if err != nil {
		return err
	}
	w.rejected = false
	resp, err := w.client.Do(req)
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err // without the URL, which is always the same
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return statusError(resp.StatusCode)
	}
	var echo agstest.Echo
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxResponseBytes)).Decode(&echo); err != nil {
		return fmt.Errorf("read response: %w", err)
	}
	if !bytes.Equal(echo.Body, body) {
		return errors.New("the API received another body")
	}
	return nil
}

// roundTrip sends a request and counts rejected tokens. The worker does not see
// these, since the client repeats the request with another token.
func (w *worker) roundTrip(req *http.Request) (*http.Response, error) {
	resp, err := w.demo.server.Client().Transport.RoundTrip(req)
	switch {
	case err != nil:
	case resp.StatusCode == http.StatusForbidden:
		w.rejected = true
		w.demo.update(func(s *state) { s.Rejected++ })
	case w.rejected:
		w.demo.update(func(s *state) { s.Repeated++ })
	}
	return resp, err
}

// record counts a request. It logs the first few failures, and the first of those
// that a key has caused until there is a usable token again.
func (w *worker) record(err error, byKey bool) {
	d, text := w.demo, ""
	d.update(func(s *state) {
		s.Requests++
		s.latencies = append(s.latencies, time.Since(s.pending[w.id]))
		s.pending[w.id] = time.Time{}
		if err == nil {
			return
		}
		s.Failed++
		problem := tokenProblem(err)
		if problem != "" && (byKey || s.hasFaultByKey(d.clock.Elapsed())) {
			s.FailedByKeys++
			if !s.keyFailureLogged {
				text = "have FAILED requests because of your keys: " + problem
			}
			s.keyFailureLogged = true
		} else if s.Failed-s.FailedByKeys <= maxLoggedFailures {
			text = "have a FAILED request: " + oneLine(err)
		}
	})
	if text != "" {
		d.log("workers", "%s", text)
	}
}

// statusError is an unexpected status of a response.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("status %d", int(e)) }

// tokenProblem returns what is wrong with the token if a request failed for that.
func tokenProblem(err error) string {
	if status, ok := errors.AsType[statusError](err); ok && (status == http.StatusUnauthorized || status == http.StatusForbidden) {
		return fmt.Sprintf("the token is rejected (%d)", int(status))
	}
	if _, ok := errors.AsType[*tokensource.UnavailableError](err); ok || errors.Is(err, tokensource.ErrLoginRequired) {
		return "no token is available"
	}
	return ""
}
