package doctor

import (
	"errors"
	"io/fs"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/zalando/go-keyring"

	"github.com/agsauth/agsauth/tokensource"
)

func TestJudgeFile(t *testing.T) {
	tests := []struct {
		name string
		f    facts
		want want
	}{
		{"private", facts{mode: 0o600}, want{OK, "/s", ""}},
		{"readable", facts{mode: 0o644, readable: true}, want{Failure, "/s has the mode 0644", "chmod 600"}},
		{"writable", facts{mode: 0o620, writable: true}, want{Failure, "0620", "chmod 600"}},
		{"another owner", facts{mode: 0o600, hasOwner: true, owner: 7, user: 8}, want{Failure, "another user, 7", "as that user"}},
		{"seen by root", facts{mode: 0o600, hasOwner: true, owner: 7}, want{OK, "", ""}},
		{"folder", facts{mode: fs.ModeDir | 0o700}, want{Failure, "not a regular file", ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.f.path = "/s"
			tt.want.check(t, judgeFile(tt.f))
		})
	}
}

func TestJudgeFolders(t *testing.T) {
	private := facts{path: "/a/b", mode: fs.ModeDir | 0o700, hasOwner: true, owner: 7, user: 7}
	above := facts{path: "/a", mode: fs.ModeDir | 0o755, hasOwner: true, user: 7}
	open := facts{path: "/a", mode: fs.ModeDir | 0o777, writable: true, hasOwner: true, user: 7}
	sticky := facts{path: "/a", mode: fs.ModeDir | fs.ModeSticky | 0o777, writable: true, hasOwner: true, user: 7}
	foreign := facts{path: "/a/b", mode: fs.ModeDir | 0o755, hasOwner: true, owner: 8, user: 7}
	tests := []struct {
		name    string
		folders []facts
		exists  bool
		want    want
	}{
		{"private", []facts{private, above}, true, want{OK, "/a/b", ""}},
		{"missing", []facts{above}, false, want{OK, "does not exist", ""}},
		{"missing in a sticky one", []facts{sticky}, false, want{OK, "does not exist", ""}},
		{"open", []facts{open}, true, want{Failure, "0777", "chmod go-w"}},
		{"below an open one", []facts{private, open}, true, want{Failure, "folder /a, ", "chmod go-w"}},
		{"sticky", []facts{sticky}, true, want{Warning, "other users can make files", ""}},
		{"below a sticky one", []facts{private, sticky}, true, want{OK, "/a/b", ""}},
		{"of another user", []facts{foreign, above}, true, want{Failure, "another user, 8", ""}},
		{"a file", []facts{{path: "/f", mode: 0o600}}, true, want{Failure, "not a folder", ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.want.check(t, judgeFolders(tt.folders, tt.exists)) })
	}
}

func TestJudgeStorage(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want want
	}{
		{"fine", nil, want{OK, "/d", ""}},
		{"full", &fs.PathError{Op: "write", Path: "/d/x", Err: syscall.ENOSPC}, want{Failure, "the disk of /d is full", "free space"}},
		{"read-only", &fs.PathError{Op: "open", Path: "/d/x", Err: syscall.EROFS}, want{Failure, "read-only", ""}},
		{"denied", &fs.PathError{Op: "open", Path: "/d/x", Err: syscall.EACCES}, want{Failure, "may not write", ""}},
		{"no locks", lockError{errors.ErrUnsupported}, want{Warning, "cannot be locked", "local disk"}},
		{"else", errors.New("odd"), want{Failure, "odd", ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.want.check(t, judgeStorage("/d", tt.err)) })
	}
}

func TestJudgeLock(t *testing.T) {
	want{OK, "nobody holds it", ""}.check(t, judgeLock(false, "process 7"))
	want{Warning, "process 7", "end it"}.check(t, judgeLock(true, "process 7"))
	want{Warning, "a process", "end it"}.check(t, judgeLock(true, ""))
}

func TestJudgeSession(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	status := func(phase tokensource.Phase, reason tokensource.Reason) tokensource.Status {
		return tokensource.Status{Phase: phase, Reason: reason, ExpiresAt: at, ClientID: "device", AccountID: "account"}
	}
	attempted, rejected, pending := status(tokensource.Expired, 0), status(tokensource.Expired, 0), status(tokensource.Ended, tokensource.SignedOut)
	attempted.AttemptAt, rejected.RejectedAt, pending.SignOutPending = at, at, true
	tests := []struct {
		name   string
		status tokensource.Status
		want   want
	}{
		{"none", status(tokensource.Ended, tokensource.NoSession), want{Warning, "nobody has signed on", "agsauth login"}},
		{"signed out", status(tokensource.Ended, tokensource.SignedOut), want{Warning, "signed out", "agsauth login"}},
		{"sign-out pending", pending, want{Warning, "the gateway was not told yet", "agsauth logout"}},
		{"ended", status(tokensource.Ended, tokensource.FixedExpired), want{Warning, "has ended", "agsauth login"}},
		{"rejected", rejected, want{Warning, "has rejected the refresh token", "agsauth login"}},
		{"unknown outcome", attempted, want{Warning, "outcome is unknown", "agsauth login"}},
		{"expired", status(tokensource.Expired, 0), want{OK, "the next command refreshes it; the access token expires 2026-03-01T12:00:00Z", ""}},
		{"last token", status(tokensource.Ageing, tokensource.FixedExpired), want{Warning, "cannot be refreshed any more", "agsauth login"}},
		{"fresh", status(tokensource.Fresh, 0), want{OK, "fresh; the access token expires", ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := judgeSession(tt.status)
			tt.want.check(t, got)
			assert.NotContains(t, got.Text, "account")
			assert.NotContains(t, got.Text, "device")
		})
	}
}

func TestJudgeKeyring(t *testing.T) {
	want{OK, "has the key", ""}.check(t, judgeKeyring(nil, true))
	want{OK, "a sign-on makes a key", ""}.check(t, judgeKeyring(keyring.ErrNotFound, false))
	want{Failure, "no key", "forget-device"}.check(t, judgeKeyring(keyring.ErrNotFound, true))
	want{Failure, "locked", "unlock it"}.check(t, judgeKeyring(errors.New("locked"), true))
}
