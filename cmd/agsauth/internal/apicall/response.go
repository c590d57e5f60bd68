package apicall

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/replacefile"
)

// Output is where a response goes.
type Output struct {
	Out, Err io.Writer
	// File, if not empty, gets the response instead of Out. It is replaced when the
	// response is complete.
	File string
	// Header also writes the status line and the header.
	Header bool
	// Fail makes a status of 400 and more an error.
	Fail bool
}

// Write writes a response. The body of an error, with a status of 400 and more, goes to
// Err: a script that reads Out or File does not take it for the answer.
func (o Output) Write(resp *http.Response) error {
	isError := resp.StatusCode >= http.StatusBadRequest
	var err error
	switch {
	case isError:
		err = o.writeLine(resp)
	case o.File != "":
		err = o.writeFile(resp)
	default:
		err = o.write(o.Out, resp)
	}
	if err != nil {
		return fmt.Errorf("the response is incomplete: %w", err)
	}
	if isError && o.Fail {
		return &exit.Error{Status: exit.Failure, Err: fmt.Errorf("the API has answered %s", resp.Status)}
	}
	return nil
}

// writeLine writes the response to Err, and a newline if it has none at its end, because
// other messages may follow.
func (o Output) writeLine(resp *http.Response) error {
	end := lastByte{Writer: o.Err, last: '\n'}
	err := o.write(&end, resp)
	if end.last != '\n' {
		fmt.Fprintln(o.Err)
	}
	return err
}

// lastByte remembers the last byte that was written.
type lastByte struct {
	io.Writer
	last byte
}

func (w *lastByte) Write(p []byte) (int, error) {
	if len(p) > 0 {
		w.last = p[len(p)-1]
	}
	return w.Writer.Write(p)
}

func (o Output) write(to io.Writer, resp *http.Response) error {
	if o.Header {
		fmt.Fprintf(to, "%s %s\r\n", resp.Proto, resp.Status)
		for _, name := range slices.Sorted(maps.Keys(resp.Header)) {
			for _, value := range resp.Header[name] {
				fmt.Fprintf(to, "%s: %s\r\n", name, value)
			}
		}
		fmt.Fprint(to, "\r\n")
	}
	_, err := io.Copy(to, resp.Body)
	return err
}

// writeFile writes the response to File. A regular file is replaced by a rename.
func (o Output) writeFile(resp *http.Response) error {
	if info, err := os.Stat(o.File); err == nil && !info.Mode().IsRegular() {
		return o.writeInPlace(resp)
	}
	return replacefile.Write(o.File, func(f *os.File) error { return o.write(f, resp) })
}

// writeInPlace writes the response to a device or a pipe.
func (o Output) writeInPlace(resp *http.Response) error {
	file, err := os.OpenFile(o.File, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(o.write(file, resp), file.Close())
}
