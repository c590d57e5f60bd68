package redisstore

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/redis/go-redis/v9"
)

const (
	// maxRetryShift limits how long a lasting feed waits before it connects again:
	// 1<<maxRetryShift poll intervals.
	maxRetryShift = 6
	// unknownWaiters is the number of waiters that is assumed if a notification has
	// none. A node of a cluster counts only its own subscribers, and a Family is
	// subscribed at one node for all sessions.
	unknownWaiters = 8
)

// A feed is the subscription of a hub. Its last fields are guarded by hub.mu.
type feed struct {
	hub    *hub
	cancel context.CancelFunc
	ended  chan struct{} // closed when the goroutines have ended
	wake   chan struct{} // has a value if changed is not empty

	serving   bool     // a connection is in use, or about to be
	succeeded bool     // the server has confirmed a channel on it
	changed   []string // channels that may have to be subscribed or unsubscribed
	// wanted are the channels that the server was last told to subscribe, and confirmed
	// those for which it has done so.
	wanted, confirmed map[string]bool
}

func newFeed(h *hub, cancel context.CancelFunc) *feed {
	return &feed{hub: h, cancel: cancel, ended: make(chan struct{}), wake: make(chan struct{}, 1)}
}

// change makes the feed look at a channel. The caller must hold hub.mu.
func (f *feed) change(channel string) {
	if !f.serving {
		return // connect looks at all channels
	}
	f.changed = append(f.changed, channel)
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// run subscribes until ctx ends. If the hub is not lasting, it ends with its connection.
func (f *feed) run(ctx context.Context) {
	defer close(f.ended)
	sh, failures := f.hub.shared, 0
	for {
		f.connect()
		f.serve(ctx)
		failures = min(failures+1, maxRetryShift)
		if f.disconnect() {
			failures = 0
		}
		if !f.hub.lasting || ctx.Err() != nil {
			return
		}
		if sh.pause(ctx, min(sh.cfg.PollInterval<<failures, maxDuration)) != nil {
			return
		}
	}
}

// connect begins with a new connection: all channels are to be subscribed.
func (f *feed) connect() {
	f.hub.mu.Lock()
	defer f.hub.mu.Unlock()
	f.serving, f.succeeded, f.changed = true, false, slices.Collect(maps.Keys(f.hub.listeners))
	f.wanted, f.confirmed = map[string]bool{}, map[string]bool{}
}

// disconnect tells all listeners that no notifications come. It reports whether the
// connection was good for some.
func (f *feed) disconnect() (succeeded bool) {
	h := f.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	f.serving, f.changed, f.wanted, f.confirmed = false, nil, nil, nil
	if h.feed != f {
		return f.succeeded // the listeners are those of another feed
	}
	for _, listeners := range h.listeners {
		for l := range listeners {
			l.set(false, 0)
		}
	}
	return f.succeeded
}

// serve uses one connection, from the first listener until the connection is lost.
func (f *feed) serve(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	subscription := f.hub.shared.client().Subscribe(ctx) // without a channel it does not connect yet
	var receiver sync.WaitGroup
	closed := make(chan struct{})
	// Close ends Receive, which ignores ctx.
	context.AfterFunc(ctx, func() { defer close(closed); _ = subscription.Close() })
	defer func() {
		cancel()
		<-closed
		receiver.Wait()
	}()
	for receiving := false; f.send(ctx, subscription) == nil; {
		if !receiving && f.isSubscribing() {
			receiving = true
			receiver.Go(func() { defer cancel(); f.receive(ctx, subscription) })
		}
		select {
		case <-ctx.Done():
			return
		case <-f.wake:
		}
	}
}

// isSubscribing reports whether the server was told to subscribe a channel.
func (f *feed) isSubscribing() bool {
	f.hub.mu.Lock()
	defer f.hub.mu.Unlock()
	return len(f.wanted) > 0
}

// send tells the server what has changed.
func (f *feed) send(ctx context.Context, subscription *redis.PubSub) (err error) {
	defer func() {
		// The client panics at some answers that it cannot parse, when it connects.
		if recover() != nil {
			err = errGarbled
		}
	}()
	add, drop := f.takeChanges()
	if len(add) > 0 {
		if err := subscription.Subscribe(ctx, add...); err != nil {
			return err
		}
	}
	if len(drop) > 0 {
		return subscription.Unsubscribe(ctx, drop...)
	}
	return nil
}

// takeChanges returns the channels to subscribe and those to unsubscribe.
func (f *feed) takeChanges() (add, drop []string) {
	h := f.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, channel := range f.changed {
		switch isWanted := h.listeners[channel] != nil; {
		case isWanted && !f.wanted[channel]:
			f.wanted[channel] = true
			add = append(add, channel)
		case !isWanted && f.wanted[channel]:
			delete(f.wanted, channel)
			delete(f.confirmed, channel)
			drop = append(drop, channel)
		}
	}
	f.changed = nil
	return add, drop
}

// receive receives notifications until the connection is lost.
func (f *feed) receive(ctx context.Context, subscription *redis.PubSub) {
	// The client panics at some messages that it cannot parse.
	defer func() { _ = recover() }()
	for {
		event, err := subscription.Receive(ctx)
		if err != nil {
			return
		}
		switch e := event.(type) {
		case *redis.Subscription:
			f.confirm(e.Channel, e.Kind == "subscribe")
		case *redis.Message:
			f.released(e.Channel, e.Payload)
		}
	}
}

// confirm notes that the server has subscribed or unsubscribed a channel. The lock may
// have been released just before, so its listeners try to take it.
func (f *feed) confirm(channel string, subscribed bool) {
	h := f.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case !subscribed:
		delete(f.confirmed, channel)
	case h.feed == f && f.wanted[channel]: // and not unsubscribed since
		f.confirmed[channel], f.succeeded = true, true
		for l := range h.listeners[channel] {
			l.set(true, 0)
		}
	}
}

// released notifies the listeners of a channel. The payload is the number of subscribers,
// of which the listeners of this process are one. Messages of others count as a
// notification too.
func (f *feed) released(channel, payload string) {
	h := f.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.feed != f {
		return
	}
	waiting, _ := strconv.Atoi(payload)
	if waiting <= 0 {
		waiting = unknownWaiters
	}
	for l := range h.listeners[channel] {
		l.set(true, waiting+len(h.listeners[channel])-1)
	}
}
