package tokensource

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
	"github.com/agsauth/agsauth/tokensource/internal/sharing"
)

// Kind is the kind of an [Event].
type Kind uint8

const (
	// EventRefreshed says that the gateway granted a new pair.
	EventRefreshed Kind = iota + 1
	// EventRefreshFailed says that a refresh failed and will be tried again.
	// NextAt is when the next attempt is due.
	EventRefreshFailed
	// EventAdopted says that a pair was taken from the store: at the start, or because
	// another process has stored a newer one.
	EventAdopted
	// EventTokenSet says that a pair was handed in with SetToken.
	EventTokenSet
	// EventLoggedIn says that Login has signed on.
	EventLoggedIn
	// EventLoginFailed says that Login failed. NextAt is when the next call is due.
	EventLoginFailed
	// EventEnding says that the session will end soon. Reason is why, and NextAt when. It
	// comes once a session, and again if the end has moved away since.
	EventEnding
	// EventEnded says that the session has ended. It comes once a session.
	EventEnded
	// EventStoreFailed says that the store could not be read or written. The session goes
	// on in memory, and the save is retried.
	EventStoreFailed
	// EventSaved says that a session was saved after a save that had failed.
	EventSaved
	// EventUnlocked says that a refresh is made without the store's lock, because that
	// could not be taken for so long that callers would have had to wait.
	EventUnlocked
	// EventStoreRepaired says that the Store has repaired something, for example the mode
	// of a file that other users could read. Err says what.
	EventStoreRepaired
)

// String returns the kind in words.
func (k Kind) String() string {
	switch k {
	case EventRefreshed:
		return "refreshed"
	case EventRefreshFailed:
		return "refresh failed"
	case EventAdopted:
		return "adopted"
	case EventTokenSet:
		return "token set"
	case EventLoggedIn:
		return "logged in"
	case EventLoginFailed:
		return "login failed"
	case EventEnding:
		return "session ending"
	case EventEnded:
		return "session ended"
	case EventStoreFailed:
		return "store failed"
	case EventSaved:
		return "saved"
	case EventUnlocked:
		return "refreshing without the lock"
	case EventStoreRepaired:
		return "store repaired"
	}
	return "unknown"
}

// level returns the level of an event in the log: debug for what happens every hour, info
// for what the session copes with, warn for what a human should know.
func (k Kind) level() slog.Level {
	switch k {
	case EventRefreshed, EventAdopted, EventSaved:
		return slog.LevelDebug
	case EventRefreshFailed, EventTokenSet, EventLoggedIn:
		return slog.LevelInfo
	case EventLoginFailed, EventEnding, EventEnded, EventStoreFailed, EventUnlocked, EventStoreRepaired:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// Event is something that has happened to a session. It carries no secret.
type Event struct {
	Kind   Kind
	At     time.Time // when, by the Source's clock
	Reason Reason    // why the session ended, or will; 0 with other kinds
	Err    error     // what failed; nil if nothing did
	NextAt time.Time // when the next attempt is due, or when the end is; zero if neither
	Status Status    // the session just after

	// Class is the class of Err.
	Class ErrorClass
	// Duration is how long the refresh or login took, by the Source's clock, if the event
	// tells the outcome of one. It is zero otherwise, and if no call was made.
	Duration time.Duration
}

// hasDuration reports whether the event tells the outcome of a refresh or login.
func (e *Event) hasDuration() bool {
	switch e.Kind {
	case EventRefreshed, EventRefreshFailed, EventLoggedIn, EventLoginFailed:
		return true
	case EventEnded:
		return e.Reason == RefreshRejected
	case EventAdopted, EventTokenSet, EventEnding, EventStoreFailed, EventSaved, EventUnlocked, EventStoreRepaired:
	}
	return false
}

// setDuration sets the Duration of the events that tell the outcome of a refresh or login.
func setDuration(events []Event, took time.Duration) {
	for i := range events {
		if events[i].hasDuration() {
			events[i].Duration = took
		}
	}
}

// enqueueLocked puts an event into the queue. The next dispatch tells it.
func (s *Source) enqueueLocked(now dualclock.Instant, e Event) {
	if !s.cfg.listening() && s.observer == nil {
		return
	}
	e.At = now.Wall.Round(0)
	e.Status, e.Class = s.statusLocked(now), ClassOf(e.Err)
	w := s.workLocked()
	w.events = append(w.events, e)
}

// announce puts an event that changes no state into the queue.
func (s *Source) announce(e Event) {
	now := s.cfg.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.enqueueLocked(now, e)
}

// announceNotice announces a notice of package sharing.
func (s *Source) announceNotice(n sharing.Notice, err error) {
	kind := EventStoreFailed
	switch n {
	case sharing.StoreFailed:
	case sharing.StoreRepaired:
		kind = EventStoreRepaired
	case sharing.WithoutLock:
		kind = EventUnlocked
	}
	s.announce(Event{Kind: kind, Err: err})
}

// dispatch tells the events in the queue, in order, until none is left. One goroutine
// does so at a time; it tells what others queue meanwhile, too.
func (s *Source) dispatch(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dispatchLocked(ctx)
}

// dispatchLocked is dispatch for a caller that holds the lock. It releases the lock
// while it tells events.
func (s *Source) dispatchLocked(ctx context.Context) {
	w := s.work
	if w == nil || w.dispatching {
		return
	}
	w.dispatching = true
	defer func() { w.dispatching = false }()
	for len(w.events) > 0 {
		events := w.events
		w.events = nil
		s.emitUnlocked(ctx, events)
	}
}

// dispatchSoonLocked dispatches on a goroutine of its own, so that a slow OnEvent delays
// neither the caller who noticed the events nor an operation. The channel is closed when
// they were told. It is nil if there are none, or another goroutine tells them.
func (s *Source) dispatchSoonLocked(ctx context.Context) <-chan struct{} {
	w := s.work
	if w == nil || len(w.events) == 0 || w.dispatching {
		return nil
	}
	told := make(chan struct{})
	ctx = context.WithoutCancel(ctx)
	w.group.Go(func() {
		defer close(told)
		s.dispatch(ctx)
	}, s.rest)
	return told
}

// emitUnlocked gives events to OnEvent and to the logger with the lock released.
// Whatever these do, the lock is held again afterwards.
func (s *Source) emitUnlocked(ctx context.Context, events []Event) {
	s.mu.Unlock()
	defer s.mu.Lock()
	for _, e := range events {
		s.emit(ctx, e)
	}
}

func (s *Source) emit(ctx context.Context, e Event) {
	defer func() {
		if v := recover(); v != nil {
			s.logPanic(ctx, "OnEvent", v)
		}
	}()
	s.cfg.onEvent(e)
	if s.observer != nil {
		s.observer.Event(e)
	}
	s.log(ctx, e)
}

func (s *Source) log(ctx context.Context, e Event) {
	logger := s.cfg.logger()
	if logger == nil {
		return
	}
	level := e.Kind.level()
	if e.Kind == EventEnded && e.Reason == NoSession && s.login != nil {
		level = slog.LevelInfo // how every program with a Login begins
	}
	if !logger.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("event", e.Kind.String()), slog.String("phase", e.Status.Phase.String())}
	if e.Reason != 0 {
		attrs = append(attrs, slog.String("reason", e.Reason.String()))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("error", e.Err.Error()), slog.String("error_class", e.Class.String()))
	}
	if e.Duration != 0 {
		attrs = append(attrs, slog.Duration("duration", e.Duration))
	}
	for _, at := range []struct {
		key   string
		value time.Time
	}{
		{"next_at", e.NextAt},
		{"expires_at", e.Status.ExpiresAt},
		{"fixed_expires_at", e.Status.FixedExpiresAt},
	} {
		if !at.value.IsZero() {
			attrs = append(attrs, slog.Time(at.key, at.value))
		}
	}
	attrs = append(attrs, slog.String("client_id", e.Status.ClientID))
	logger.LogAttrs(ctx, level, "agsauth session", attrs...)
}

// logPanic logs where the user's code panicked. The value is not logged, as it
// may hold anything; its type is.
func (s *Source) logPanic(ctx context.Context, where string, value any) {
	defer func() { _ = recover() }() // it may be the Logger that panics
	logger := s.cfg.logger()
	if logger == nil {
		return
	}
	logger.LogAttrs(ctx, slog.LevelError, "agsauth session: panic",
		slog.String("where", where), slog.String("type", fmt.Sprintf("%T", value)), slog.String("stack", string(debug.Stack())))
}
