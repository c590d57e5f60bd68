package main_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	agsauth "github.com/agsauth/agsauth/cmd/agsauth"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/demo"
)

func narrate(m demo.Moment) string {
	var out strings.Builder
	agsauth.Narrate(&out, m)
	return out.String()
}

func TestNarrator_OneLineEach(t *testing.T) {
	for _, tt := range []struct {
		name   string
		moment demo.Moment
		want   string
	}{
		{
			"a refresh at the first call",
			demo.Moment{At: 61 * time.Second, Kind: demo.Refreshed, N: 12, Calls: 1, Took: 250 * time.Millisecond, Served: 80, Slowest: 1234 * time.Microsecond},
			"61.0s  refresh 12 took 250 ms; 80 requests meanwhile, slowest 1.2 ms\n",
		},
		{
			"a refresh at the fourth",
			demo.Moment{At: 4449 * time.Millisecond, Kind: demo.Refreshed, N: 3, Calls: 4, Took: 1250 * time.Millisecond, Served: 1, Slowest: 12 * time.Millisecond},
			" 4.4s  refresh 3  took 1.2 s, 4 calls; 1 request meanwhile, slowest 12 ms\n",
		},
		{
			"a refresh that everybody needs",
			demo.Moment{Kind: demo.Refreshed, N: 4, Calls: 1, Took: 100 * time.Millisecond},
			" 0.0s  refresh 4  took 100 ms; all workers waited for it\n",
		},
		{
			"a refusal",
			demo.Moment{Kind: demo.RefreshFailed, N: 3, Status: 503, In: 250 * time.Millisecond, Left: 1300 * time.Millisecond},
			" 0.0s  refresh 3  is refused (503); again in 250 ms, the token is good for 1.3 s\n",
		},
		{
			"a refresh without an answer, the token dead",
			demo.Moment{Kind: demo.RefreshFailed, N: 3, Err: errors.New("no\nway"), In: time.Second, Left: -time.Second},
			" 0.0s  refresh 3  is refused (no way); again in 1.0 s, the token is dead\n",
		},
		{
			"a slow refresh that nobody waits for",
			demo.Moment{Kind: demo.RefreshPending, N: 2, Left: 1600 * time.Millisecond},
			" 0.0s  refresh 2  is on its way; nobody waits: the token is good for 1.6 s\n",
		},
		{
			"a slow refresh that all wait for",
			demo.Moment{Kind: demo.RefreshPending, N: 2},
			" 0.0s  refresh 2  is on its way; all wait for it: the token in hand is no good\n",
		},
		{
			"a lost answer, the token dead",
			demo.Moment{Kind: demo.AnswerLost, N: 3},
			" 0.0s  refresh 3  lost an answer; again at once, the token is dead\n",
		},
		{
			"a login in time",
			demo.Moment{Kind: demo.LoggedIn, N: 2, In: 2 * time.Second, Served: 80, Slowest: time.Millisecond},
			" 0.0s  session 2  logs in 2.0 s ahead; 80 requests meanwhile, slowest 1.0 ms\n",
		},
		{
			"a login that is late",
			demo.Moment{Kind: demo.LoggedIn, N: 2, In: -time.Second, Served: 80, Failed: 80},
			" 0.0s  session 2  logs in after the end; 80 requests meanwhile, 80 failed\n",
		},
		{
			"a login that fails",
			demo.Moment{Kind: demo.LoginFailed, Status: 500},
			" 0.0s  login      FAILED: 500\n",
		},
		{
			"a session that is lost",
			demo.Moment{Kind: demo.SessionLost, N: 1},
			" 0.0s  session 1  has ENDED, and there is no other yet\n",
		},
		{
			"a refusal with no room to spare",
			demo.Moment{At: 14 * time.Second, Kind: demo.RefreshFailed, N: 12, Status: 503, In: 250 * time.Millisecond, Left: 750 * time.Millisecond},
			"14.0s  refresh 12 is refused (503); again in 250 ms, the token is good for 0.8 s\n",
		},
		{
			"a refresh that came too late",
			demo.Moment{Kind: demo.Refreshed, N: 3, Calls: 9, Took: 7 * time.Second, Served: 90, Failed: 40, Slowest: time.Second},
			" 0.0s  refresh 3  took 7.0 s, 9 calls; 90 requests meanwhile, 40 failed\n",
		},
		{
			"a want of a token",
			demo.Moment{Kind: demo.RequestFailedByHand, Err: errors.New("a long story")},
			" 0.0s  workers    have requests FAILED by your keys: no token is to be had\n",
		},
		{
			"a token that is rejected for good",
			demo.Moment{Kind: demo.RequestFailedByHand, Status: 403, Err: errors.New("a long story")},
			" 0.0s  workers    have requests FAILED by your keys: the token is rejected (403)\n",
		},
		{
			"a sleep that the token survived",
			demo.Moment{Kind: demo.MachineSlept, Took: 7 * time.Second, Left: 2 * time.Second},
			" 0.0s  you        had the machine sleep for 7.0 s; the token is good for 2.0 s\n",
		},
		{
			"a sleep that it did not",
			demo.Moment{Kind: demo.MachineSlept, Took: 7 * time.Second, Left: -time.Second},
			" 0.0s  you        had the machine sleep for 7.0 s; the token in hand is dead\n",
		},
		{
			"a rejection too soon after another",
			demo.Moment{Kind: demo.RejectionRefused, In: 2 * time.Second},
			" 0.0s  you        can reject again in 2.0 s: sooner, the library takes no notice\n",
		},
		{
			"an error that is too long for a line",
			demo.Moment{Kind: demo.RequestFailed, Err: errors.New(strings.Repeat("é", 100))},
			" 0.0s  workers    have a FAILED request: " + strings.Repeat("é", 38) + "…\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) { assert.Equal(t, tt.want, narrate(tt.moment)) })
	}
}

// Every moment has its words: a kind without any would be an empty line.
func TestNarrator_KnowsEveryKind(t *testing.T) {
	said := map[string]demo.Kind{}
	for kind := demo.SessionBegun; kind <= demo.SessionLost; kind++ {
		line := narrate(demo.Moment{Kind: kind})
		assert.Greater(t, len(line), len(" 0.0s  session 1  \n"), "kind %d", kind)
		assert.NotContains(t, said, line)
		said[line] = kind
	}
	assert.Len(t, said, 21)
}
