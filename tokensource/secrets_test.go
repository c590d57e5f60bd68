package tokensource_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

// mark is part of every secret in these tests: text with the mark in it has leaked one.
const mark = "S3CR3T"

func TestInvariant09_NoTokenInAnythingThatIsPrinted(t *testing.T) {
	var out strings.Builder
	take := func(values ...any) {
		for _, v := range values {
			fmt.Fprintf(&out, "%v\n%+v\n%#v\n%s\n%q\n", v, v, v, v, v)
			if err, ok := v.(error); ok {
				fmt.Fprintln(&out, err.Error())
			}
			if data, err := json.Marshal(v); err == nil {
				out.Write(data)
			}
		}
	}
	fake := newLockingStore()
	scenario(t, func(f *fixture, c *tokensource.Config) {
		f.gw.edit = func(t *ags.Token) {
			t.AccessToken = ags.NewSecret(mark + t.AccessToken.Reveal())
			t.RefreshToken = ags.NewSecret(mark + t.RefreshToken.Reveal())
		}
		f.gw.SignOuts.FailAlways(errors.New("refused"))
		c.Store, c.Refresher, c.Token = fake, f.gw, f.gw.signOn()
		take(*c)
	}, func(t *testing.T, f *fixture) {
		look := func() {
			_, err := f.ask()
			take(err, f.src.Status())
		}
		look()
		f.gw.Refreshes.Fail(errBusy, errLost, errLost, errSuspended, nil, errUnauthorized)
		for range 8 {
			f.clock.Advance(access)
			look()
		}
		take(f.src.SetToken(t.Context(), f.gw.signOn()))
		look()
		fake.failSaves(errors.New("no space left on device"))
		take(f.src.SetToken(t.Context(), f.gw.signOn()))
		look()
		fake.failSaves(nil)
		fake.replace(`{"version":1,"generation":9,"access_token":"` + mark)
		take(f.src.Sync(t.Context()))
		fake.replace(`{"version":9,"access_token":"` + mark + `"}`)
		take(f.src.Sync(t.Context()))
		f.clock.Advance(access)
		look()
		take(f.src.SignOut(t.Context()))
		look()
		_, err := f.src.TokenContext(t.Context())
		take(err)
		for _, e := range f.events.all() {
			take(e)
		}
		out.WriteString(f.logs.String())
		require.Greater(t, len(f.events.all()), 8)
	})
	assert.Greater(t, out.Len(), 10_000)
	assert.NotContains(t, out.String(), mark)
}

func TestInvariant09_NoRefreshTokenIsHandedOut(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		for range 3 {
			tok, err := f.src.TokenContext(t.Context())
			require.NoError(t, err)
			assert.Empty(t, tok.RefreshToken)
			assert.NotContains(t, fmt.Sprintf("%#v", tok), "r1")
			f.clock.Advance(time.Minute)
		}
	})
}

// fakeT is a testing.T that keeps the output of a failure.
type fakeT struct{ output string }

func (s *fakeT) Errorf(format string, args ...any) { s.output += fmt.Sprintf(format, args...) }

// opaqueStore is a store whose record cannot be reached by reflection.
type opaqueStore struct{ inner func() *lockingStore }

func (s opaqueStore) Load(ctx context.Context) ([]byte, error) { return s.inner().Load(ctx) }

func (s opaqueStore) Save(ctx context.Context, record []byte) error {
	return s.inner().Save(ctx, record)
}

func (s opaqueStore) Delete(ctx context.Context) error               { return s.inner().Delete(ctx) }
func (s opaqueStore) Lock(ctx context.Context) (func() error, error) { return s.inner().Lock(ctx) }

func newOpaqueStore() opaqueStore {
	fake := newLockingStore()
	return opaqueStore{func() *lockingStore { return fake }}
}

// testify prints differences by reflection, and follows pointers.
func TestInvariant09_NoTokenInWhatPrintsByReflection(t *testing.T) {
	synctest.Test(t, checkPrintedByReflection)
}

func checkPrintedByReflection(t *testing.T) {
	t.Helper()
	now := time.Now()
	token := func() *ags.Token {
		return &ags.Token{
			AccessToken: ags.NewSecret(mark + "a"), RefreshToken: ags.NewSecret(mark + "r"), IssuedAt: now, ExpiresAt: now.Add(time.Hour),
		}
	}
	var sources []*tokensource.Source
	gw := newGateway(nil)
	gw.SignOuts.FailAlways(errBusy)
	for range 2 {
		src, err := tokensource.New(tokensource.Config{Refresher: gw, Token: token(), Store: newOpaqueStore()})
		require.NoError(t, err)
		defer func() { require.NoError(t, src.Close()) }()
		_, err = src.TokenContext(t.Context())
		require.NoError(t, err)
		sources = append(sources, src)
	}
	require.Error(t, sources[1].SignOut(t.Context()), "the pending sign-out is kept in memory")
	require.NoError(t, sources[1].SetToken(t.Context(), token()))
	synctest.Wait() // no goroutine writes during the reflection
	for name, pair := range map[string][2]any{
		"Source": {sources[0], sources[1]},
		"Config": {tokensource.Config{Token: token()}, tokensource.Config{Token: token(), LockTimeout: 1}},
	} {
		out := &fakeT{}
		require.False(t, assert.Equal(out, pair[0], pair[1]), name)
		require.NotEmpty(t, out.output)
		assert.NotContains(t, out.output, mark, name)
	}
}
