package tokensource

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
)

// ledger is what a Source knows of its store.
type ledger struct {
	unread bool // it was not read yet
	alone  bool // it cannot be, and the session goes on without it

	generation int64 // of the pair in memory, as it is stored
	highest    int64 // that is stored, or may be: it is given to no other pair
	rereadAt   dualclock.Deadline

	attemptAt time.Time // what this Source last noted
	rejected  error     // a rejection that waits for the store to be readable

	pending      pendingSave
	saveFailures int
	outrun       [][sha256.Size]byte // fingerprints of the pairs spent, or replaced by a human, since the last save
	saveAt       dualclock.Deadline

	// outages says for each operation of the store that fails from when on the store
	// counts as given up for it. Nil means that the operation works.
	outages   [storeOperations]*dualclock.Deadline
	lockless  bool  // it was announced that the operating system has no lock for the store
	illegible error // what was wrong with what was stored when it was last read

	signOuts *signOutQueue // what the gateway is still to be told; nil when nothing is
}

// pendingSave says what the store still lacks of what is in memory.
type pendingSave uint8

const (
	saveNothing   pendingSave = iota // the store has it, or has something newer
	saveRetry                        // to be saved, unless others have stored something newer
	saveOverwrite                    // an explicit SetToken or SignOut: saved over whatever is stored
)

// yield makes what is still to be saved give way to what others have stored.
func (l *ledger) yield() { l.pending = min(l.pending, saveRetry) }

// storeError is a call of the store that failed for another reason than that
// there is nothing, or something newer: the store is away, slow, or full.
type storeError struct {
	op  string
	err error
}

func (e *storeError) Error() string { return e.op + " the session: " + e.err.Error() }
func (e *storeError) Unwrap() error { return e.err }

// failedTo reports whether err is a store's that failed at this.
func failedTo(op string, err error) bool {
	var e *storeError
	return errors.As(err, &e) && e.op == op
}

func isStoreTrouble(err error) bool {
	var e *storeError
	return errors.As(err, &e) || leftAlone(err) || errors.Is(err, errDamaged) || errors.Is(err, errLockHeld) || errors.Is(err, errTurnTaken)
}

// unreadable is what an error of a Store may be besides: it says that something is
// stored that this Store cannot read, and that others may.
type unreadable interface{ LeaveAlone() bool }

// leftAlone reports whether an error says that what is stored is somebody else's,
// or will be ours when we have the version or the key for it. Others may go on with
// it: nothing is saved in its place, nobody signed on, and no token spent that they
// have too.
func leftAlone(err error) bool {
	var e unreadable
	return errors.Is(err, errNewer) || errors.Is(err, errSealed) || errors.As(err, &e) && e.LeaveAlone()
}

// load reads the record; nil is that nothing is stored. Who calls it has the
// turn. The error is errDamaged, errNewer, errSealed or a storeError, or the cause
// of ctx's end.
func (s *Source) load(ctx context.Context) (*record, error) {
	data, err := bounded(ctx, s, s.cfg.settings().storeTimeout, "Store.Load", s.cfg.Store.Load, nil)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.storeAnswered(nil)
		return nil, nil
	case err != nil && ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case isDamaged(err):
		s.storeAnswered(errDamaged)
		return nil, errDamaged
	case err != nil:
		return nil, s.storeTrouble(loadOperation, err)
	}
	rec, err := decodeRecord(data)
	s.storeAnswered(err)
	s.announceNotices()
	if err == nil {
		s.observe(rec)
	}
	return rec, err
}

// damaged is what an error of a Store may be besides: it says that what is stored
// cannot be anybody's record.
type damaged interface{ Damaged() bool }

func isDamaged(err error) bool {
	var e damaged
	return errors.As(err, &e) && e.Damaged()
}

// observe notes what a record says beyond its pair: its generation, and the pairs
// that are still to be signed out at the gateway.
func (s *Source) observe(rec *record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ledger.highest = max(s.ledger.highest, rec.Generation)
	s.ledger.signOuts = s.ledger.signOuts.observe(rec.SignOutPending)
}

// observeSignOuts notes that the stored record has exactly these pairs for the gateway.
func (s *Source) observeSignOuts(stored []storedPair) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ledger.signOuts = s.ledger.signOuts.observe(stored)
}

// announceNotices tells what the store says that it has repaired by itself.
func (s *Source) announceNotices() {
	store, ok := s.cfg.Store.(noticer)
	if !ok {
		return
	}
	for _, err := range store.Notices() {
		s.announce(Event{Kind: EventStoreRepaired, Err: err})
	}
}

// loadAside is load for who holds the lock too: a damaged record is set aside,
// and then nothing is stored. Where the store cannot do that the record stays,
// and the error is errDamaged.
func (s *Source) loadAside(ctx context.Context) (*record, error) {
	rec, err := s.load(ctx)
	if !errors.Is(err, errDamaged) {
		return rec, err
	}
	store, ok := s.cfg.Store.(asider)
	if !ok {
		return nil, err
	}
	_, asideErr := bounded(ctx, s, s.cfg.settings().storeTimeout, "Store.SetAside", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, store.SetAside(ctx, "damaged")
	}, nil)
	if asideErr != nil {
		return nil, fmt.Errorf("%w, and could not be set aside: %w", errDamaged, asideErr)
	}
	s.announce(Event{Kind: EventStoreFailed, Err: fmt.Errorf("%w: it was set aside", errDamaged)})
	// Loaded anew, so that the store knows that we know of nothing.
	return s.load(ctx)
}

// write saves a record. Who calls it has the turn. The error Is fs.ErrExist when
// the record is not the one loaded last, else it is a storeError.
func (s *Source) write(ctx context.Context, rec *record) error {
	rec.SignOutPending = s.prepareWrite(rec)
	data, err := rec.encode()
	if err != nil {
		return &storeError{"encode", err}
	}
	_, err = bounded(ctx, s, s.cfg.settings().storeTimeout, "Store.Save", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.cfg.Store.Save(ctx, data)
	}, nil)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		s.saveTrouble(err)
		return &storeError{"save", err}
	}
	s.storeWorks(saveOperation)
	if err == nil {
		s.observeSignOuts(rec.SignOutPending)
	}
	return err
}

// prepareWrite notes the generation of a record that is about to be saved, whatever
// comes of that: an error may come after the save took effect. It returns the pairs
// that the record is to keep for the gateway.
func (s *Source) prepareWrite(rec *record) []storedPair {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ledger.highest = max(s.ledger.highest, rec.Generation)
	var pairs []storedPair
	for _, t := range s.ledger.signOuts.pending() {
		pairs = append(pairs, storedPairOf(t))
	}
	return pairs
}

// maxConflicts is how often a save is tried that finds somebody else's instead
// of what was loaded. Under a lock that holds there is none.
const maxConflicts = 3

// commit saves a new record as the generation after all that we know of. When the
// store turns out to hold a newer generation than what we knew, that one is returned
// and nothing is saved; unless force is set, for what a human asked for. Who calls
// it has the turn, and has loaded the record.
func (s *Source) commit(ctx context.Context, rec *record, force bool) (generation int64, newer *record, err error) {
	known := s.knownGeneration()
	for range maxConflicts {
		rec.Generation = s.nextGeneration()
		if err = s.write(ctx, rec); !errors.Is(err, fs.ErrExist) {
			return rec.Generation, nil, err
		}
		read, loadErr := s.load(ctx)
		if loadErr != nil {
			return 0, nil, loadErr
		}
		if read != nil && read.Generation > known && !force && !s.outran(read) {
			return 0, read, nil
		}
	}
	return 0, nil, &storeError{"save", err}
}

func (s *Source) outran(rec *record) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.outranLocked(rec)
}

// nextGeneration returns one that no record has had.
func (s *Source) nextGeneration() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nextGenerationLocked()
}

func (s *Source) nextGenerationLocked() int64 { return max(s.ledger.generation, s.ledger.highest) + 1 }

func (s *Source) knownGeneration() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ledger.generation
}
