package sharing_test

import (
	"context"
	"io/fs"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/tokensource/internal/sharing"
)

func TestLoadSettingAside(t *testing.T) {
	for name, tt := range map[string]struct {
		asideErr error
		hide     bool // the store cannot set a record aside
		want     []error
		notices  []notice
	}{
		"moves a damaged record": {notices: []notice{{sharing.StoreFailed, "the stored record is damaged: it was set aside"}}},
		"cannot move it":         {hide: true, want: []error{sharing.ErrDamaged}},
		"fails to move it":       {asideErr: errBoom, want: []error{sharing.ErrDamaged, errBoom}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *fakeStore, p *participant) {
				require.NoError(t, s.Save(t.Context(), []byte("damaged")))
				s.asideErr = tt.asideErr
				if tt.hide {
					p = newParticipant(plainStore{s})
				}
				rec, err := p.LoadSettingAside(t.Context())
				assert.Nil(t, rec)
				assert.Equal(t, tt.notices, p.announced)
				for _, want := range tt.want {
					require.ErrorIs(t, err, want)
				}
				if tt.want == nil {
					require.NoError(t, err)
					assert.Equal(t, map[string][]byte{"damaged": []byte("damaged")}, s.Aside())
				}
			})
		})
	}
	inBubble(t, func(t *testing.T, s *fakeStore, p *participant) {
		put(t, s, record("a"))
		rec, err := p.LoadSettingAside(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "a", rec.AccessToken)
		assert.Empty(t, s.Aside(), "a good record stays")
	})
}

func TestCommit(t *testing.T) {
	never := func(*sharing.Record) bool { return false }
	always := func(*sharing.Record) bool { return true }
	for name, tt := range map[string]struct {
		conflicts int // how often another record is stored in between
		isNews    func(*sharing.Record) bool
		newer     string
		stored    string
		saved     int64 // its generation
		fails     bool
	}{
		"no conflict":               {0, always, "", "b", 2, false},
		"news":                      {1, always, "other", "other", 0, false},
		"no news":                   {1, never, "", "b", 3, false},
		"over anything":             {sharing.MaxConflicts - 1, nil, "", "b", 4, false},
		"a conflict with each save": {sharing.MaxConflicts, nil, "", "other", 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *fakeStore, p *participant) {
				put(t, s, record("a"))
				load(t, p)
				left := tt.conflicts
				s.onSave = func() {
					if left > 0 {
						left--
						put(t, s, record("other"))
					}
				}
				rec := record("b")
				newer, err := p.Commit(t.Context(), rec, tt.isNews)
				assert.Equal(t, tt.fails, err != nil)
				assert.Equal(t, tt.fails, sharing.FailedTo("save", err))
				if tt.newer != "" {
					assert.Equal(t, tt.newer, newer.AccessToken)
				} else {
					assert.Nil(t, newer)
				}
				stored := load(t, peer(s))
				assert.Equal(t, tt.stored, stored.AccessToken)
				if tt.saved != 0 {
					assert.Equal(t, tt.saved, rec.Generation)
					assert.Equal(t, tt.saved, stored.Generation)
				}
				assert.Greater(t, p.NextGeneration(), stored.Generation)
			})
		})
	}
	t.Run("the record in its way cannot be read", func(t *testing.T) {
		inBubble(t, func(t *testing.T, s *fakeStore, p *participant) {
			s.saveErr, s.loadErr = fs.ErrExist, errBoom
			_, err := p.Commit(t.Context(), record("b"), nil)
			assert.True(t, sharing.FailedTo("load", err), "%v", err)
		})
	})
	t.Run("a failed save may have taken effect", func(t *testing.T) {
		inBubble(t, func(t *testing.T, s *fakeStore, p *participant) {
			s.saveErr = errBoom
			_, err := p.Commit(t.Context(), record("b"), nil)
			require.ErrorIs(t, err, errBoom)
			assert.True(t, sharing.FailedTo("save", err))
			assert.Empty(t, p.announced, "the caller announces it")
			assert.Equal(t, int64(2), p.NextGeneration(), "no other pair gets the generation")
		})
	})
	t.Run("a record that JSON cannot hold", func(t *testing.T) {
		inBubble(t, func(t *testing.T, _ *fakeStore, p *participant) {
			rec := record("b")
			rec.ExpiresAt = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)
			_, err := p.Commit(t.Context(), rec, nil)
			assert.True(t, sharing.FailedTo("encode", err), "%v", err)
		})
	})
}

func TestAttempt_AMarkThatIsNotOursIsForeign(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fakeStore, p *participant) {
		put(t, s, record("a"))
		rec := load(t, p)
		assert.False(t, p.HasForeignAttempt(rec), "no mark")
		require.NoError(t, p.MarkAttempt(t.Context(), rec, base))
		assert.False(t, p.HasForeignAttempt(load(t, p)))
		other := peer(s)
		seen := load(t, other)
		assert.True(t, other.HasForeignAttempt(seen))
		other.ClearAttempt(t.Context(), seen)
		assert.Equal(t, base, load(t, other).AttemptAt, "a foreign mark stays")

		s.saveErr = errBoom
		p.ClearAttempt(t.Context(), rec)
		assert.False(t, p.HasForeignAttempt(load(t, p)), "a mark that could not be cleared is ours")
		s.saveErr = nil
		p.ClearAttempt(t.Context(), rec)
		assert.True(t, load(t, p).AttemptAt.IsZero())
		assert.Equal(t, base, rec.AttemptAt, "the caller's record is as it was")
		assert.True(t, p.HasForeignAttempt(rec), "the same mark, found later, is not ours")
	})
	inBubble(t, func(t *testing.T, s *fakeStore, p *participant) {
		s.saveErr = errBoom
		rec := record("a")
		require.ErrorIs(t, p.MarkAttempt(t.Context(), rec, base), errBoom)
		assert.True(t, p.HasForeignAttempt(rec), "a mark that was not saved is not ours")
	})
}

func TestNotices_AreAnnounced(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fakeStore, p *participant) {
		want := []notice{{sharing.StoreRepaired, "boom"}}
		put(t, s, record("a"))
		s.notices = []error{errBoom}
		load(t, p)
		assert.Equal(t, want, p.announced)
		s.notices = []error{errBoom}
		unlock, err := p.Lock(t.Context(), time.Second)
		require.NoError(t, err)
		unlock(t.Context())
		assert.Equal(t, append(want, want...), p.announced)
	})
}

func TestLoad_ReturnsTheCauseOfTheEndOfItsContext(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *fakeStore, p *participant) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errEnded)
		_, err := p.Load(ctx)
		assert.Equal(t, errEnded, err)
		assert.Empty(t, p.announced)
		assert.False(t, p.IsGivenUp())
	})
}
