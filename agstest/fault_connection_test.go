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

func TestFault_LostBeforeTheWork(t *testing.T) {
	for name, cfg := range modes() {
		t.Run(name, func(t *testing.T) {
			srv, _ := startServer(t, cfg)
			tok := signOn(t, srv)
			srv.Script(agstest.Refresh, agstest.Fault{Kind: agstest.Lost})
			require.ErrorIs(t, refresh(t, srv, tok.Refresh).err, io.EOF)
			assertWork(t, srv, false)
			assert.Zero(t, srv.Requests(agstest.Refresh)[0].Status)
			refresh(t, srv, tok.Refresh).tokens(t, http.StatusOK)
		})
	}
}

func TestFault_LostAfterTheWork(t *testing.T) {
	for name, cfg := range modes() {
		t.Run(name, func(t *testing.T) {
			srv, _ := startServer(t, cfg)
			tok := signOn(t, srv)
			srv.Script(agstest.Refresh, agstest.Fault{Kind: agstest.Lost, AfterWork: true})
			require.ErrorIs(t, refresh(t, srv, tok.Refresh).err, io.EOF)
			assertWork(t, srv, true)
			assert.Equal(t, [2]int{401, 0}, refresh(t, srv, tok.Refresh).refusal(t), "its token is spent")
			assert.Equal(t, 1, srv.Stats().Reuses)
		})
	}
}

func TestFault_CutShort(t *testing.T) {
	for _, kind := range []agstest.Kind{agstest.Cut, agstest.CutChunked} {
		t.Run(string(kind), func(t *testing.T) {
			for name, cfg := range modes() {
				t.Run(name, func(t *testing.T) {
					srv, _ := startServer(t, cfg)
					tok := signOn(t, srv)
					srv.Script(agstest.Refresh, agstest.Fault{Kind: kind})
					r := refresh(t, srv, tok.Refresh)
					require.ErrorIs(t, r.err, io.ErrUnexpectedEOF)
					assert.Equal(t, http.StatusOK, r.status)
					assert.NotEmpty(t, r.body)
					assert.False(t, json.Valid(r.body))
					assert.Equal(t, kind == agstest.Cut, r.header.Get("Content-Length") != "")
					assertWork(t, srv, true)
				})
			}
		})
	}
}

func TestFault_CutOfAnAnswerOfItsOwn(t *testing.T) {
	for name, cfg := range modes() {
		t.Run(name, func(t *testing.T) {
			srv, _ := startServer(t, cfg)
			srv.Script(agstest.Refresh, agstest.Fault{Kind: agstest.Cut, Status: 401})
			r := refresh(t, srv, signOn(t, srv).Refresh)
			require.ErrorIs(t, r.err, io.ErrUnexpectedEOF)
			assert.Equal(t, http.StatusUnauthorized, r.status)
			assertWork(t, srv, false)
		})
	}
}

func TestFault_DripComesInPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := startInMemory(t, agstest.Config{})
		tok := signOn(t, srv)
		srv.Script(agstest.Refresh, agstest.Fault{Kind: agstest.Drip, Pause: time.Minute})
		begin := time.Now()
		refresh(t, srv, tok.Refresh).tokens(t, http.StatusOK)
		assert.Equal(t, 7*time.Minute, time.Since(begin))
		assertWork(t, srv, true)
	})
}

func TestFault_DripEndsWithItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := startInMemory(t, agstest.Config{})
		tok := signOn(t, srv)
		srv.Script(agstest.Refresh, agstest.Fault{Kind: agstest.Drip, Pause: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r := send(ctx, srv, http.MethodPost, "/ags/refresh", seedParameters, "Authorization", tok.Refresh)
		require.ErrorIs(t, r.err, context.DeadlineExceeded)
		assert.NotEmpty(t, r.body)
		assertWork(t, srv, true)
	})
}

func TestFault_DelayIsByTheServersClock(t *testing.T) {
	srv, fake := startServer(t, agstest.Config{})
	tok := signOn(t, srv)
	srv.Script(agstest.Refresh, agstest.Fault{Delay: time.Minute})
	done := make(chan reply, 1)
	go func() { done <- refresh(t, srv, tok.Refresh) }()
	require.NoError(t, fake.BlockUntil(t.Context(), 1))
	assert.Equal(t, 1, srv.InFlight(agstest.Refresh))
	assert.Zero(t, srv.Stats().Refreshes, "the work comes after the delay")
	fake.Advance(time.Minute)
	(<-done).tokens(t, http.StatusOK)
	assert.Equal(t, "delay", srv.Requests(agstest.Refresh)[0].Fault)
	assertWork(t, srv, true)
}

func TestFault_DelayAfterTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := startInMemory(t, agstest.Config{})
		tok := signOn(t, srv)
		srv.Script(agstest.Refresh, agstest.Fault{Delay: time.Hour, AfterWork: true})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r := send(ctx, srv, http.MethodPost, "/ags/refresh", seedParameters, "Authorization", tok.Refresh)
		require.ErrorIs(t, r.err, context.DeadlineExceeded)
		assertWork(t, srv, true)
		synctest.Wait()
		assert.Zero(t, srv.InFlight(agstest.Refresh), "a client that has gone ends the delay")
		assert.Zero(t, srv.Requests(agstest.Refresh)[0].Status)
	})
}

func TestFault_DelayBeforeARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := startInMemory(t, agstest.Config{})
		srv.Script(agstest.Refresh, agstest.Fault{Delay: time.Minute, Status: 504})
		begin := time.Now()
		assert.Equal(t, 504, refresh(t, srv, "any").status)
		assert.Equal(t, time.Minute, time.Since(begin))
		assert.Equal(t, 1, srv.Count(agstest.Refresh))
	})
}

// What the package's documentation warns of.
func TestFault_ALostGETIsRepeatedByNetHTTP(t *testing.T) {
	for name, cfg := range modes() {
		t.Run(name, func(t *testing.T) {
			srv, _ := startServer(t, cfg)
			tok := signOn(t, srv) // leaves a connection that was used
			srv.Script(agstest.API, agstest.Fault{Kind: agstest.Lost})
			r := send(t.Context(), srv, http.MethodGet, "/api/x", "", "Authorization", "Bearer "+tok.Access)
			require.NoError(t, r.err)
			assert.Equal(t, 2, srv.Count(agstest.API))
		})
	}
}
