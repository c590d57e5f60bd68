package statusview_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/statusview"
	"github.com/agsauth/agsauth/tokensource"
)

func TestView_Remaining(t *testing.T) {
	now := time.Date(2026, 11, 27, 18, 3, 11, 0, time.UTC)
	for _, tt := range []struct {
		name           string
		phase          tokensource.Phase
		expires, fixed time.Duration
		want           time.Duration
	}{
		{"fresh", tokensource.Fresh, time.Hour, 2 * time.Hour, time.Hour},
		{"ageing", tokensource.Ageing, time.Minute, 2 * time.Hour, time.Minute},
		{"session ends first", tokensource.Fresh, time.Hour, time.Minute, time.Minute},
		{"expired", tokensource.Expired, -time.Hour, time.Hour, 0},
		{"not served though it lives", tokensource.Ended, time.Hour, time.Hour, 0},
		{"clock has moved on", tokensource.Fresh, -time.Second, time.Hour, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := statusview.View{Now: now, Status: tokensource.Status{Phase: tt.phase, ExpiresAt: now.Add(tt.expires), FixedExpiresAt: now.Add(tt.fixed)}}
			assert.Equal(t, tt.want, v.Remaining())
			assert.Equal(t, tt.want > 0, v.IsValid())
			v.MinValidity = tt.want + 1
			assert.False(t, v.IsValid())
			v.MinValidity = max(1, tt.want)
			assert.Equal(t, tt.want > 0, v.IsValid())
		})
	}
}

func TestView_SignedIn(t *testing.T) {
	for phase, want := range map[tokensource.Phase]bool{
		tokensource.Unknown: false, tokensource.Fresh: true, tokensource.Ageing: true, tokensource.Expired: true, tokensource.Ended: false,
	} {
		assert.Equal(t, want, statusview.View{Status: tokensource.Status{Phase: phase}}.SignedIn(), phase)
	}
	rejected := tokensource.Status{Phase: tokensource.Expired, RejectedAt: time.Unix(1, 0)}
	assert.False(t, statusview.View{Status: rejected}.SignedIn(), "the gateway has ended it")
}

func TestHuman(t *testing.T) {
	const day = 24 * time.Hour
	for d, want := range map[time.Duration]string{
		0:                                      "0 s",
		time.Millisecond:                       "1 s",
		59 * time.Second:                       "59 s",
		59*time.Second + 900*time.Millisecond:  "1 m 0 s",
		time.Minute:                            "1 m 0 s",
		90 * time.Second:                       "1 m 30 s",
		9*time.Minute + 59*time.Second:         "9 m 59 s",
		10 * time.Minute:                       "10 min",
		59*time.Minute + 29*time.Second:        "59 min",
		59*time.Minute + 59*time.Second:        "1 h",
		5*time.Hour + 12*time.Minute:           "5 h 12 m",
		9*time.Hour + 59*time.Minute + 59*1e9:  "10 h",
		47*time.Hour + 29*time.Minute:          "47 h",
		47*time.Hour + 59*time.Minute + 59*1e9: "2 d",
		30*day - time.Second:                   "30 d",
		29*day + 11*time.Hour:                  "29 d",
	} {
		assert.Equal(t, want, statusview.Human(d), d)
	}
}

func TestView_Announcement(t *testing.T) {
	now := time.Date(2026, 11, 27, 18, 3, 11, 0, time.UTC)
	v := statusview.View{Now: now, Status: tokensource.Status{AccountID: "1663", ClientID: "PUB_\x1b9", FixedExpiresAt: now.Add(30 * 24 * time.Hour)}}
	assert.Equal(t, "Signed in: account 1663, device PUB_\ufffd9.\nThe session ends in 30 d, on 2026-12-27 18:03:11 UTC.\n", v.Announcement("Signed in"))
	v.Status = tokensource.Status{FixedExpiresAt: now}
	assert.Equal(t, "Signed in.\n", v.Announcement("Signed in"))
}
