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

// Every secret of these stories has the mark in it: what comes out with the mark
// has leaked.
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
	shelf := newLockedShelf()
	story(t, func(r *rig, c *tokensource.Config) {
		r.gw.edit = func(t *ags.Token) {
			t.AccessToken = ags.NewSecret(mark + t.AccessToken.Reveal())
			t.RefreshToken = ags.NewSecret(mark + t.RefreshToken.Reveal())
		}
		r.gw.SignOuts.FailAlways(errors.New("refused"))
		c.Store, c.Refresher, c.Token = shelf, r.gw, r.gw.signOn()
		take(*c)
	}, func(t *testing.T, r *rig) {
		look := func() {
			_, err := r.ask()
			take(err, r.src.Status())
		}
		look()
		r.gw.Refreshes.Fail(errBusy, errLost, errLost, errSuspended, nil, errUnauthorized)
		for range 8 {
			r.clock.Advance(access)
			look()
		}
		take(r.src.SetToken(t.Context(), r.gw.signOn()))
		look()
		shelf.fail(errors.New("no space left on device"))
		take(r.src.SetToken(t.Context(), r.gw.signOn()))
		look()
		shelf.fail(nil)
		shelf.put(`{"version":1,"generation":9,"access_token":"` + mark)
		take(r.src.Sync(t.Context()))
		shelf.put(`{"version":9,"access_token":"` + mark + `"}`)
		take(r.src.Sync(t.Context()))
		r.clock.Advance(access)
		look()
		take(r.src.SignOut(t.Context()))
		look()
		_, err := r.src.TokenContext(t.Context())
		take(err)
		for _, e := range r.events.all() {
			take(e)
		}
		out.WriteString(r.logs.String())
		require.Greater(t, len(r.events.all()), 8)
	})
	assert.Greater(t, out.Len(), 10_000)
	assert.NotContains(t, out.String(), mark)
}

func TestInvariant09_NoRefreshTokenIsHandedOut(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		for range 3 {
			tok, err := r.src.TokenContext(t.Context())
			require.NoError(t, err)
			assert.Empty(t, tok.RefreshToken)
			assert.NotContains(t, fmt.Sprintf("%#v", tok), "r1")
			r.clock.Advance(time.Minute)
		}
	})
}

// sayer is a testing.T that keeps what is said of a failure.
type sayer struct{ said string }

func (s *sayer) Errorf(format string, args ...any) { s.said += fmt.Sprintf(format, args...) }

// behindFunc is a store that keeps what it has from what prints by reflection.
type behindFunc struct{ shelf func() *lockedShelf }

func (s behindFunc) Load(ctx context.Context) ([]byte, error) { return s.shelf().Load(ctx) }

func (s behindFunc) Save(ctx context.Context, record []byte) error {
	return s.shelf().Save(ctx, record)
}
func (s behindFunc) Delete(ctx context.Context) error               { return s.shelf().Delete(ctx) }
func (s behindFunc) Lock(ctx context.Context) (func() error, error) { return s.shelf().Lock(ctx) }

func hiddenShelf() behindFunc {
	shelf := newLockedShelf()
	return behindFunc{func() *lockedShelf { return shelf }}
}

// testify prints what differs by reflection, and follows pointers to wherever they lead.
func TestInvariant09_NoTokenInWhatPrintsByReflection(t *testing.T) {
	synctest.Test(t, printByReflection)
}

func printByReflection(t *testing.T) {
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
		src, err := tokensource.New(tokensource.Config{Refresher: gw, Token: token(), Store: hiddenShelf()})
		require.NoError(t, err)
		defer func() { require.NoError(t, src.Close()) }()
		_, err = src.TokenContext(t.Context())
		require.NoError(t, err)
		sources = append(sources, src)
	}
	require.Error(t, sources[1].SignOut(t.Context()), "what is to be signed out is kept")
	require.NoError(t, sources[1].SetToken(t.Context(), token()))
	synctest.Wait() // nothing writes what is read by reflection
	for name, pair := range map[string][2]any{
		"Source": {sources[0], sources[1]},
		"Config": {tokensource.Config{Token: token()}, tokensource.Config{Token: token(), LockTimeout: 1}},
	} {
		said := &sayer{}
		require.False(t, assert.Equal(said, pair[0], pair[1]), name)
		require.NotEmpty(t, said.said)
		assert.NotContains(t, said.said, mark, name)
	}
}
