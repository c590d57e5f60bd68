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

func TestRecord_KeepsAPairInUTC(t *testing.T) {
	pair := &ags.Token{
		AccessToken: ags.NewSecret("a"), RefreshToken: ags.NewSecret("r"), TokenType: "Bearer", ClientID: "PUB_989", AccountID: "1663",
		IssuedAt: base, ExpiresAt: base.Add(time.Hour), RefreshExpiresAt: base.Add(48 * time.Hour),
	}
	given := *pair
	given.ExpiresAt = pair.ExpiresAt.In(time.FixedZone("elsewhere", 3600))
	inBubble(t, func(t *testing.T, s *fakeStore, p *participant) {
		put(t, s, sharing.NewRecord(&given, base))
		assert.Equal(t, pair, load(t, p).Token())
	})
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
		"a record without a version":       {stored: `{"generation":1,"access_token":"S3CR3T"}`, damaged: true},
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
				assert.Equal(t, []bool{tt.damaged, tt.leaveAlone, tt.storeError, true, tt.storeError}, []bool{
					errors.Is(err, sharing.ErrDamaged), sharing.MustLeaveAlone(err), sharing.FailedTo("load", err), sharing.IsStoreError(err), len(p.announced) == 1,
				})
				assert.Equal(t, !tt.storeError, errors.Is(p.Unreadable(), err))
				s.loadErr = fs.ErrNotExist
				assert.Nil(t, load(t, p))
				assert.NoError(t, p.Unreadable())
			})
		})
	}
}

func TestIsStoreError(t *testing.T) {
	failed := &sharing.Error{Op: "save", Err: errBoom}
	assert.EqualError(t, failed, "save the session: boom")
	for err, want := range map[error]bool{fmt.Errorf("wrapped: %w", failed): true, sharing.ErrLockHeld: true, errBoom: false, nil: false} {
		assert.Equal(t, want, sharing.IsStoreError(err), err)
		assert.False(t, sharing.FailedTo("lock", err), err)
		assert.False(t, sharing.MustLeaveAlone(err), err)
	}
}
