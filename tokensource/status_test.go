package tokensource_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/agsauth/agsauth/tokensource"
)

func TestStatus_FollowsTheSession(t *testing.T) {
	scenario(t, nil, func(t *testing.T, f *fixture) {
		assert.Equal(t, tokensource.Status{
			Phase: tokensource.Fresh, ClientID: "PUB_989", AccountID: "1663",
			IssuedAt: start, ExpiresAt: start.Add(access), RefreshExpiresAt: start.Add(sliding),
			FixedExpiresAt: start.Add(fixed), RefreshAt: start.Add(55 * time.Minute),
		}, f.src.Status())
		f.gw.Refreshes.Hold()
		f.clock.Advance(55 * time.Minute)
		f.want("a1")
		assert.Equal(t, tokensource.Ageing, f.src.Status().Phase)
		assert.True(t, f.src.Status().Busy)
		f.clock.Advance(5 * time.Minute)
		assert.Equal(t, tokensource.Expired, f.src.Status().Phase)
		f.gw.Refreshes.Release()
		synctest.Wait()
		f.clock.Advance(sliding)
		ended := f.src.LoginRequired()
		assert.Equal(t, tokensource.Ended, f.src.Status().Phase)
		assert.Equal(t, tokensource.RefreshExpired, f.src.Status().Reason)
		assert.True(t, closed(ended), "Status notices an end")
		synctest.Wait()
		assert.Equal(t, 1, f.events.count(tokensource.EventEnded))
		assert.Equal(t, 1, f.gw.Refreshes.Count(), "Status makes no call")
	})
}
