package statusview_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/statusview"
	"github.com/agsauth/agsauth/internal/leak"
	"github.com/agsauth/agsauth/tokensource"
)

var write = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) { leak.Main(m) }

const day = 24 * time.Hour

// views returns examples by name.
func views() map[string]statusview.View {
	now := time.Date(2026, 11, 27, 18, 3, 11, 0, time.UTC)
	issued := now.Add(-17 * time.Minute)
	fresh := statusview.View{
		Profile: "default", Gateway: "https://gateway.example.com", Now: now,
		Status: tokensource.Status{
			Phase: tokensource.Fresh, AccountID: "1663", ClientID: "PUB_989", Generation: 7,
			IssuedAt: issued, ExpiresAt: issued.Add(time.Hour), RefreshExpiresAt: issued.Add(2 * day),
			FixedExpiresAt: issued.Add(28 * day), RefreshAt: issued.Add(55 * time.Minute),
		},
	}

	ageing := fresh
	ageing.Status.Phase, ageing.Status.ExpiresAt, ageing.Status.RefreshAt = tokensource.Ageing, now.Add(4*time.Minute), now.Add(-time.Minute)
	ageing.MinValidity = 30 * time.Minute

	expired := fresh
	expired.Status.Phase, expired.Status.ExpiresAt = tokensource.Expired, now.Add(-3*time.Hour)

	last := fresh
	last.Status.Phase, last.Status.Reason = tokensource.Ageing, tokensource.RefreshRejected
	last.MinValidity = 30 * time.Minute

	failing := expired
	failing.Location = time.FixedZone("CEST", 2*3600)
	failing.Status.FixedExpiresAt = now.Add(40 * time.Hour)
	failing.Status.Err, failing.Status.NextAt = errors.New("ags: refresh: status 503: \x1b[31mbusy"), now.Add(12*time.Second)
	failing.Status.Unsaved = true

	ended := fresh
	ended.Status = tokensource.Status{
		Phase: tokensource.Ended, Reason: tokensource.FixedExpired, AccountID: "1663", ClientID: "PUB_989", Generation: 300,
		IssuedAt: now.Add(-2 * day), ExpiresAt: now.Add(-47 * time.Hour), RefreshExpiresAt: now.Add(time.Hour), FixedExpiresAt: now.Add(-30 * time.Second),
	}

	rejected := expired
	rejected.Status.RejectedAt = now.Add(-2 * time.Hour)

	// Another process began a refresh, and the sign-out of an earlier session is not told.
	unfinished := expired
	unfinished.Status.AttemptAt, unfinished.Status.SignOutPending = now.Add(-2*time.Second), true

	none := fresh
	none.Status = tokensource.Status{Phase: tokensource.Ended, Reason: tokensource.NoSession}

	signedOut := fresh
	signedOut.Status = tokensource.Status{Phase: tokensource.Ended, Reason: tokensource.SignedOut, ClientID: "PUB_\x1b[31m989\n"}

	opaque := fresh
	opaque.Status.FixedExpiresAt, opaque.Status.RefreshAt = time.Time{}, time.Time{}
	return map[string]statusview.View{
		"fresh": fresh, "ageing": ageing, "expired": expired, "last": last, "failing": failing,
		"ended": ended, "none": none, "signed_out": signedOut, "opaque": opaque,
		"rejected": rejected, "unfinished": unfinished,
	}
}

// assertGolden compares got with a file in testdata.
func assertGolden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *write {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, strings.ReplaceAll(string(want), "\r\n", "\n"), got)
}

func TestText_Golden(t *testing.T) {
	for name, v := range views() {
		for _, width := range []int{60, 80, 120, 200} {
			if width > 80 && name != "fresh" {
				continue
			}
			t.Run(fmt.Sprint(name, width), func(t *testing.T) {
				text := v.Text(statusview.Look{Width: width})
				assertGolden(t, fmt.Sprintf("%s_%d.txt", name, width), text)
				colored := v.Text(statusview.Look{Width: width, Color: true})
				assert.NotEqual(t, text, colored)
				assert.Equal(t, text, ansi.Strip(colored))
			})
		}
	}
}

func TestText_ColorGolden(t *testing.T) {
	for _, name := range []string{"fresh", "ageing", "ended"} {
		text := views()[name].Text(statusview.Look{Width: 80, Color: true})
		assertGolden(t, name+"_color.txt", strings.ReplaceAll(text, "\x1b", "␛"))
	}
}

func TestText_FitsEveryWidth(t *testing.T) {
	for name, v := range views() {
		for width := range 210 {
			for line := range strings.Lines(v.Text(statusview.Look{Width: width, Color: width%2 == 0})) {
				require.LessOrEqual(t, ansi.StringWidth(line), max(20, width), "%s at %d: %q", name, width, line)
			}
		}
	}
}

func TestJSON_Golden(t *testing.T) {
	for _, name := range []string{"ageing", "failing", "none", "rejected", "unfinished"} {
		got, err := views()[name].JSON()
		require.NoError(t, err)
		assertGolden(t, name+".json", string(got))
	}
}
