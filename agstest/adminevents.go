package agstest

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// events sends the updates of the journal as server-sent events.
func (a *admin) events(w http.ResponseWriter, r *http.Request) {
	since, err := a.firstEvent(r)
	if err != nil {
		writeError(w, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
	out := http.NewResponseController(w)
	for {
		updates, latest, changed := a.s.requests.updates(since)
		for _, u := range updates {
			if err := u.write(w); err != nil {
				return
			}
		}
		since = latest
		if out.Flush() != nil {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		case <-a.s.done:
			return
		}
	}
}

// firstEvent returns the number of the event after which to begin.
func (a *admin) firstEvent(r *http.Request) (int64, error) {
	if err := knownParameters(r, []string{"since"}); err != nil {
		return 0, err
	}
	name, value := "Last-Event-ID", r.Header.Get("Last-Event-ID")
	if value == "" {
		name, value = "parameter since", r.URL.Query().Get("since")
	}
	if value == "" {
		a.s.requests.mu.Lock()
		defer a.s.requests.mu.Unlock()
		return a.s.requests.journal.latest, nil
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s: %q is not a number from 0", name, value)
	}
	return n, nil
}

// event is an update as an event.
type event struct {
	number int64
	name   string
	data   any
}

func (e event) write(w io.Writer) error {
	_, err := fmt.Fprintf(w, "id: %d\nevent: %s\ndata: %s\n\n", e.number, e.name, mustJSON(e.data))
	return err
}

// updates returns the events after that with the given number, the number of the latest
// one, and a channel that is closed when there are others.
func (l *requestLog) updates(since int64) ([]event, int64, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var events []event
	for _, u := range l.journal.since(since) {
		switch {
		case u.request != nil:
			events = append(events, event{u.number, "request", newRequestJSON(*u.request)})
		case u.act == resetAct:
			events = append(events, event{u.number, resetAct, struct{}{}})
		default:
			events = append(events, event{u.number, "changed", map[string]string{"act": u.act}})
		}
	}
	return events, l.journal.latest, l.changed
}
