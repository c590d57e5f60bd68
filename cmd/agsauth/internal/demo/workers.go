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
	"sync"
	"time"

	"github.com/agsauth/agsauth/agstest"
)

// The bounds of a request: how long it may take, and how long its answer may be.
const (
	requestTimeout = 10 * time.Second
	maxAnswer      = 64 << 10
)

// crew is the workers. They know nothing of tokens: all they have is an
// [http.Client], and the address of the API.
type crew struct {
	client *http.Client
	url    string
	pause  time.Duration
	// failed is told of each request that fails: its status, or why there was none;
	// and whether that is for what was done by hand.
	failed func(status int, err error, byHand bool)
	// underHand reports whether something that was done by hand has its effect.
	underHand func() bool
	ledger    *ledger

	dismissed chan struct{} // closed by dismiss, which is called once
	wg        sync.WaitGroup
}

// start sends n workers to work. They stop when they are dismissed, or ctx ends.
func (c *crew) start(ctx context.Context, n int) {
	for id := range n {
		c.wg.Go(func() { c.work(ctx, id) })
	}
}

// dismiss ends the work, and returns when the requests under way are answered.
func (c *crew) dismiss() {
	close(c.dismissed)
	c.wg.Wait()
}

func (c *crew) work(ctx context.Context, id int) {
	for ctx.Err() == nil {
		c.ledger.begin(id)
		// A new pair may be granted between the failure and the look at it.
		underHand := c.underHand()
		status, err := c.request(ctx, id)
		if ctx.Err() != nil {
			return // what was broken off has not failed
		}
		byHand := err != nil && wantOfToken(status, err) && (underHand || c.underHand())
		c.ledger.end(id, err, byHand)
		if err != nil {
			c.failed(status, err, byHand)
		}
		timer := time.NewTimer(c.pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
		case <-c.dismissed:
		}
		timer.Stop()
		select {
		case <-c.dismissed:
			return
		default:
		}
	}
}

// request makes one request, and sees to it that the answer is the right one.
// Every other worker sends something: of a request that is sent twice the API is
// to get all, twice. The status is zero if there was no answer.
func (c *crew) request(ctx context.Context, id int) (status int, err error) {
	ctx, cancel := context.WithTimeoutCause(withTrials(ctx), requestTimeout, errors.New("no answer in time"))
	defer cancel()
	method, sent := http.MethodGet, []byte(nil)
	if id%2 == 1 {
		method, sent = http.MethodPost, fmt.Appendf(nil, "the work of worker %d", id)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.url, bytes.NewReader(sent))
	if err != nil {
		return 0, err
	}
	resp, err := c.client.Do(req)
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // which request it was is known
	}
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return resp.StatusCode, fmt.Errorf("status %d", resp.StatusCode)
	}
	var echo agstest.Echo
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&echo); err != nil {
		return resp.StatusCode, fmt.Errorf("read answer: %w", err)
	}
	if echo.Method != method || !bytes.Equal(echo.Body, sent) {
		return resp.StatusCode, errors.New("the API did not get what was sent")
	}
	return resp.StatusCode, nil
}
