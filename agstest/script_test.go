package agstest_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
)

// refreshStatuses sends n refreshes with an invalid token, one after the other,
// and returns the statuses. 403 means that there was no fault.
func refreshStatuses(t *testing.T, srv *agstest.Server, n int) []int {
	t.Helper()
	var got []int
	for range n {
		r := refresh(t, srv, "invalid")
		require.NoError(t, r.err)
		got = append(got, r.status)
	}
	return got
}

func TestScript_OneFaultPerRequest(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	srv.Script(agstest.Refresh, agstest.Fault{Status: 500}, agstest.Fault{}, agstest.Fault{Status: 502, Times: 2})
	srv.Script(agstest.Refresh, agstest.Fault{Status: 503})
	assert.Equal(t, 5, srv.Pending(agstest.Refresh))
	assert.Zero(t, srv.Pending(agstest.SignOn))
	assert.Equal(t, []int{500, 403, 502}, refreshStatuses(t, srv, 3))
	assert.Equal(t, 2, srv.Pending(agstest.Refresh))
	assert.Equal(t, []int{502, 503, 403}, refreshStatuses(t, srv, 3))
	assert.Zero(t, srv.Pending(agstest.Refresh))
	assert.Equal(t, 6, srv.Count(agstest.Refresh))
}

func TestScript_If(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	srv.Script(agstest.SignOn,
		agstest.Fault{Status: 500, If: func(rq agstest.Request) bool { return rq.Serial >= 3 }},
		agstest.Fault{Status: 501, If: func(rq agstest.Request) bool { return strings.Contains(string(rq.Body()), "PUB_") }})
	tok := signOn(t, srv)
	assert.Equal(t, 501, signOnAgain(t, srv, tok.ClientID).status)
	assert.Equal(t, 500, post(t, srv, "/ags/signOn", newDeviceSignOn).status)
	signOn(t, srv)
	assert.Equal(t, 4, srv.Count(agstest.SignOn))
}

func TestScript_IfMayCallTheServer(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	srv.Script(agstest.Refresh, agstest.Fault{Status: 500, If: func(agstest.Request) bool {
		return srv.Count(agstest.Refresh) == 2 && srv.Pending(agstest.Refresh) == 1
	}})
	assert.Equal(t, []int{403, 500}, refreshStatuses(t, srv, 2))
	assert.Equal(t, 2, srv.Count(agstest.Refresh))
}

func TestScript_ConcurrentRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := startInMemory(t, agstest.Config{})
		const n = 20
		srv.Script(agstest.Refresh, agstest.Fault{Status: 500, Times: 5})
		release := srv.Hold(agstest.Refresh)
		var mu sync.Mutex
		got := map[int]int{}
		var callers sync.WaitGroup
		for range n {
			callers.Go(func() {
				r := refresh(t, srv, "invalid")
				mu.Lock()
				defer mu.Unlock()
				got[r.status]++
			})
		}
		synctest.Wait()
		assert.Equal(t, n, srv.InFlight(agstest.Refresh))
		release()
		callers.Wait()
		assert.Equal(t, map[int]int{500: 5, 403: n - 5}, got)
		assert.Equal(t, n, srv.Count(agstest.Refresh))
		assert.Equal(t, n, srv.MaxInFlight(agstest.Refresh))
		assert.Zero(t, srv.InFlight(agstest.Refresh))
	})
}

func TestAlways_UntilCleared(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	srv.Always(agstest.Refresh, agstest.Fault{Status: 500})
	srv.Always(agstest.Refresh, agstest.Fault{Status: 503, Times: 1})
	srv.Script(agstest.Refresh, agstest.Fault{Status: 429})
	assert.Equal(t, []int{429, 503, 503, 503}, refreshStatuses(t, srv, 4))
	srv.Clear(agstest.SignOn)
	assert.Equal(t, []int{503}, refreshStatuses(t, srv, 1))
	srv.Script(agstest.Refresh, agstest.Fault{Status: 429})
	srv.Clear(agstest.Refresh)
	assert.Equal(t, []int{403}, refreshStatuses(t, srv, 1))

	srv.Always(agstest.Refresh, agstest.Fault{Status: 500})
	srv.Always(agstest.SignOn, agstest.Fault{Status: 500})
	srv.Clear()
	assert.Equal(t, []int{403}, refreshStatuses(t, srv, 1))
	signOn(t, srv)
	assert.Equal(t, 7, srv.Count(agstest.Refresh))
	assert.Equal(t, 1, srv.Count(agstest.SignOn))
}

func TestAlways_If(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	srv.Always(agstest.Refresh, agstest.Fault{Status: 500, If: func(rq agstest.Request) bool { return rq.Serial%2 == 0 }})
	assert.Equal(t, []int{403, 500, 403, 500}, refreshStatuses(t, srv, 4))
	assert.Equal(t, 4, srv.Count(agstest.Refresh))
}

func TestAlwaysFunc(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	srv.AlwaysFunc(agstest.Refresh, func(rq agstest.Request) agstest.Fault {
		if rq.Serial == srv.Count(agstest.Refresh) && rq.Serial < 3 {
			return agstest.Fault{Status: 500 + rq.Serial}
		}
		return agstest.Fault{}
	})
	assert.Equal(t, []int{501, 502, 403}, refreshStatuses(t, srv, 3))
	assert.Equal(t, 3, srv.Count(agstest.Refresh))
}

func TestHold_StopsRequestsUntilReleased(t *testing.T) {
	srv, _ := startServer(t, agstest.Config{})
	tok := signOn(t, srv)
	release := srv.Hold(agstest.Refresh)
	done := make(chan reply, 1)
	go func() { done <- refresh(t, srv, tok.Refresh) }()
	require.NoError(t, srv.Wait(t.Context(), agstest.Refresh, 1))
	assert.Zero(t, srv.Stats().Refreshes)
	assert.Equal(t, 1, srv.InFlight(agstest.Refresh))
	assert.True(t, accepted(t, srv, tok.Access), "other calls are not held")

	srv.Script(agstest.Refresh, agstest.Fault{Status: 503})
	release()
	release()
	assert.Equal(t, 503, (<-done).status, "the fault is chosen after the release")
	refresh(t, srv, tok.Refresh).tokens(t, http.StatusOK)
	assert.Equal(t, 2, srv.Count(agstest.Refresh))
	assert.Equal(t, 1, srv.MaxInFlight(agstest.Refresh))
}

func TestHold_SeveralHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := startInMemory(t, agstest.Config{})
		one, two := srv.Hold(agstest.Refresh), srv.Hold(agstest.Refresh)
		done := make(chan reply, 1)
		go func() { done <- refresh(t, srv, "invalid") }()
		synctest.Wait()
		two()
		synctest.Wait()
		assert.Equal(t, 1, srv.InFlight(agstest.Refresh))
		one()
		assert.Equal(t, http.StatusForbidden, (<-done).status)
		assert.Equal(t, 1, srv.Count(agstest.Refresh))
	})
}

func TestHold_EndsWhenTheClientGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := startInMemory(t, agstest.Config{})
		tok := signOn(t, srv)
		release := srv.Hold(agstest.Refresh)
		defer release()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r := send(ctx, srv, http.MethodPost, "/ags/refresh", usernameOnly, "Authorization", tok.Refresh)
		require.ErrorIs(t, r.err, context.DeadlineExceeded)
		synctest.Wait()
		assert.Zero(t, srv.InFlight(agstest.Refresh))
		assertOneRefresh(t, srv, false)
	})
}
