package endtoend_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http/httptrace"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
)

// A caller who leaves is answered at once, and takes nobody's refresh along.
func TestEndToEnd_WaiterLeaves(t *testing.T) {
	errBored := errors.New("bored")
	bubble(t, plan{}, func(t *testing.T, h *house) {
		sleep(90 * time.Minute)
		release := h.srv.Hold(agstest.Refresh)
		ctx, leave := context.WithCancelCause(t.Context())
		first, second := make(chan reply, 1), make(chan reply, 1)
		go func() { first <- h.get(ctx) }()
		sleep(time.Second)
		go func() { second <- h.get(t.Context()) }()
		sleep(time.Second)
		begin := time.Now()
		leave(errBored)
		r := <-first
		require.ErrorIs(t, r.err, errBored)
		assert.Zero(t, time.Since(begin))

		limited, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		require.ErrorIs(t, h.get(limited).err, context.DeadlineExceeded)
		assert.Equal(t, 2*time.Second, time.Since(begin))

		h.wantCount(agstest.API, 0)
		release()
		r = <-second
		require.NoError(t, r.failed())
		assert.Equal(t, 2, r.echo.Generation)
		h.wantCount(agstest.Refresh, 1)
		h.wantCount(agstest.API, 1)
		h.wantSound()
	})
}

// While there is a live token a context that is over does not matter to the
// source, and a refresh that it started behind it goes on.
func TestEndToEnd_StarterLeaves(t *testing.T) {
	bubble(t, plan{}, func(t *testing.T, h *house) {
		sleep(56 * time.Minute)
		h.srv.Always(agstest.Refresh, agstest.Fault{Delay: 5 * time.Second})
		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, h.get(ctx).failed())
		cancel()
		sleep(6 * time.Second)
		h.served(2)
		h.wantCount(agstest.Refresh, 1)
	})
}

// The client's own limit on a request holds while it waits for a token.
func TestEndToEnd_ClientTimeout(t *testing.T) {
	bubble(t, plan{}, func(t *testing.T, h *house) {
		sleep(90 * time.Minute)
		release := h.srv.Hold(agstest.Refresh)
		h.client.Timeout = 2 * time.Second
		begin := time.Now()
		err := h.get(t.Context()).err
		var timeout net.Error
		require.ErrorAs(t, err, &timeout)
		assert.True(t, timeout.Timeout())
		assert.Equal(t, 2*time.Second, time.Since(begin))
		release()
		sleep(0)
		h.served(2)
		h.wantCount(agstest.Refresh, 1)
		h.wantCount(agstest.API, 1)
	})
}

// A refresh takes along what the caller's context says of the flow that it belongs
// to, but shows the refresh token to none of its hooks.
func TestEndToEnd_RefreshOnBehalfOfACaller(t *testing.T) {
	bubble(t, plan{}, func(t *testing.T, h *house) {
		sleep(90 * time.Minute)
		var seen []string
		ctx := ags.WithCorrelationID(t.Context(), "flow-1")
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			WroteHeaderField: func(name string, value []string) { seen = append(seen, name+fmt.Sprint(value)) },
		})
		require.NoError(t, h.get(ctx).failed())
		h.wantCount(agstest.Refresh, 1)
		rq := h.srv.Requests(agstest.Refresh)[0]
		assert.Equal(t, "flow-1", rq.Header.Get("X-Correlation-Id"))
		assert.True(t, rq.Carries(h.token.RefreshToken.Reveal()))
		assert.NotEmpty(t, seen, "the caller's own request")
		assert.False(t, slices.ContainsFunc(seen, func(s string) bool {
			return s == "Authorization[Bearer "+h.token.RefreshToken.Reveal()+"]"
		}))
	})
}
