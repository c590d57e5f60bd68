package tokensource_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/agsauth/agsauth/tokensource"
)

func TestStatus_FollowsTheSession(t *testing.T) {
	story(t, nil, func(t *testing.T, r *rig) {
		assert.Equal(t, tokensource.Status{
			Phase: tokensource.Fresh, ClientID: "PUB_989", AccountID: "1663",
			IssuedAt: start, ExpiresAt: start.Add(access), RefreshExpiresAt: start.Add(sliding),
			FixedExpiresAt: start.Add(fixed), RefreshAt: start.Add(55 * time.Minute),
		}, r.src.Status())
		r.gw.Refreshes.Hold()
		r.clock.Advance(55 * time.Minute)
		r.want("a1")
		assert.Equal(t, tokensource.Ageing, r.src.Status().Phase)
		assert.True(t, r.src.Status().Busy)
		r.clock.Advance(5 * time.Minute)
		assert.Equal(t, tokensource.Expired, r.src.Status().Phase)
		r.gw.Refreshes.Release()
		synctest.Wait()
		r.clock.Advance(sliding)
		ended := r.src.LoginRequired()
		assert.Equal(t, tokensource.Ended, r.src.Status().Phase)
		assert.Equal(t, tokensource.RefreshExpired, r.src.Status().Reason)
		assert.True(t, closed(ended), "Status notices an end")
		synctest.Wait()
		assert.Equal(t, 1, r.events.count(tokensource.EventEnded))
		assert.Equal(t, 1, r.gw.Refreshes.Count(), "and calls nobody")
	})
}
