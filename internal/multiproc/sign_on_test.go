package multiproc_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/internal/multiproc"
	"github.com/agsauth/agsauth/tokensource"
)

// The gateway reads a sign-on and never answers. This delays the process, and its
// peers, by the timeout of an attempt at most: a peer signs on, and the first process
// loads the stored session.
func TestFile_UnansweredSignOnDelaysNoPeerForever(t *testing.T) {
	t.Parallel()
	srv, path := multiproc.NewServer(t, agstest.Config{}), recordPath(t)
	srv.AlwaysFunc(agstest.SignOn, func(rq agstest.Request) agstest.Fault {
		if rq.Header.Get(multiproc.NameHeader) == "unanswered" {
			return agstest.Fault{Delay: time.Hour}
		}
		return agstest.Fault{}
	})
	spec := multiproc.Spec{Name: "unanswered", Gateway: srv.URL, Store: path, Login: true, GatewayTimeout: time.Second}
	one := multiproc.Start(t, spec)
	first := one.Asking(t)
	require.NoError(t, srv.Wait(t.Context(), agstest.SignOn, 1))

	spec.Name, spec.GatewayTimeout = "answered", 0
	two := multiproc.Start(t, spec)
	a := two.Ask(t)
	require.True(t, a.OK(), "%+v", a)
	a = first()
	assert.NotEmpty(t, a.Failure, "its attempt has timed out: %+v", a)

	one.Traffic(t, 1)
	one.Await(t, tokensource.EventAdopted)
	one.Tally(t) // the first calls may fail
	a = one.Ask(t)
	assert.True(t, a.OK(), "%+v", a)
	one.Close(t)
	two.Close(t)
	assert.Equal(t, 2, srv.Count(agstest.SignOn))
	stats := srv.Stats()
	assert.Equal(t, 1, stats.Sessions)
	assert.Zero(t, stats.Reuses)
}
