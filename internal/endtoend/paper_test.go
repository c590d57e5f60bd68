package endtoend_test

import (
	"bytes"
	"slices"
	"sync"
	"testing"

	"github.com/agsauth/agsauth/tokensource"
)

// diary keeps a source's events.
type diary struct {
	mu     sync.Mutex
	events []tokensource.Event
	fresh  chan tokensource.Event // the same, for who waits for one
}

func newDiary() *diary { return &diary{fresh: make(chan tokensource.Event, 4096)} }

func (d *diary) write(e tokensource.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, e)
	d.fresh <- e
}

func (d *diary) all() []tokensource.Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.events)
}

func (d *diary) of(kind tokensource.Kind) []tokensource.Event {
	return slices.DeleteFunc(d.all(), func(e tokensource.Event) bool { return e.Kind != kind })
}

// awaitRefresh waits for the event of the next refresh. The wait is bounded only by
// the timeout of the test binary, since a busy machine may take any time.
func (d *diary) awaitRefresh(t *testing.T) {
	t.Helper()
	for e := range d.fresh {
		if e.Kind == tokensource.EventRefreshed {
			return
		}
	}
}

// paper is what is logged on.
type paper struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (p *paper) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.Write(b)
}

func (p *paper) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.String()
}

// isClosed reports whether a channel is closed.
func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
