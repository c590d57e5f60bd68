package sharing

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
	"github.com/agsauth/agsauth/tokensource/internal/task"
)

// Lock takes the lock that is shared with other processes, if the store has one. It waits
// for at most limit. The error is [ErrLockHeld], an [*Error] if the lock cannot be had,
// or the cause of ctx's end. unlock is never nil.
func (p *Protocol) Lock(ctx context.Context, limit time.Duration) (unlock func(context.Context), err error) {
	nothing := func(context.Context) {}
	locker, ok := p.store.(Locker)
	if !ok {
		return nothing, nil
	}
	tooLate := func(unlock func() error) { _ = unlock() }
	release, err := task.Call(ctx, p.host.Caller(), task.Limit{Whole: limit}, "Store.Lock", locker.Lock, tooLate)
	switch {
	case err == nil:
		p.works(lockOperation)
		p.announceNotices()
		return func(ctx context.Context) { p.unlock(ctx, release) }, nil
	case errors.Is(err, errors.ErrUnsupported):
		p.goOnWithoutLock(err)
		return nothing, nil
	case ctx.Err() != nil:
		return nothing, context.Cause(ctx)
	case errors.Is(err, task.ErrTimeout):
		return nothing, ErrLockHeld
	default:
		return nothing, p.failed(lockOperation, err)
	}
}

func (p *Protocol) unlock(ctx context.Context, release func() error) {
	err := task.Do(ctx, p.host.Caller(), p.host.CallTimeout(), "unlock", func(context.Context) error { return release() })
	if err != nil {
		p.host.Announce(StoreFailed, &Error{"unlock", err})
	}
}

// goOnWithoutLock announces, once, that the operating system has no lock for the store.
// A store that has no lock by its nature returns errors.ErrUnsupported itself.
func (p *Protocol) goOnWithoutLock(err error) {
	cause := err
	for inner := errors.Unwrap(cause); inner != nil; inner = errors.Unwrap(cause) {
		cause = inner
	}
	if any(cause) == any(errors.ErrUnsupported) {
		return
	}
	p.mu.Lock()
	f := p.foundLocked()
	first := f.noLock == nil
	f.noLock = err
	p.setFoundLocked(f)
	p.mu.Unlock()
	if first {
		p.host.Announce(WithoutLock, &Error{"lock", err})
	}
}

// operation is a call of the store, as far as it can fail by itself.
type operation uint8

const (
	lockOperation operation = iota
	loadOperation
	saveOperation
	operations
)

func (o operation) String() string { return [...]string{"lock", "load", "save"}[o] }

// outages holds, for each failing operation, when the store is given up. Nil means that
// the operation works.
type outages [operations]*dualclock.Deadline

// failed notes that an operation has failed, and announces it if all of them worked
// until now.
func (p *Protocol) failed(op operation, cause error) error {
	err := &Error{op.String(), cause}
	if p.noteOutage(op, err) {
		p.host.Announce(StoreFailed, err)
	}
	return err
}

// noteOutage notes that an operation has failed, and reports whether all of them worked
// until now. A store that has a record that must be left alone is never given up.
func (p *Protocol) noteOutage(op operation, err error) (first bool) {
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.foundLocked()
	first = f.outages == outages{}
	switch {
	case MustLeaveAlone(err):
		f.outages[op] = new(dualclock.Never())
	case f.outages[op] == nil:
		f.outages[op] = new(now.Add(p.host.GiveUpAfter()).Deadline())
	}
	p.setFoundLocked(f)
	return first
}

func (p *Protocol) works(op operation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.foundLocked()
	f.outages[op] = nil
	p.setFoundLocked(f)
}

// IsGivenUp reports whether an operation of the store has failed for so long that the
// session goes on without the store.
func (p *Protocol) IsGivenUp() bool {
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.foundLocked()
	return slices.ContainsFunc(f.outages[:], func(givenUpAt *dualclock.Deadline) bool {
		return givenUpAt != nil && givenUpAt.PassedOnEither(now)
	})
}
