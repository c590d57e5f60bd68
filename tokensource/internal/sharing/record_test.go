package sharing_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource/internal/sharing"
)

func TestRecord_KeepsAPair(t *testing.T) {
	pair := &ags.Token{
		AccessToken: ags.NewSecret("a"), RefreshToken: ags.NewSecret("r"), TokenType: "Bearer", ClientID: "PUB_989", AccountID: "1663",
		IssuedAt: base, ExpiresAt: base.Add(time.Hour), RefreshExpiresAt: base.Add(48 * time.Hour),
	}
	elsewhere := time.FixedZone("elsewhere", 3600)
	given := *pair
	given.IssuedAt, given.ExpiresAt = pair.IssuedAt.In(elsewhere), pair.ExpiresAt.In(elsewhere)
	inBubble(t, func(t *testing.T, s *fakeStore, _ *participant) {
		put(t, s, sharing.NewRecord(&given, base.Add(-time.Hour).In(elsewhere)))
		got := load(t, peer(s))
		assert.Equal(t, pair, got.Token(), "in UTC")
		assert.Equal(t, base.Add(-time.Hour), got.StartedAt)
		assert.Equal(t, int64(1), got.Generation)
		assert.False(t, got.IsSignOut())
	})
}

func TestRecord_SaveOver(t *testing.T) {
	former := func() *sharing.Record {
		return &sharing.Record{ClientID: "PUB_989", AccountID: "1663", StartedAt: base, AccessToken: "a"}
	}
	mark := sharing.Record{SignedOutAt: base.Add(time.Hour)}
	over := func(former *sharing.Record, rec sharing.Record) sharing.Record {
		rec.SaveOver(former)
		return rec
	}
	assert.Equal(t, mark, over(nil, mark), "nothing was stored")
	assert.Equal(t, sharing.Record{ClientID: "PUB_989", AccountID: "1663", SignedOutAt: mark.SignedOutAt, StartedAt: base}, over(former(), mark))
	assert.Equal(t, sharing.Record{ClientID: "PUB_1", AccountID: "1663", AccessToken: "b"}, over(former(), sharing.Record{ClientID: "PUB_1", AccessToken: "b"}))
}

// says is an error of a store with the methods that a store may give its errors.
type says struct{ damaged, leaveAlone bool }

func (says) Error() string      { return "unreadable" }
func (e says) Damaged() bool    { return e.damaged }
func (e says) LeaveAlone() bool { return e.leaveAlone }

func TestLoad_WhatItsErrorsMean(t *testing.T) {
	for name, tt := range map[string]struct {
		stored                          string
		err                             error
		damaged, leaveAlone, storeError bool
	}{
		"no record":                        {stored: "S3CR3T", damaged: true},
		"a record without a token":         {stored: `{"version":1,"generation":1}`, damaged: true},
		"damaged, says the store":          {err: fmt.Errorf("wrapped: %w", says{damaged: true}), damaged: true},
		"of a newer version":               {stored: `{"version":2}`, leaveAlone: true},
		"sealed":                           {stored: "agsauth-sealed\x01", leaveAlone: true},
		"to be left alone, says the store": {err: fmt.Errorf("wrapped: %w", says{leaveAlone: true}), leaveAlone: true, storeError: true},
		"any other error":                  {err: says{}, storeError: true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *fakeStore, p *participant) {
				require.NoError(t, s.Save(t.Context(), []byte(tt.stored)))
				s.loadErr = tt.err
				rec, err := p.Load(t.Context())
				require.Error(t, err)
				assert.Nil(t, rec)
				assert.NotContains(t, err.Error(), "S3CR3T")
				assert.Equal(t, tt.damaged, errors.Is(err, sharing.ErrDamaged))
				assert.Equal(t, tt.leaveAlone, sharing.MustLeaveAlone(err))
				assert.Equal(t, tt.storeError, sharing.FailedTo("load", err))
				assert.True(t, sharing.IsStoreError(err))
				assert.Equal(t, tt.storeError, len(p.announced) == 1, "announced: %v", p.announced)
				if tt.storeError {
					require.ErrorIs(t, err, tt.err)
				} else {
					assert.Equal(t, err, p.Unreadable())
				}
				s.loadErr = fs.ErrNotExist
				assert.Nil(t, load(t, p))
				assert.NoError(t, p.Unreadable())
			})
		})
	}
}

func TestIsStoreError(t *testing.T) {
	assert.True(t, sharing.IsStoreError(fmt.Errorf("wrapped: %w", &sharing.Error{Op: "save", Err: errBoom})))
	assert.True(t, sharing.IsStoreError(sharing.ErrLockHeld))
	assert.False(t, sharing.IsStoreError(errBoom))
	assert.False(t, sharing.IsStoreError(nil))
	assert.False(t, sharing.FailedTo("lock", &sharing.Error{Op: "save", Err: errBoom}))
	assert.False(t, sharing.FailedTo("lock", nil))
	assert.False(t, sharing.MustLeaveAlone(nil))
	assert.EqualError(t, &sharing.Error{Op: "save", Err: errBoom}, "save the session: boom")
}
