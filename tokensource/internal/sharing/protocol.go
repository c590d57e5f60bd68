package sharing

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
	"github.com/agsauth/agsauth/tokensource/internal/task"
)

// MaxConflicts is how often a save is tried that finds another record than the one that
// was loaded. Under a lock that holds there is none.
const MaxConflicts = 3

// Store is tokensource.Store without Delete.
type Store interface {
	Load(ctx context.Context) ([]byte, error)
	Save(ctx context.Context, record []byte) error
}

// Locker is tokensource.Locker.
type Locker interface {
	Lock(ctx context.Context) (unlock func() error, err error)
}

// setAsider is what a Store may be, too: it moves a record that cannot be read out of
// the way, so that a new one does not destroy it.
type setAsider interface {
	SetAside(ctx context.Context, suffix string) error
}

// noticer is what a Store may be, too: it tells what it has repaired by itself since the
// last call.
type noticer interface{ Notices() []error }

// Notice is something to announce.
type Notice uint8

// The notices.
const (
	StoreFailed   Notice = iota // the store, or what it has, is not as it should be
	StoreRepaired               // the store has repaired something by itself
	WithoutLock                 // the operating system has no lock for the store
)

// Host is the owner of a Protocol. Its methods must be safe for concurrent use.
type Host interface {
	// Caller calls the store.
	Caller() task.Caller
	// CallTimeout bounds each call but Lock.
	CallTimeout() time.Duration
	// GiveUpAfter is how long an operation must fail until the store is given up.
	GiveUpAfter() time.Duration
	Announce(n Notice, err error)
	// RetryWait returns how long to wait after an attempt to sign out that has failed
	// after as many failures.
	RetryWait(failures int) time.Duration
}

// Protocol is one participant of a shared session. The methods that call the store must
// not run concurrently: the caller must hold the exclusive slot. A program may have very
// many, so what is seldom needed is behind a pointer.
type Protocol struct {
	store Store
	host  Host

	mu         sync.Mutex         // guards the rest
	highest    int64              // generation that is stored, or may be: no other pair gets it
	attemptAt  dualclock.UnixNano // the last mark of an attempt that is ours; zero if there is none
	generation int64              // of the record that was loaded or saved last
	found      *findings          // nil if there are none
	signOuts   *signOuts
}

// findings is what is not as usual with the store and its record.
type findings struct {
	outages    outages
	unreadable error  // what was wrong with what was stored when it was last read
	noLock     error  // why there is no lock, once that was announced
	marks      *Marks // of the record that was loaded or saved last; nil if it has none
}

func (f *findings) isNone() bool {
	return f.outages == outages{} && f.unreadable == nil && f.noLock == nil && f.marks == nil
}

// New returns a Protocol for a store.
func New(s Store, h Host) *Protocol { return &Protocol{store: s, host: h} }

// foundLocked returns the findings.
func (p *Protocol) foundLocked() findings {
	if p.found == nil {
		return findings{}
	}
	return *p.found
}

// setFoundLocked replaces the findings. It allocates nothing if there are none.
func (p *Protocol) setFoundLocked(f findings) {
	p.found = nil
	if !f.isNone() {
		p.found = new(f)
	}
}

// Load reads the record. It is nil if nothing is stored. The error is [ErrDamaged],
// one for which [MustLeaveAlone] is true, an [*Error], or the cause of ctx's end.
func (p *Protocol) Load(ctx context.Context) (*Record, error) {
	data, err := task.Call(ctx, p.host.Caller(), task.Limit{Whole: p.host.CallTimeout()}, "Store.Load", p.store.Load, nil)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.answered(nil, nil)
		return nil, nil
	case err != nil && ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case isDamaged(err):
		p.answered(nil, ErrDamaged)
		return nil, ErrDamaged
	case err != nil:
		return nil, p.failed(loadOperation, err)
	}
	rec, err := decode(data)
	p.answered(rec, err)
	p.announceNotices()
	return rec, err
}

// Begin decodes a record that the store has loaded before the Protocol was made.
func (p *Protocol) Begin(data []byte) (*Record, error) {
	rec, err := decode(data)
	if err == nil {
		p.answered(rec, nil)
	}
	return rec, err
}

// answered notes that the store can be read, and what it has.
func (p *Protocol) answered(rec *Record, unreadable error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.foundLocked()
	f.outages[loadOperation], f.unreadable, f.marks = nil, unreadable, marksOf(rec)
	p.setFoundLocked(f)
	p.generation = 0
	if rec != nil {
		p.generation = rec.Generation
		p.highest = max(p.highest, rec.Generation)
		p.signOuts = p.signOuts.observe(rec.SignOutPending)
	}
}

// Unreadable returns what was wrong with what was stored when it was last read.
func (p *Protocol) Unreadable() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.foundLocked().unreadable
}

// LoadSettingAside is [Protocol.Load] for a caller that holds the lock, too. A damaged
// record is set aside, and then nothing is stored. If the store cannot do that the
// record stays, and the error is [ErrDamaged].
func (p *Protocol) LoadSettingAside(ctx context.Context) (*Record, error) {
	rec, err := p.Load(ctx)
	if !errors.Is(err, ErrDamaged) {
		return rec, err
	}
	store, ok := p.store.(setAsider)
	if !ok {
		return nil, err
	}
	err = task.Do(ctx, p.host.Caller(), p.host.CallTimeout(), "Store.SetAside", func(ctx context.Context) error { return store.SetAside(ctx, "damaged") })
	if err != nil {
		return nil, fmt.Errorf("%w, and could not be set aside: %w", ErrDamaged, err)
	}
	p.host.Announce(StoreFailed, fmt.Errorf("%w: it was set aside", ErrDamaged))
	// Loaded again, so that the store's compare-and-swap expects nothing.
	return p.Load(ctx)
}

// Save saves a record, with the sign-outs that the gateway must still be told of. The
// error Is [fs.ErrExist] if the record stored is not the one loaded last. Else it is an
// [*Error], after which the record may be stored all the same.
func (p *Protocol) Save(ctx context.Context, rec *Record) error {
	p.prepare(rec)
	data, err := rec.encode()
	if err != nil {
		return &Error{"encode", err}
	}
	err = task.Do(ctx, p.host.Caller(), p.host.CallTimeout(), "Store.Save", func(ctx context.Context) error { return p.store.Save(ctx, data) })
	if err != nil && !errors.Is(err, fs.ErrExist) {
		p.noteOutage(saveOperation, err) // announced by the caller
		return &Error{"save", err}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.foundLocked()
	f.outages[saveOperation] = nil
	if err == nil {
		f.marks, p.generation = marksOf(rec), rec.Generation
		p.signOuts = p.signOuts.observe(rec.SignOutPending)
	}
	p.setFoundLocked(f)
	return err
}

func (p *Protocol) prepare(rec *Record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.highest = max(p.highest, rec.Generation)
	rec.SignOutPending = nil
	for _, t := range p.signOuts.pending() {
		rec.SignOutPending = append(rec.SignOutPending, storedPairOf(t))
	}
}

// Commit saves a record, as the next generation, in the place of the one that was
// loaded. If something else is stored instead and isNews says so, nothing is saved and
// that is returned. A nil isNews saves over anything.
func (p *Protocol) Commit(ctx context.Context, rec *Record, isNews func(*Record) bool) (newer *Record, err error) {
	for range MaxConflicts {
		rec.Generation = p.NextGeneration()
		if err = p.Save(ctx, rec); !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		found, loadErr := p.Load(ctx)
		if loadErr != nil {
			return nil, loadErr
		}
		if found != nil && isNews != nil && isNews(found) {
			return found, nil
		}
	}
	return nil, &Error{"save", err}
}

// NextGeneration returns one that no record has had.
func (p *Protocol) NextGeneration() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.highest + 1
}

// MarkAttempt saves a record with the mark that a refresh of its pair is under way. The
// error is that of [Protocol.Save].
func (p *Protocol) MarkAttempt(ctx context.Context, rec *Record, now time.Time) error {
	rec.AttemptAt = now.Round(0).UTC()
	if err := p.Save(ctx, rec); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.attemptAt = stampOf(rec.AttemptAt)
	return nil
}

// HasForeignAttempt reports whether a record has the mark of an attempt that is not
// ours. It was not finished, so its token may have been redeemed.
func (p *Protocol) HasForeignAttempt(rec *Record) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !rec.AttemptAt.IsZero() && stampOf(rec.AttemptAt) != p.attemptAt
}

// ClearAttempt takes back our mark, once the gateway has said that it did nothing; at
// rejectedAt, if it has rejected the token. That may fail: a mark that stays says less than
// we know, but nothing false.
func (p *Protocol) ClearAttempt(ctx context.Context, marked *Record, rejectedAt time.Time) {
	if marked.AttemptAt.IsZero() || p.HasForeignAttempt(marked) {
		return
	}
	cleared := *marked
	cleared.AttemptAt, cleared.RejectedAt = time.Time{}, utc(rejectedAt)
	if p.Save(ctx, &cleared) != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.attemptAt == stampOf(marked.AttemptAt) {
		p.attemptAt = 0 // the same mark, found from now on, is not ours
	}
}

func (p *Protocol) announceNotices() {
	store, ok := p.store.(noticer)
	if !ok {
		return
	}
	for _, err := range store.Notices() {
		p.host.Announce(StoreRepaired, err)
	}
}

func (p *Protocol) now() dualclock.Instant { return p.host.Caller().Clock.Now() }
