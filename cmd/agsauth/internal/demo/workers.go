package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/tokensource"
	"github.com/agsauth/agsauth/transport"
)

const (
	requestTimeout    = 10 * time.Second
	maxLoggedFailures = 5 // all failures are counted
)

// work calls the API until the demo stops or ctx ends. A worker does not know about
// tokens: its client adds them, and repeats a request whose token is rejected.
func (d *Demo) work(ctx context.Context, id int) {
	rejected := false // the token of the current request
	countRejection := roundTripFunc(func(req *http.Request) (*http.Response, error) {
		resp, err := d.server.Client().Transport.RoundTrip(req)
		if err == nil && resp.StatusCode == http.StatusForbidden {
			rejected = true
			d.update(func(s *state) { s.Rejected++ })
		}
		return resp, err
	})
	client := &http.Client{Transport: &transport.Transport{Source: d.read().source, Base: countRejection}}
	for {
		d.update(func(s *state) { s.pending[id] = time.Now() })
		// The key's effect may end between the failure of the request and its record.
		keyEffect := d.keyEffect()
		rejected = false
		err := d.request(ctx, client, fmt.Appendf(nil, "from worker %d", id))
		if ctx.Err() != nil {
			return // an interrupted request has not failed
		}
		d.record(id, err, rejected, keyEffect || d.keyEffect())
		select {
		case <-time.After(d.plan.Pause):
		case <-d.stop:
			return
		}
	}
}

// keyEffect reports whether a fault by key may have an effect now.
func (d *Demo) keyEffect() bool { return d.read().keyEffect || d.outage() }

// request makes one request and checks that the API received its body, which must
// arrive complete even if the client repeats the request.
func (d *Demo) request(ctx context.Context, client *http.Client, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.server.URL+"/api/films", bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err // without the URL, which is always the same
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusForbidden {
		return errTokenRejected
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	var echo agstest.Echo
	if err := json.NewDecoder(resp.Body).Decode(&echo); err != nil {
		return fmt.Errorf("read response: %w", err)
	}
	if !bytes.Equal(echo.Body, body) {
		return errors.New("the API received another body")
	}
	return nil
}

// record counts a request. It logs the first failures: one by key, and a few others.
func (d *Demo) record(id int, err error, rejected, keyEffect bool) {
	text := ""
	d.update(func(s *state) {
		s.Requests++
		s.latencies = append(s.latencies, time.Since(s.pending[id]))
		s.pending[id] = time.Time{}
		if err == nil {
			if rejected {
				s.Repeated++
			}
			return
		}
		s.Failed++
		if keyEffect && lacksToken(err) {
			if s.FailedByKeys++; s.FailedByKeys == 1 {
				text = "have FAILED requests: your keys leave them without a usable token"
			}
		} else if s.Failed-s.FailedByKeys <= maxLoggedFailures {
			text = "have a FAILED request: " + err.Error()
		}
	})
	if text != "" {
		d.log("workers", "%s", text)
	}
}

var errTokenRejected = errors.New("the token is rejected (403)")

// lacksToken reports whether a request failed for lack of a usable token.
func lacksToken(err error) bool {
	_, unavailable := errors.AsType[*tokensource.UnavailableError](err)
	return unavailable || errors.Is(err, tokensource.ErrLoginRequired) || errors.Is(err, errTokenRejected)
}
