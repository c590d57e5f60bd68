package endtoend_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/agsauth/agsauth/agstest"
)

// reply is what a program sees of one request to the API.
type reply struct {
	echo   agstest.Echo
	status int
	err    error
}

// failed returns why a reply is none that a program could work with.
func (r reply) failed() error {
	if r.err == nil && r.status != http.StatusOK {
		return fmt.Errorf("status %d", r.status)
	}
	return r.err
}

// send makes one request to the API with any client.
func send(ctx context.Context, c *http.Client, method, url, body string) reply {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return reply{err: err}
	}
	resp, err := c.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer resp.Body.Close()
	r := reply{status: resp.StatusCode}
	data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode == http.StatusOK {
		err = json.Unmarshal(data, &r.echo)
	}
	r.err = err
	return r
}

// sleep lets time pass, in a bubble, and everything come to rest.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// tally is what a crowd of callers has seen.
type tally struct {
	mu      sync.Mutex
	calls   int
	slowest time.Duration
	errs    []error
}

func (y *tally) add(took time.Duration, err error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.calls++
	y.slowest = max(y.slowest, took)
	if err != nil {
		y.errs = append(y.errs, err)
	}
}

// crowd has n callers ask the API, each in its turn once in every, for as long as
// it is said, and waits for them. It uses the system's clock.
func (h *house) crowd(n int, every, during time.Duration) *tally {
	h.t.Helper()
	var y tally
	var wg sync.WaitGroup
	end := time.Now().Add(during)
	for i := range n {
		wg.Go(func() {
			time.Sleep(every * time.Duration(i) / time.Duration(n))
			for time.Now().Before(end) {
				begin := time.Now()
				err := h.get(h.t.Context()).failed()
				y.add(time.Since(begin), err)
				time.Sleep(every)
			}
		})
	}
	wg.Wait()
	return &y
}

// rush has n callers ask the API all at once, and returns what they saw.
func (h *house) rush(n int) []reply {
	replies := make([]reply, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { replies[i] = h.get(h.t.Context()) })
	}
	wg.Wait()
	return replies
}
