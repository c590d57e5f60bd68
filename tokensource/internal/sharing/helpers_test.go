package sharing_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/internal/leak"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource/internal/dualclock"
	"github.com/agsauth/agsauth/tokensource/internal/lifecycle"
	"github.com/agsauth/agsauth/tokensource/internal/sharing"
	"github.com/agsauth/agsauth/tokensource/internal/task"
)

func TestMain(m *testing.M) { leak.Main(m) }

const giveUpAfter = 30 * time.Second

var (
	base     = time.Date(2022, 6, 10, 15, 4, 53, 0, time.UTC)
	errBoom  = errors.New("boom")
	errEnded = errors.New("ended by the test")
)

// fakeStore is a Memory whose calls can be made to fail.
type fakeStore struct {
	*store.Memory

	loadErr, saveErr, asideErr error
	onSave                     func()                                      // before each call of Save
	onLock                     func(context.Context) (func() error, error) // instead of Lock
	notices                    []error
}

func (s *fakeStore) Load(ctx context.Context) ([]byte, error) {
	if s.loadErr != nil {
		return nil, s.loadErr
	}
	return s.Memory.Load(ctx)
}

func (s *fakeStore) Save(ctx context.Context, data []byte) error {
	if s.onSave != nil {
		s.onSave()
	}
	if s.saveErr != nil {
		return s.saveErr
	}
	return s.Memory.Save(ctx, data)
}

func (s *fakeStore) SetAside(ctx context.Context, suffix string) error {
	if s.asideErr != nil {
		return s.asideErr
	}
	return s.Memory.SetAside(ctx, suffix)
}

func (s *fakeStore) Lock(ctx context.Context) (func() error, error) {
	if s.onLock != nil {
		return s.onLock(ctx)
	}
	return s.Memory.Lock(ctx)
}

func (s *fakeStore) Notices() []error { return s.notices }

// plainStore has none of the optional methods of a store.
type plainStore struct{ sharing.Store }

// participant is a Protocol, and what it has announced.
type participant struct {
	*sharing.Protocol

	reader dualclock.Reader

	announced []notice
}

type notice struct {
	kind sharing.Notice
	text string
}

func newParticipant(s sharing.Store) *participant {
	p := &participant{reader: dualclock.NewReader(nil)}
	p.Protocol = sharing.New(s, p)
	return p
}

func (p *participant) Caller() task.Caller {
	return task.Caller{Clock: &p.reader, Start: func(f func()) { go f() }}
}
func (*participant) CallTimeout() time.Duration           { return 5 * time.Second }
func (*participant) GiveUpAfter() time.Duration           { return giveUpAfter }
func (*participant) RetryWait(failures int) time.Duration { return lifecycle.SaveRetryWait(failures) }

func (p *participant) Announce(n sharing.Notice, err error) {
	p.announced = append(p.announced, notice{n, err.Error()})
}

// inBubble runs a test with a participant of its own. Time is that of the bubble.
func inBubble(t *testing.T, test func(t *testing.T, s *fakeStore, p *participant)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &fakeStore{Memory: &store.Memory{}}
		test(t, s, newParticipant(s))
	})
}

// peer returns another participant of the session in s.
func peer(s *fakeStore) *participant { return newParticipant(s.Peer()) }

// put stores a record as another participant does.
func put(t *testing.T, s *fakeStore, rec *sharing.Record) {
	t.Helper()
	p := peer(s)
	load(t, p)
	_, err := p.Commit(t.Context(), rec, nil)
	require.NoError(t, err)
}

func load(t *testing.T, p *participant) *sharing.Record {
	t.Helper()
	rec, err := p.Load(t.Context())
	require.NoError(t, err)
	return rec
}

func token(access string) *ags.Token {
	return &ags.Token{AccessToken: ags.NewSecret(access), IssuedAt: base, ExpiresAt: base.Add(time.Hour)}
}

func record(access string) *sharing.Record { return sharing.NewRecord(token(access), base) }
