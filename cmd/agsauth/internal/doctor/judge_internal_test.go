package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/config"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
	"github.com/agsauth/agsauth/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// want is what a judgement must be: its level, and what its text and hint contain.
type want struct {
	level      Level
	text, hint string
}

func (w want) check(tb testing.TB, got Result) {
	tb.Helper()
	assert.Equal(tb, w.level, got.Level, got.Text)
	assert.Contains(tb, got.Text, w.text)
	assert.Contains(tb, got.Hint, w.hint)
	if got.Level == Failure || got.Level == Warning {
		assert.NotEmpty(tb, got.Hint)
	} else {
		assert.Empty(tb, got.Hint)
	}
}

func TestJudgeClock(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name  string
		ahead time.Duration // of our clock
		trip  time.Duration
		want  want
	}{
		{"equal", 0, 0, want{OK, "agrees", ""}},
		{"within the trip", 5 * time.Second, 10 * time.Second, want{OK, "agrees", ""}},
		{"a little ahead", 20 * time.Second, 0, want{OK, "20s ahead of", ""}},
		{"ahead", 31 * time.Second, 0, want{Warning, "31s ahead of", "timedatectl"}},
		{"behind", -31 * time.Second, 0, want{Warning, "31s behind", "timedatectl"}},
		{"just below the failure", 299 * time.Second, 0, want{Warning, "4m59s ahead of", ""}},
		{"far ahead", 5 * time.Minute, 0, want{Failure, "5m0s ahead of", "timedatectl"}},
		{"far behind", -10 * time.Minute, 0, want{Failure, "10m0s behind", "timedatectl"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			date := now.Format(http.TimeFormat)
			ours := now.Add(tt.ahead + 500*time.Millisecond)
			tt.want.check(t, judgeClock(date, ours.Add(-tt.trip/2), ours.Add(tt.trip/2)))
		})
	}
	want{Skipped, "no valid date", ""}.check(t, judgeClock("yesterday", now, now))
}

func TestJudgeRedisInfo(t *testing.T) {
	tests := []struct {
		name, info string
		want       want
	}{
		{"good", "# Server\r\nredis_version:7.2.4\r\naof_enabled:1\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n", want{OK, "Redis 7.2.4", ""}},
		{"old", "redis_version:6.0.9\r\naof_enabled:1\r\n", want{Failure, "too old", "6.2"}},
		{"Valkey", "redis_version:6.0.0\r\nvalkey_version:8.0.1\r\naof_enabled:1\r\nmaxmemory:0\r\n", want{OK, "Valkey 8.0.1", ""}},
		{"evicts the session", "redis_version:7.2.4\r\naof_enabled:1\r\nmaxmemory:1024\r\nmaxmemory_policy:allkeys-lru\r\n", want{Warning, "evict the session", "noeviction"}},
		{"evicts the lock", "redis_version:7.2.4\r\naof_enabled:1\r\nmaxmemory:1024\r\nmaxmemory_policy:volatile-ttl\r\n", want{Warning, "evict the lock", "noeviction"}},
		{"in memory", "redis_version:7.2.4\r\naof_enabled:0\r\nmaxmemory:0\r\n", want{Warning, "appendonly off", "appendonly"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.want.check(t, judgeRedisInfo(parseInfo(tt.info))) })
	}
}

// redisError is an error that a server has answered with.
type redisError string

func (e redisError) Error() string { return string(e) }
func (redisError) RedisError()     {}

func TestJudgeRedis(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want want
	}{
		{"fine", nil, want{OK, "host:6379", ""}},
		{"rights", redisError("NOPERM HSET"), want{Failure, "HSET", "grant"}},
		{"password", redisError("WRONGPASS invalid"), want{Failure, "does not accept", "AGSAUTH_STORE"}},
		{"full", redisError("OOM command not allowed"), want{Failure, "full", "maxmemory"}},
		{"away", errors.New("connection refused"), want{Failure, "connection refused", "rediss://"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.want.check(t, judgeRedis("host:6379", tt.err)) })
	}
}

func TestJudgeService(t *testing.T) {
	names := []string{"A Service", "Other"}
	want{OK, `"Other"`, ""}.check(t, judgeService("Other", names))
	want{Warning, `"A Service", "Other"`, "agsauth login"}.check(t, judgeService("", names))
	want{Failure, `does not have the service "Third", but "A Service"`, "set service"}.check(t, judgeService("Third", names))
	want{Failure, "no sign-on service", "tenant"}.check(t, judgeService("Other", nil))
}

func TestJudgeDiscovery(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want want
	}{
		{"answers", nil, want{OK, "accepts the tenant nagra, and has 1 sign-on service", ""}},
		{"unknown tenant", &ags.Error{Status: 404, CorrelationID: "c-1"}, want{Failure, "status 404 (correlation identifier c-1)", "check the tenant"}},
		{"forbidden", &ags.Error{Status: 403}, want{Failure, "status 403", "header fields"}},
		{"away", &ags.Error{Status: 503}, want{Failure, "status 503", "try again later"}},
		{"a page", &ags.Error{Status: 200, Malformed: true}, want{Failure, "", "sign-in page"}},
		{"another dialect", errors.ErrUnsupported, want{Skipped, "no discovery", ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.check(t, judgeDiscovery(&ags.Discovery{Services: make([]ags.Service, 1)}, tt.err, "nagra"))
		})
	}
}

func TestJudgeConnections(t *testing.T) {
	gateway, _ := url.Parse("https://gateway.example")
	proxy, _ := url.Parse("http://me:secret@proxy.example:3128")
	direct, through := route{gateway: gateway}, route{gateway: gateway, proxy: proxy}
	refused := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	two := []string{"192.0.2.1", "2001:db8::1"}
	tests := []struct {
		name string
		r    route
		errs []error
		want want
	}{
		{"all", direct, []error{nil, nil}, want{OK, "gateway.example accepts connections on port 443", ""}},
		{"one", direct, []error{nil, refused}, want{Warning, "[2001:db8::1]:443: connect: connection refused", ""}},
		{"none", direct, []error{context.DeadlineExceeded, refused}, want{Failure, "192.0.2.1:443: no answer in time, [2001", "firewall"}},
		{"no proxy", through, []error{refused, refused}, want{Failure, "the proxy proxy.example:3128", "NO_PROXY"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := judgeConnections(tt.r, two, tt.errs)
			tt.want.check(t, got)
			assert.NotContains(t, got.Text, "secret")
		})
	}
}

func TestJudgeName(t *testing.T) {
	gateway, _ := url.Parse("https://gateway.example")
	r := route{gateway: gateway}
	want{OK, "192.0.2.1, 192.0.2.2", ""}.check(t, judgeName(r, []string{"192.0.2.1", "192.0.2.2"}, nil))
	want{Failure, "no address", "spelling"}.check(t, judgeName(r, nil, &net.DNSError{IsNotFound: true}))
	want{Failure, "does not answer", "name servers"}.check(t, judgeName(r, nil, &net.DNSError{IsTimeout: true}))
}

func TestJudgeProfile(t *testing.T) {
	named := func(origin string) *config.Resolved {
		return &config.Resolved{Profile: config.Value{Text: "p", Origin: origin}, File: config.Value{Text: "f"}}
	}
	want{OK, "p (default)", ""}.check(t, judgeProfile(named("default")))
	want{Warning, "nothing about profile p", "name"}.check(t, judgeProfile(named("flag --profile")))
	signedOn := named("flag --profile")
	signedOn.Remembered = map[string]string{}
	want{OK, "p (flag --profile)", ""}.check(t, judgeProfile(signedOn))
	inFile := named("flag --profile")
	inFile.Values = map[string]config.Value{"gateway": {Text: "g", Origin: inFile.InFile()}}
	want{OK, "p (flag --profile)", ""}.check(t, judgeProfile(inFile))
}

func TestJudgeSettings(t *testing.T) {
	api, _ := url.Parse("http://api.example")
	tests := []struct {
		name string
		s    config.Settings
		want want
	}{
		{"good", config.Settings{Gateway: "https://g.example", Tenant: "nagra"}, want{OK, "https://g.example", ""}},
		{"local", config.Settings{Gateway: "http://127.0.0.1:8080"}, want{OK, "", ""}},
		{"insecure", config.Settings{Gateway: "http://g.example"}, want{Warning, "unencrypted", "https"}},
		{"insecure API", config.Settings{Gateway: "https://g.example", API: api}, want{Warning, "API", "https"}},
		{"plain Redis", config.Settings{Gateway: "https://g.example", Store: "redis://r.example"}, want{Warning, "Redis", "rediss://"}},
		{"sealed", config.Settings{Gateway: "https://g.example", Store: "redis://r.example", Keyring: true}, want{OK, "", ""}},
		{"local Redis", config.Settings{Gateway: "https://g.example", Store: "redis://localhost"}, want{OK, "", ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.want.check(t, judgeSettings(&tt.s)) })
	}
}

func TestHasSecret(t *testing.T) {
	tests := []struct {
		name string
		r    config.Resolved
		want bool
	}{
		{"nothing", config.Resolved{}, false},
		{"a user's name", config.Resolved{Parameters: map[string]string{"username": "dave"}}, false},
		{"a password", config.Resolved{Parameters: map[string]string{"username": "dave", "Password": "x"}}, true},
		{"a device type", config.Resolved{Headers: map[string]string{"Nagra-Device-Type": "x"}}, false},
		{"a key", config.Resolved{Headers: map[string]string{"X-Api-Key": "x"}}, true},
		{"a URL", config.Resolved{Values: map[string]config.Value{"store": {Text: "redis://:x@host", Origin: "file , profile "}}}, true},
		{"a URL of the environment", config.Resolved{Values: map[string]config.Value{"store": {Text: "redis://:x@host", Origin: "environment"}}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { assert.Equal(t, tt.want, hasSecret(&tt.r)) })
	}
}

func TestFailureOf(t *testing.T) {
	want{Failure, "it is odd", "correct it"}.check(t, failureOf(errors.New("it is odd; correct it"), "else"))
	want{Failure, "it is odd", "else"}.check(t, failureOf(errors.New("it is odd"), "else"))
	want{Failure, "it is odd", "this"}.check(t, failureOf(&exit.Error{Err: errors.New("it is odd"), Hint: "this"}, "else"))
	want{Failure, "it is odd", "correct it"}.check(t, failureOf(exit.Usagef("it is odd; correct it"), "else"))
}

func TestPrintable(t *testing.T) {
	tests := []struct{ name, text, home, want string }{
		{"below", "/home/dave/x and /home/dave", "/home/dave", "~/x and ~"},
		{"another name", "/home/dave2/x /home/dave-x", "/home/dave", "/home/dave2/x /home/dave-x"},
		{"end of a sentence", "/home/dave.", "/home/dave/", "~."},
		{"root", "/x", "/", "/x"},
		{"unknown", "/x", "", "/x"},
		{"control characters", "a\x1b[31mb\nc", "/home/dave", "a\ufffd[31mb\ufffdc"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := printable(Result{Text: tt.text, Hint: tt.text}, tt.home)
			assert.Equal(t, Result{Text: tt.want, Hint: tt.want}, got)
		})
	}
}

func TestJudgeTimeOfCertificate(t *testing.T) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name      string
		life, age time.Duration
		due       bool
	}{
		{"young", 90 * 24 * time.Hour, 24 * time.Hour, false},
		{"old", 90 * 24 * time.Hour, 77 * 24 * time.Hour, true},
		{"short life", 6 * 24 * time.Hour, 4 * 24 * time.Hour, false},
		{"end of a short life", 6 * 24 * time.Hour, 5 * 24 * time.Hour, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			leaf := &x509.Certificate{NotBefore: begin, NotAfter: begin.Add(tt.life)}
			assert.Equal(t, tt.due, tt.life-tt.age < renewalDue(leaf))
			fault, _ := judgeTime(leaf, begin.Add(tt.age))
			assert.Empty(t, fault)
		})
	}
}
