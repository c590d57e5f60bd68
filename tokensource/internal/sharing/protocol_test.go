package sharing_test

import (
	"io/fs"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/tokensource/internal/sharing"
)

func TestLoadSettingAside(t *testing.T) {
	for name, tt := range map[string]struct {
		stored   string
		asideErr error
		isPlain  bool // the store cannot set a record aside
		want     []error
		aside    map[string][]byte
	}{
		"a damaged record":          {"damaged", nil, false, nil, map[string][]byte{"damaged": []byte("damaged")}},
		"the store cannot do it":    {"damaged", nil, true, []error{sharing.ErrDamaged}, map[string][]byte{}},
		"the store fails to do it":  {"damaged", errBoom, false, []error{sharing.ErrDamaged, errBoom}, map[string][]byte{}},
		"a record that can be read": {`{"version":1,"generation":1,"access_token":"a"}`, nil, false, nil, map[string][]byte{}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *fakeStore, p *participant) {
				require.NoError(t, s.Save(t.Context(), []byte(tt.stored)))
				s.asideErr = tt.asideErr
				if tt.isPlain {
					p = newParticipant(plainStore{s})
				}
				rec, err := p.LoadSettingAside(t.Context())
				assert.Equal(t, tt.want == nil, err == nil)
				for _, want := range tt.want {
					require.ErrorIs(t, err, want)
				}
				assert.Equal(t, tt.stored != "damaged", rec != nil)
				assert.Equal(t, tt.aside, s.Aside())
				if len(tt.aside) > 0 {
					assert.Equal(t, []notice{{sharing.StoreFailed, "the stored record is damaged: it was set aside"}}, p.announced)
				}
			})
		})
	}
}

func TestCommit_Conflicts(t *testing.T) {
	answer := func(isNews bool) func(*sharing.Record) bool { return func(*sharing.Record) bool { return isNews } }
	for name, tt := range map[string]struct {
		conflicts int // how often another record is stored in between
		isNews    func(*sharing.Record) bool
		stored    string
		saved     int64 // its generation; 0 if it is not saved
		fails     bool
	}{
		"no conflict":               {0, answer(true), "b", 2, false},
		"news":                      {1, answer(true), "other", 0, false},
		"no news":                   {1, answer(false), "b", 3, false},
		"over anything":             {sharing.MaxConflicts - 1, nil, "b", 4, false},
		"a conflict with each save": {sharing.MaxConflicts, nil, "other", 0, true},
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
				assert.Equal(t, tt.fails, sharing.FailedTo("save", err))
				assert.Equal(t, tt.fails, err != nil)
				stored := load(t, peer(s))
				assert.Equal(t, tt.stored, stored.AccessToken)
				if tt.saved != 0 {
					assert.Equal(t, []int64{tt.saved, tt.saved}, []int64{rec.Generation, stored.Generation})
				}
				if tt.saved == 0 && !tt.fails {
					assert.Equal(t, stored, newer)
				} else {
					assert.Nil(t, newer)
				}
				assert.Greater(t, p.NextGeneration(), stored.Generation)
			})
		})
	}
}

func TestCommit_Failures(t *testing.T) {
	for op, tt := range map[string]struct {
		loadErr, saveErr error
		expiresAt        time.Time
	}{
		"load":   {errBoom, fs.ErrExist, base},
		"save":   {nil, errBoom, base},
		"encode": {nil, nil, time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)}, // JSON cannot hold it
	} {
		t.Run(op, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *fakeStore, p *participant) {
				s.loadErr, s.saveErr = tt.loadErr, tt.saveErr
				rec := record("b")
				rec.ExpiresAt = tt.expiresAt
				_, err := p.Commit(t.Context(), rec, nil)
				assert.True(t, sharing.FailedTo(op, err), "%v", err)
				assert.Equal(t, int64(2), p.NextGeneration(), "the record may be stored, so no other gets its generation")
			})
		})
	}
}

func TestAttempt_AMarkThatIsNotOursIsForeign(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fakeStore, p *participant) {
		put(t, s, record("a"))
		rec := load(t, p)
		assert.False(t, p.HasForeignAttempt(rec), "no mark")
		s.saveErr = errBoom
		require.ErrorIs(t, p.MarkAttempt(t.Context(), rec, base), errBoom)
		assert.True(t, p.HasForeignAttempt(rec), "a mark that was not saved is not ours")
		s.saveErr = nil
		require.NoError(t, p.MarkAttempt(t.Context(), rec, base))
		assert.False(t, p.HasForeignAttempt(load(t, p)))

		other := peer(s)
		seen := load(t, other)
		assert.True(t, other.HasForeignAttempt(seen))
		other.ClearAttempt(t.Context(), seen, time.Time{})
		assert.Equal(t, base, load(t, other).AttemptAt, "a foreign mark stays")

		s.saveErr = errBoom
		p.ClearAttempt(t.Context(), rec, time.Time{})
		assert.False(t, p.HasForeignAttempt(load(t, p)), "a mark that could not be cleared is ours")
		s.saveErr = nil
		p.ClearAttempt(t.Context(), rec, time.Time{})
		assert.True(t, load(t, p).AttemptAt.IsZero())
		assert.True(t, p.HasForeignAttempt(rec), "the same mark, found later, is not ours")
	})
}

func TestNotices_AreAnnounced(t *testing.T) {
	inBubble(t, func(t *testing.T, s *fakeStore, p *participant) {
		put(t, s, record("a"))
		s.notices = []error{errBoom}
		load(t, p)
		_, err := p.Lock(t.Context(), time.Second)
		require.NoError(t, err)
		assert.Equal(t, []notice{{sharing.StoreRepaired, "boom"}, {sharing.StoreRepaired, "boom"}}, p.announced)
	})
}
