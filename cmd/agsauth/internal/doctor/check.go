package doctor

import (
	"context"
	"fmt"
	"sync"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/store"
)

// A check examines one thing.
type check struct {
	name string
	run  func(ctx context.Context, e *examination) Result
}

// checks returns all checks, in the order of the report.
func checks() []check {
	return []check{
		{"configuration", checkConfiguration},
		{"profile", checkProfile},
		{"settings", checkSettings},
		{"secrets in files", checkSecretFiles},
		{"proxy", checkProxy},
		{"name", checkName},
		{"connection", checkConnection},
		{"certificate", checkCertificate},
		{"gateway", checkGateway},
		{"service", checkService},
		{"clock", checkClock},
		{"session file", checkSessionFile},
		{"session folder", checkSessionFolder},
		{"storage", checkStorage},
		{"lock", checkLock},
		{"redis", checkRedis},
		{"redis settings", checkRedisSettings},
		{"keyring", checkKeyring},
		{"session", checkSession},
		{"terminal", checkTerminal},
		{"version", checkVersion},
	}
}

// examination is what the checks have in common. The functions ask the gateway or the
// keyring once, when the first check needs them.
type examination struct {
	Config

	probe    func() answer
	discover func() (*ags.Discovery, error)
	key      func() (store.Key, error)
}

func newExamination(ctx context.Context, cfg Config) *examination {
	e := &examination{Config: cfg, key: sync.OnceValues(cfg.Key)}
	e.probe = sync.OnceValue(func() answer {
		ctx, cancel := context.WithTimeout(ctx, cfg.Timeout*2/3)
		defer cancel()
		return probe(ctx, e)
	})
	e.discover = sync.OnceValues(func() (*ags.Discovery, error) {
		ctx, cancel := context.WithTimeout(ctx, cfg.Timeout*2/3)
		defer cancel()
		return cfg.Client.Discover(ags.WithoutRetry(ctx))
	})
	return e
}

// make makes a check. A check that does not heed the end of its context is left behind
// after half as much time again.
func (c check) make(ctx context.Context, e *examination) Result {
	limit, abandon := context.WithTimeout(ctx, e.Timeout+e.Timeout/2)
	defer abandon()
	done := make(chan Result, 1)
	go func() {
		defer func() {
			if value := recover(); value != nil {
				// The value may quote anything.
				done <- failure(fmt.Sprintf("the check has crashed with a %T", value), "report this as a defect of agsauth")
			}
		}()
		ctx, cancel := context.WithTimeout(limit, e.Timeout)
		defer cancel()
		done <- c.run(ctx, e)
	}()
	var result Result
	select {
	case result = <-done:
	case <-limit.Done():
		result = failure("the check has not ended in time", "look for a disk or a network that hangs")
	}
	result.Name = c.name
	return result
}

func ok(format string, args ...any) Result {
	return Result{Level: OK, Text: fmt.Sprintf(format, args...)}
}

func skipped(format string, args ...any) Result {
	return Result{Level: Skipped, Text: fmt.Sprintf(format, args...)}
}

func warning(text, hint string) Result { return Result{Level: Warning, Text: text, Hint: hint} }

func failure(text, hint string) Result { return Result{Level: Failure, Text: text, Hint: hint} }
