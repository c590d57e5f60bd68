package redisstore

import (
	"context"
	"sync"
)

// A hub notifies the Locks that wait, over one subscription for all of them. It subscribes
// when the first one begins to wait, and has no goroutine before.
//
// A lasting hub keeps its connection until close, and connects again if it was lost. Any
// other hub keeps it until no Lock waits; if it is lost, the Locks that wait poll.
type hub struct {
	shared  *shared
	lasting bool

	mu        sync.Mutex                        // guards the fields below, and those of feeds and listeners
	listeners map[string]map[*listener]struct{} // by channel; no set is empty
	feed      *feed                             // the one in use; nil before the first wait, and after the last
	closed    bool
}

// A listener is a Lock that waits.
type listener struct {
	hub     *hub
	channel string
	// signal has a value after a change of the fields below.
	signal     chan struct{}
	subscribed bool // notifications of all releases arrive
	waiting    int  // how many waited at the last release
}

func newHub(sh *shared, lasting bool) *hub {
	return &hub{shared: sh, lasting: lasting, listeners: map[string]map[*listener]struct{}{}}
}

// listen begins to listen for releases on channel. The caller must call leave.
func (h *hub) listen(ctx context.Context, channel string) *listener {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := &listener{hub: h, channel: channel, signal: make(chan struct{}, 1)}
	first := h.listeners[channel] == nil
	if first {
		h.listeners[channel] = map[*listener]struct{}{}
	}
	h.listeners[channel][l] = struct{}{}
	switch {
	case h.feed == nil && !h.closed:
		h.start(ctx)
	case h.feed == nil:
	case h.feed.confirmed[channel]:
		l.set(true, 0)
	case first:
		h.feed.change(channel)
	}
	return l
}

// start starts a feed for all listeners. The caller must hold h.mu.
func (h *hub) start(ctx context.Context) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	h.feed = newFeed(h, cancel)
	go h.feed.run(ctx)
}

// leave ends a listener.
func (l *listener) leave() {
	h := l.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.listeners[l.channel], l)
	if len(h.listeners[l.channel]) > 0 {
		return
	}
	delete(h.listeners, l.channel)
	switch {
	case h.feed == nil:
	case len(h.listeners) == 0 && !h.lasting:
		h.feed.cancel()
		h.feed = nil
	default:
		h.feed.change(l.channel)
	}
}

// set changes the state of a listener. The caller must hold hub.mu.
func (l *listener) set(subscribed bool, waiting int) {
	l.subscribed, l.waiting = subscribed, waiting
	select {
	case l.signal <- struct{}{}:
	default: // the previous one is not received yet, and suffices
	}
}

// state returns the state of a listener, after a signal.
func (l *listener) state() (subscribed bool, waiting int) {
	l.hub.mu.Lock()
	defer l.hub.mu.Unlock()
	return l.subscribed, l.waiting
}

// close ends the feed for ever, and waits until its goroutines have ended.
func (h *hub) close() {
	h.mu.Lock()
	h.closed = true
	f := h.feed
	h.mu.Unlock()
	if f != nil {
		f.cancel()
		<-f.ended
	}
}
