package boltstore_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/store/boltstore"
	"github.com/agsauth/agsauth/tokensource"
)

// A gateway gives a new pair to each login and refresh, and counts them.
type gateway struct{ logins, refreshes atomic.Int64 }

func (*gateway) pair(name string) *ags.Token {
	now := time.Now()
	return &ags.Token{
		AccessToken: ags.NewSecret("access " + name), RefreshToken: ags.NewSecret("refresh " + name), TokenType: "bearer",
		ClientID: "client", IssuedAt: now, ExpiresAt: now.Add(time.Hour), RefreshExpiresAt: now.Add(2 * time.Hour),
	}
}

func (g *gateway) login(context.Context, *tokensource.LoginRequiredError) (*ags.Token, error) {
	return g.pair(fmt.Sprint("login ", g.logins.Add(1))), nil
}

func (g *gateway) Refresh(context.Context, *ags.Token) (*ags.Token, error) {
	return g.pair(fmt.Sprint("refresh ", g.refreshes.Add(1))), nil
}

// Sources of one process share their sessions, and those of a later one continue them.
func TestStore_Sources(t *testing.T) {
	const sessions, users = 20, 3
	path := filepath.Join(t.TempDir(), "sessions.db")
	g := &gateway{}
	for range 2 { // the second time after a restart
		db := openAt(t, path)
		var all sync.WaitGroup
		for i := range sessions * users {
			all.Go(func() { useSession(t, db, g, fmt.Sprint(i/users)) })
		}
		all.Wait()
		assert.Len(t, keys(t, db), sessions)
		require.NoError(t, db.Close())
	}
	assert.EqualValues(t, sessions, g.logins.Load())
	assert.Zero(t, g.refreshes.Load())
}

func useSession(t *testing.T, db *boltstore.DB, g *gateway, key string) {
	t.Helper()
	source, err := tokensource.New(tokensource.Config{Refresher: g, Login: g.login, Store: db.Store(key)})
	if !assert.NoError(t, err) {
		return
	}
	_, err = source.TokenContext(t.Context())
	assert.NoError(t, err)
	assert.NoError(t, source.Close())
}
