package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// Health is a question to a Daemon: is it ready?
type Health struct {
	// Target is where its operations listener is: a URL, host:port, or a Unix socket as a
	// path or unix:PATH.
	Target string
	// Live asks whether the Daemon runs, and not whether it has a token.
	Live bool
	// Wait is for how long to ask again. Zero means that one answer is enough.
	Wait time.Duration
}

const (
	askAgain     = 200 * time.Millisecond // after an answer that was not yes
	answerWithin = 5 * time.Second
)

// ErrAddress is wrapped by the error for a Target that cannot be asked.
var ErrAddress = errors.New("no address of a daemon")

// Ask asks until the answer is yes or the time is over. It returns the last answer in one
// line; the error is nil if that is yes.
func (h Health) Ask(ctx context.Context) (answer string, err error) {
	client, address, err := h.client()
	if err != nil {
		return "", err
	}
	defer client.CloseIdleConnections()
	deadline := time.Now().Add(h.Wait)
	for {
		answer, err = ask(ctx, client, address)
		if err == nil || !time.Now().Add(askAgain).Before(deadline) {
			return answer, err
		}
		pause(ctx, askAgain)
		if ctx.Err() != nil {
			return answer, err
		}
	}
}

// client returns what reaches the target. It follows no redirect and uses no proxy: the
// answer must be the Daemon's own.
func (h Health) client() (client *http.Client, address string, err error) {
	base, socket, ok := locate(h.Target)
	if !ok {
		return nil, "", fmt.Errorf("%q is %w; write HOST:PORT, http://HOST:PORT or unix:FILE", h.Target, ErrAddress)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	if socket != "" {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}
	}
	path := "/readyz"
	if h.Live {
		path = "/livez"
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, base + path, nil
}

// locate returns the URL of a target, without a path, and the path of its socket if it has
// one.
func locate(target string) (base, socket string, ok bool) {
	socket, named := strings.CutPrefix(target, "unix:")
	if named {
		socket = strings.TrimPrefix(socket, "//")
	}
	if named || filepath.IsAbs(target) || strings.HasPrefix(target, ".") {
		return "http://localhost", socket, socket != ""
	}
	if !strings.Contains(target, "://") {
		target = "http://" + target
	}
	u, err := url.Parse(target)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", "", false
	}
	return u.Scheme + "://" + u.Host, "", true
}

func ask(ctx context.Context, client *http.Client, address string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("no answer: %w", errors.Unwrap(err)) // without the URL
	}
	defer resp.Body.Close()
	if resp.Header.Get(opsField) == "" {
		// The body may be that of an API, and not for everybody.
		return "", fmt.Errorf("it answers %s, but not as the operations listener of a daemon or proxy does; use the address of --ops-listen", resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil {
		return "", fmt.Errorf("no whole answer: %w", err)
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	if resp.StatusCode == http.StatusOK {
		return line, nil
	}
	return line, fmt.Errorf("not ready: %s", line)
}
