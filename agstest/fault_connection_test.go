package agstest_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
)

func TestFault_LostBeforeWork(t *testing.T) {
	onEachListener(t, func(t *testing.T, srv *agstest.Server) {
		tok := signOn(t, srv)
		srv.Script(agstest.Refresh, agstest.Fault{Kind: agstest.Lost})
		require.ErrorIs(t, refresh(t, srv, tok.Refresh).err, io.EOF)
		assertOneRefresh(t, srv, false)
		assert.Zero(t, srv.Requests(agstest.Refresh)[0].Status)
		refresh(t, srv, tok.Refresh).tokens(t, http.StatusOK)
	})
}

func TestFault_LostAfterWork(t *testing.T) {
	onEachListener(t, func(t *testing.T, srv *agstest.Server) {
		tok := signOn(t, srv)
		srv.Script(agstest.Refresh, agstest.Fault{Kind: agstest.Lost, AfterWork: true})
		require.ErrorIs(t, refresh(t, srv, tok.Refresh).err, io.EOF)
		assertOneRefresh(t, srv, true)
		assertRefused(t, 401, 0, refresh(t, srv, tok.Refresh), "the refresh token is used")
		assert.Equal(t, 1, srv.Stats().Reuses)
	})
}

func TestFault_Cut(t *testing.T) {
	for _, kind := range []agstest.Kind{agstest.Cut, agstest.CutChunked} {
		t.Run(string(kind), func(t *testing.T) {
			onEachListener(t, func(t *testing.T, srv *agstest.Server) {
				tok := signOn(t, srv)
				srv.Script(agstest.Refresh, agstest.Fault{Kind: kind})
				r := refresh(t, srv, tok.Refresh)
				require.ErrorIs(t, r.err, io.ErrUnexpectedEOF)
				assert.Equal(t, http.StatusOK, r.status)
				assert.NotEmpty(t, r.body)
				assert.False(t, json.Valid(r.body))
				assert.Equal(t, kind == agstest.Cut, r.header.Get("Content-Length") != "")
				assertOneRefresh(t, srv, true)
			})
		})
	}
}

func TestFault_CutWithStatus(t *testing.T) {
	onEachListener(t, func(t *testing.T, srv *agstest.Server) {
		srv.Script(agstest.Refresh, agstest.Fault{Kind: agstest.Cut, Status: 401})
		r := refresh(t, srv, signOn(t, srv).Refresh)
		require.ErrorIs(t, r.err, io.ErrUnexpectedEOF)
		assert.Equal(t, http.StatusUnauthorized, r.status)
		assertOneRefresh(t, srv, false)
	})
}

func TestFault_Drip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := startInMemory(t, agstest.Config{})
		tok := signOn(t, srv)
		srv.Script(agstest.Refresh, agstest.Fault{Kind: agstest.Drip, Pause: time.Minute})
		begin := time.Now()
		refresh(t, srv, tok.Refresh).tokens(t, http.StatusOK)
		assert.Equal(t, 7*time.Minute, time.Since(begin))
		assertOneRefresh(t, srv, true)
	})
}

func TestFault_DripEndsWhenTheClientGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := startInMemory(t, agstest.Config{})
		tok := signOn(t, srv)
		srv.Script(agstest.Refresh, agstest.Fault{Kind: agstest.Drip, Pause: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r := send(ctx, srv, http.MethodPost, "/ags/refresh", usernameOnly, "Authorization", tok.Refresh)
		require.ErrorIs(t, r.err, context.DeadlineExceeded)
		assert.NotEmpty(t, r.body)
		assertOneRefresh(t, srv, true)
	})
}

func TestFault_DelayUsesTheServersClock(t *testing.T) {
	srv, fake := startServer(t, agstest.Config{})
	tok := signOn(t, srv)
	srv.Script(agstest.Refresh, agstest.Fault{Delay: time.Minute})
	done := make(chan reply, 1)
	go func() { done <- refresh(t, srv, tok.Refresh) }()
	require.NoError(t, fake.BlockUntil(t.Context(), 1))
	assert.Equal(t, 1, srv.InFlight(agstest.Refresh))
	assert.Zero(t, srv.Stats().Refreshes, "the server does not refresh before the delay ends")
	fake.Advance(time.Minute)
	(<-done).tokens(t, http.StatusOK)
	assert.Equal(t, "delay", srv.Requests(agstest.Refresh)[0].Fault)
	assertOneRefresh(t, srv, true)
}

func TestFault_DelayAfterWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := startInMemory(t, agstest.Config{})
		tok := signOn(t, srv)
		srv.Script(agstest.Refresh, agstest.Fault{Delay: time.Hour, AfterWork: true})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r := send(ctx, srv, http.MethodPost, "/ags/refresh", usernameOnly, "Authorization", tok.Refresh)
		require.ErrorIs(t, r.err, context.DeadlineExceeded)
		assertOneRefresh(t, srv, true)
		synctest.Wait()
		assert.Zero(t, srv.InFlight(agstest.Refresh), "the delay ends when the client gives up")
		assert.Zero(t, srv.Requests(agstest.Refresh)[0].Status)
	})
}

func TestFault_DelayWithStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := startInMemory(t, agstest.Config{})
		srv.Script(agstest.Refresh, agstest.Fault{Delay: time.Minute, Status: 504})
		begin := time.Now()
		assert.Equal(t, 504, refresh(t, srv, "any").status)
		assert.Equal(t, time.Minute, time.Since(begin))
		assert.Equal(t, 1, srv.Count(agstest.Refresh))
	})
}

// The package documentation warns of this.
func TestFault_NetHTTPRetriesALostGET(t *testing.T) {
	onEachListener(t, func(t *testing.T, srv *agstest.Server) {
		tok := signOn(t, srv) // leaves a connection for reuse
		srv.Script(agstest.API, agstest.Fault{Kind: agstest.Lost})
		r := send(t.Context(), srv, http.MethodGet, "/api/x", "", "Authorization", "Bearer "+tok.Access)
		require.NoError(t, r.err)
		assert.Equal(t, 2, srv.Count(agstest.API))
	})
}
