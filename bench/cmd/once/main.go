// Command once runs one job of one implementation n times, for a tool that counts
// instructions. The difference between a run with 2n and a run with n is n times the
// job.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"github.com/agsauth/agsauth/bench/internal/impl"
)

func main() {
	job := flag.String("job", "cached", "cached, token, roundtrip0 or roundtrip7")
	of := flag.String("of", impl.OursName, "the implementation")
	n := flag.Int("n", 1000, "number of repetitions")
	flag.Parse()
	debug.SetGCPercent(-1) // the collector's instructions vary between runs
	if err := run(*job, *of, *n); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(job, of string, n int) error {
	c, ok := impl.Named(of)
	if !ok {
		return fmt.Errorf("once: no implementation %q", of)
	}
	ctx := context.Background()
	in, err := c.New(impl.Setup{Fetch: func(context.Context) (string, time.Time, error) {
		return "a-token-of-some-length", time.Now().Add(24 * time.Hour), nil
	}})
	if err != nil {
		return err
	}
	defer in.Close()
	if _, err := in.Get(ctx); err != nil {
		return err
	}
	switch job {
	case "cached":
		in.Loop(ctx, n)
	case "token":
		copying, ok := in.(interface{ LoopCopy(context.Context, int) })
		if !ok {
			return fmt.Errorf("once: %s copies no token", of)
		}
		copying.LoopCopy(ctx, n)
	case "roundtrip0":
		return roundTrip(ctx, c, in, n, 0)
	case "roundtrip7":
		return roundTrip(ctx, c, in, n, 7)
	default:
		return fmt.Errorf("once: no job %q", job)
	}
	return nil
}

// inMemory is a base RoundTripper that answers at once.
type inMemory struct{ answer http.Response }

func (m *inMemory) RoundTrip(*http.Request) (*http.Response, error) { return &m.answer, nil }

func roundTrip(ctx context.Context, c impl.Implementation, in impl.Instance, n, headers int) error {
	if c.Wrap == nil {
		return fmt.Errorf("once: %s has no RoundTripper", c.Name)
	}
	send := c.Wrap(in, &inMemory{http.Response{StatusCode: http.StatusOK, Body: http.NoBody}})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://api.example.com/v1/profile", nil)
	if err != nil {
		return err
	}
	for i := range headers {
		req.Header.Set(fmt.Sprintf("X-Header-%d", i), "a value of usual length")
	}
	for range n {
		if _, err := send(req); err != nil {
			return err
		}
	}
	return nil
}
