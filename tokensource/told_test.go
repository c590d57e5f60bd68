package tokensource_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

// What a Login, the log, and a caller who leaves are told of an end.

func TestLogin_IsMadeWithinTheMarginBeforeTheEndOfATokenThatCannotBeRefreshed(t *testing.T) {
	atTheDesk(t, func(_ *rig, c *tokensource.Config) {
		c.Token.RefreshToken = ags.Secret{}
	}, func(t *testing.T, r *rig, d *desk) {
		r.clock.Advance(access - 5*time.Minute)
		r.want("a1")
		r.want("a2")
		require.Equal(t, 1, d.count())
		assert.Equal(t, tokensource.RefreshExpired, d.asked[0].Reason)
		assert.Equal(t, start.Add(access), d.asked[0].At)
		assert.Equal(t, "PUB_989", d.asked[0].ClientID)
		assert.Zero(t, r.gw.count())
	})
}

func TestLogin_ADeletedDeviceStaysForgottenThoughTheNextSignOnFails(t *testing.T) {
	atTheDesk(t, nil, func(t *testing.T, r *rig, d *desk) {
		d.script = []error{errDeviceDeleted, errBusy}
		r.clock.Advance(sliding)
		assert.Empty(t, r.wantEnded(tokensource.RefreshExpired).ClientID)
		r.clock.Advance(10 * time.Second)
		r.want("a2")
		require.Equal(t, 3, d.count())
		assert.Empty(t, d.asked[2].ClientID)
	})
}

func TestEvents_HowAnEndIsLogged(t *testing.T) {
	ended := func(log, level string) int {
		return lines(log, "level="+level+` msg="agsauth session" event="session ended"`)
	}
	t.Run("a program with a Login begins without a session", func(t *testing.T) {
		atTheDesk(t, func(_ *rig, c *tokensource.Config) { c.Token = nil }, func(t *testing.T, r *rig, d *desk) {
			d.script = []error{errBusy}
			r.wantEnded(tokensource.NoSession)
			assert.Equal(t, 1, ended(r.logs.String(), "INFO"), "which is nothing to be warned of")
			assert.Equal(t, 1, lines(r.logs.String(), `level=WARN msg="agsauth session" event="login failed"`), "but this is")
			assert.Contains(t, r.logs.String(), `reason="no session"`)
		})
	})
	t.Run("one without needs a human", func(t *testing.T) {
		story(t, func(_ *rig, c *tokensource.Config) { c.Token = nil }, func(t *testing.T, r *rig) {
			r.wantEnded(tokensource.NoSession)
			assert.Equal(t, 1, ended(r.logs.String(), "WARN"))
		})
	})
	t.Run("a session that was there has ended", func(t *testing.T) {
		atTheDesk(t, nil, func(t *testing.T, r *rig, _ *desk) {
			r.clock.Advance(sliding)
			r.want("a2")
			assert.Equal(t, 1, ended(r.logs.String(), "WARN"))
			assert.Equal(t, 1, lines(r.logs.String(), "reason="), "what is no end has no reason")
			assert.Contains(t, r.logs.String(), `reason="refresh token expired"`)
		})
	})
}

func TestClose_AnswersWhoWaitsForAnEndToBeTold(t *testing.T) {
	block := make(chan struct{})
	story(t, func(_ *rig, c *tokensource.Config) {
		block = make(chan struct{})
		c.Token, c.OnEvent = nil, func(tokensource.Event) { <-block }
	}, func(t *testing.T, r *rig) {
		asked := make(chan error, 1)
		go func() { _, err := r.src.TokenContext(t.Context()); asked <- err }()
		synctest.Wait()
		require.Empty(t, asked, "who is the first to learn of it finds it told")
		closing := make(chan error, 1)
		go func() { closing <- r.src.Close() }()
		synctest.Wait()
		require.Len(t, asked, 1)
		require.ErrorIs(t, <-asked, tokensource.ErrLoginRequired)
		close(block)
		require.NoError(t, <-closing)
	})
}
