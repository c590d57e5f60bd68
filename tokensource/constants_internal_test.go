package tokensource

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/agsauth/agsauth/tokensource/internal/lifecycle"
)

func TestConstants_AreThoseOfTheLifecycle(t *testing.T) {
	assert.Equal(t, []Phase{Unknown, Fresh, Ageing, Expired, Ended}, []Phase{
		Phase(lifecycle.Unknown), Phase(lifecycle.Fresh), Phase(lifecycle.Ageing), Phase(lifecycle.Expired), Phase(lifecycle.Ended),
	})
	assert.Equal(t, []Reason{0, NoSession, RefreshExpired, FixedExpired, RefreshRejected, SignedOut}, []Reason{
		Reason(lifecycle.NotEnded), Reason(lifecycle.NoSession), Reason(lifecycle.RefreshExpired),
		Reason(lifecycle.FixedExpired), Reason(lifecycle.RefreshRejected), Reason(lifecycle.SignedOut),
	})
	for kind, same := range map[Kind]lifecycle.Kind{
		EventRefreshed: lifecycle.EventRefreshed, EventRefreshFailed: lifecycle.EventRefreshFailed, EventAdopted: lifecycle.EventAdopted,
		EventTokenSet: lifecycle.EventTokenSet, EventLoggedIn: lifecycle.EventLoggedIn, EventLoginFailed: lifecycle.EventLoginFailed,
		EventEnding: lifecycle.EventEnding, EventEnded: lifecycle.EventEnded, EventStoreFailed: lifecycle.EventStoreFailed, EventSaved: lifecycle.EventSaved,
	} {
		assert.Equal(t, kind, Kind(same), kind.String())
	}
}
