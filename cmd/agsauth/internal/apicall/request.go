package apicall

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
)

// Request describes a call.
type Request struct {
	// Method is GET if it is empty and there is no Data, and POST with Data.
	Method string
	URL    *url.URL
	// Header are lines "Name: value".
	Header []string
	// Data is the body: a text, "@FILE", or "@-" for Stdin. HasData says that there is
	// one, since it may be empty.
	Data    string
	HasData bool
	Stdin   io.Reader
}

// maxBuffered is how much of the standard input is kept, so that the request can be sent
// again if its token is rejected.
const maxBuffered = 1 << 20

// HTTP returns the request. Its body can be sent again, unless it is a longer standard
// input than a mebibyte.
func (r Request) HTTP(ctx context.Context) (*http.Request, error) {
	method := r.Method
	switch {
	case method == "" && r.HasData:
		method = http.MethodPost
	case method == "":
		method = http.MethodGet
	}
	rq, err := http.NewRequestWithContext(ctx, method, r.URL.String(), nil)
	if err != nil {
		return nil, exit.Usagef("flag --request: %q is no method", method)
	}
	if err := r.setHeader(rq.Header); err != nil {
		return nil, err
	}
	if !r.HasData {
		return rq, nil
	}
	if rq.Header.Get("Content-Type") == "" {
		rq.Header.Set("Content-Type", "application/json")
	}
	return rq, r.setBody(rq)
}

func (r Request) setHeader(header http.Header) error {
	for _, line := range r.Header {
		name, value, found := strings.Cut(line, ":")
		name = strings.TrimSpace(name)
		switch {
		case !found || name == "" || strings.ContainsAny(name, " \t") || strings.ContainsAny(value, "\r\n"):
			return exit.Usagef("flag --header: write it as \"Name: value\"")
		case strings.EqualFold(name, "Authorization"):
			return exit.Usagef("flag --header: Authorization has the session's token; use curl to send another one")
		}
		header.Add(name, strings.TrimSpace(value))
	}
	return nil
}

func (r Request) setBody(rq *http.Request) error {
	file, isFile := strings.CutPrefix(r.Data, "@")
	switch {
	case !isFile:
		setBytes(rq, []byte(r.Data))
		return nil
	case file != "-":
		return setFile(rq, file)
	}
	head, err := io.ReadAll(io.LimitReader(r.Stdin, maxBuffered+1))
	if err != nil {
		return err
	}
	if len(head) <= maxBuffered {
		setBytes(rq, head)
		return nil
	}
	rq.Body, rq.ContentLength = io.NopCloser(io.MultiReader(bytes.NewReader(head), r.Stdin)), -1
	return nil
}

func setBytes(rq *http.Request, content []byte) {
	rq.ContentLength = int64(len(content))
	rq.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
	if len(content) == 0 {
		rq.GetBody = func() (io.ReadCloser, error) { return http.NoBody, nil }
	}
	rq.Body, _ = rq.GetBody()
}

func setFile(rq *http.Request, name string) error {
	body, err := os.Open(name)
	if err != nil {
		return exit.Usagef("flag --data: %w", err)
	}
	info, err := body.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		_ = body.Close()
		return exit.Usagef("flag --data: %s: %w", name, err)
	}
	rq.Body, rq.ContentLength = body, info.Size()
	rq.GetBody = func() (io.ReadCloser, error) { return os.Open(name) }
	return nil
}
