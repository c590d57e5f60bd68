package redisstore

import (
	"context"
	"crypto/rand"
	"strings"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// Store is a session in Redis. It is made by [New], and must not be copied. All
// methods are safe for concurrent use, but a value belongs to one user, and so
// does the memory of what was last loaded; another user of the same session makes
// a Store of its own, with the same Name.
//
// A method returns when its context ends, with the cause. What was sent to the
// server by then may still take effect: of a Save, the next Load tells.
//
// Nothing runs, and no connection is taken, but during a call, and from a Lock
// to its unlock. So there is nothing to close.
type Store struct {
	// client returns Config.Client. It is a function because the client's options
	// hold a password, and what prints a value by following its pointers, as
	// testify does, stops at a function. Client is nil in cfg.
	client func() redis.UniversalClient
	cfg    Config
	names  names
	script scripts
	// checked is whether the user was found to have the rights that are needed, and
	// none was denied since.
	checked atomic.Bool

	turn gate // held from a Lock to its unlock
	busy gate // held by all other operations, one at a time; guards all below

	// known are the versions that a Save may replace: the one last loaded or
	// saved, and behind it those of Saves since then whose outcome is unknown. ""
	// is that of no record.
	known []string
}

// maxUnknown is how many Saves of unknown outcome are remembered. What the one
// before may have stored is a conflict then, which a Load resolves.
const maxUnknown = 8

// New returns a Store that has loaded nothing yet. It does not connect: whether
// the server can be reached the first call tells.
func New(cfg Config) (*Store, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	cfg.fill()
	client := cfg.Client
	cfg.Client = nil
	return &Store{
		client: func() redis.UniversalClient { return client },
		cfg:    cfg, names: cfg.names(), script: newScripts(),
		turn: newGate(), busy: newGate(), known: []string{""},
	}, nil
}

// Load returns the record. With nothing stored it returns an error that Is
// [io/fs.ErrNotExist], and any other error says nothing of what is stored.
func (s *Store) Load(ctx context.Context) ([]byte, error) {
	const op = "load"
	if err := s.busy.enter(ctx); err != nil {
		return nil, err
	}
	defer s.busy.leave()
	a, err := s.ask(ctx, op, s.script.load.Run, []string{s.names.record}, maxRecord)
	switch {
	case err != nil:
		return nil, err
	case a.verdict == isRecord && len(a.rest) == 2:
		s.known = []string{a.rest[0]}
		return []byte(a.rest[1]), nil
	case a.verdict == isNothing:
		s.known = []string{""}
		return nil, notStored(op)
	default:
		return nil, a.unexpected(op)
	}
}

// Save stores data, of 1 MiB at most, in place of the record that this value last
// loaded or saved. If another is stored it changes nothing, and returns an error
// that Is [io/fs.ErrExist]. If somebody has given the record a time to live, that
// is taken away.
//
// After any other error the record may be the old one or the new one, as an
// answer may be lost on its way. To save again is safe: what this value may have
// stored itself is no conflict.
func (s *Store) Save(ctx context.Context, data []byte) error {
	const op = "save"
	if len(data) > maxRecord {
		return failed(op, errTooLarge)
	}
	if err := s.busy.enter(ctx); err != nil {
		return err
	}
	defer s.busy.leave()
	// Random, so that none returns: not with a record made anew, nor after all
	// was lost.
	version := rand.Text()
	args := []any{version, string(data)}
	for _, v := range s.known {
		args = append(args, v)
	}
	a, err := s.ask(ctx, op, s.script.save.Run, []string{s.names.record}, args...)
	switch {
	case err != nil:
		s.noteUnknown(version)
		return err
	case a.verdict == isSaved:
		s.known = []string{version}
		return nil
	case a.verdict == isConflict:
		return conflict(op)
	default:
		return a.unexpected(op)
	}
}

// noteUnknown notes that a version may be stored, or may not.
func (s *Store) noteUnknown(version string) {
	if len(s.known) > maxUnknown {
		s.known = append(s.known[:1], s.known[2:]...)
	}
	s.known = append(s.known, version)
}

// Delete removes the record, whichever it is. With nothing stored it does
// nothing. What was set aside stays.
func (s *Store) Delete(ctx context.Context) error {
	const op = "delete"
	if err := s.busy.enter(ctx); err != nil {
		return err
	}
	defer s.busy.leave()
	a, err := s.ask(ctx, op, s.script.remove.Run, []string{s.names.record})
	switch {
	case err != nil:
		return err
	case a.verdict == isDeleted:
		s.known = []string{""}
		return nil
	default:
		return a.unexpected(op)
	}
}

// SetAside renames the record, for somebody to look at, and leaves nothing
// stored. Its new key is that of the record with "record" replaced by
// "aside:<suffix>:<a random word>", and stays until somebody removes it. A suffix
// is cut to 32 letters, digits, hyphens and underscores, whatever else is in it
// becoming one of the latter. With nothing stored it returns an error that Is
// [io/fs.ErrNotExist].
func (s *Store) SetAside(ctx context.Context, suffix string) error {
	const op = "set aside"
	if err := s.busy.enter(ctx); err != nil {
		return err
	}
	defer s.busy.leave()
	key := s.names.aside + tidy(suffix) + ":" + rand.Text()
	a, err := s.ask(ctx, op, s.script.aside.Run, []string{s.names.record, key})
	switch {
	case err != nil:
		return err
	case a.verdict == isAside:
		s.known = []string{""}
		return nil
	case a.verdict == isNothing:
		s.known = []string{""}
		return notStored(op)
	default:
		return a.unexpected(op)
	}
}

// ask runs a script until ctx ends. The error is that of the operation op, or the
// cause of ctx's end.
func (s *Store) ask(ctx context.Context, op string, script runner, keys []string, args ...any) (answer, error) {
	a, err := await(ctx, nil, func(ctx context.Context) (answer, error) {
		return s.run(ctx, script, keys, args...)
	}, nil)
	return a, endedOr(ctx, op, err)
}

// endedOr returns the cause of ctx's end if it is over, else err as op's failure.
func endedOr(ctx context.Context, op string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	default:
		return failed(op, err)
	}
}

const maxSuffix = 32

// tidy makes a suffix, which comes from the caller, a part of a key.
func tidy(suffix string) string {
	s := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '_':
			return r
		default:
			return '_'
		}
	}, suffix)
	if s == "" {
		return "aside"
	}
	return s[:min(len(s), maxSuffix)]
}
