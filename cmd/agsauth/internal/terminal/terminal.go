// Package terminal asks people questions on the terminal itself, whatever standard
// input and standard output are connected to, and says what an output stream can show.
package terminal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"
)

var (
	// ErrNone means that the process has no terminal to ask on.
	ErrNone = errors.New("there is no terminal to ask on")
	// ErrInterrupted means that the user, or a signal, ended a question: Ctrl-C, SIGTERM,
	// or the end of the context.
	ErrInterrupted = errors.New("interrupted")
	// ErrNoAnswer means that the input ended before the line did, as by Ctrl-D.
	ErrNoAnswer = errors.New("no answer was given")
)

// Terminal asks questions. It is not safe for concurrent use. A question changes the
// mode of the terminal only while it waits, and restores it on every return.
type Terminal struct {
	in, out *os.File
	pending []byte // what was read beyond the last line
}

// Open opens the terminal of the process. The error Is [ErrNone] if there is none.
func Open() (*Terminal, error) {
	in, out, err := open()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNone, err)
	}
	t := &Terminal{in: in, out: out}
	if !isTerminal(in) {
		return nil, errors.Join(notTerminal(in), t.Close())
	}
	return t, nil
}

// On returns a Terminal that reads from in and writes to out, which may be one file.
// The error Is [ErrNone] if in is not a terminal. Close closes both files.
func On(in, out *os.File) (*Terminal, error) {
	if !isTerminal(in) {
		return nil, notTerminal(in)
	}
	return &Terminal{in: in, out: out}, nil
}

func notTerminal(file *os.File) error {
	return fmt.Errorf("%w: %s is not a terminal", ErrNone, file.Name())
}

// Close closes the terminal's files.
func (t *Terminal) Close() error {
	err := t.in.Close()
	if t.out != t.in {
		err = errors.Join(err, t.out.Close())
	}
	return err
}

// ReadLine asks for a line, which appears as it is typed. Spaces around the line are
// removed. It waits for the user; the end of ctx ends the wait. The error is
// [ErrInterrupted] after Ctrl-C, SIGTERM or the end of ctx, and [ErrNoAnswer] after Ctrl-D.
func (t *Terminal) ReadLine(ctx context.Context, prompt string) (string, error) {
	answer, err := t.ask(ctx, prompt, nil)
	return strings.TrimSpace(answer), err
}

// ReadPassword is ReadLine for a secret: what is typed does not appear, and spaces are
// kept. The echo is off only while it waits.
func (t *Terminal) ReadPassword(ctx context.Context, prompt string) (string, error) {
	state, err := stateOf(t.in)
	if err != nil {
		return "", fmt.Errorf("read the mode of the terminal: %w", err)
	}
	return t.ask(ctx, prompt, &echo{file: t.in, state: state})
}

// Choose prints a numbered list and asks for a number until it gets one of the list. It
// also takes the name of an option, which ends before two spaces. It returns the index of
// the choice. Errors are those of ReadLine.
func (t *Terminal) Choose(ctx context.Context, title string, options []string) (int, error) {
	fmt.Fprintln(t.out, Printable(title))
	for i, option := range options {
		fmt.Fprintf(t.out, "  %*d  %s\n", len(strconv.Itoa(len(options))), i+1, Printable(option))
	}
	prompt := fmt.Sprintf("Number (1-%d): ", len(options))
	for {
		line, err := t.ReadLine(ctx, prompt)
		if err != nil {
			return 0, err
		}
		if i, ok := chosen(line, options); ok {
			return i, nil
		}
		fmt.Fprintf(t.out, "Type a number from 1 to %d.\n", len(options))
	}
}

// chosen returns the index of the option that line means: by its number, or else by its
// name, which no other option may have.
func chosen(line string, options []string) (index int, ok bool) {
	if n, err := strconv.Atoi(line); err == nil && n >= 1 && n <= len(options) {
		return n - 1, true
	}
	found := 0
	for i, option := range options {
		if name, _, _ := strings.Cut(option, "  "); name == line {
			index = i
			found++
		}
	}
	return index, found == 1
}

// echo is the mode of a terminal before its echo was turned off.
type echo struct {
	file  *os.File
	state *term.State
}

func (e *echo) off() error {
	if e == nil {
		return nil
	}
	return control(e.file, disableEcho)
}

func (e *echo) restore() error {
	if e == nil {
		return nil
	}
	return control(e.file, func(fd int) error { return term.Restore(fd, e.state) })
}

// ask prints prompt and reads a line. The signals are watched before the echo is turned
// off, so that none can end the process while it is off.
func (t *Terminal) ask(ctx context.Context, prompt string, hidden *echo) (line string, err error) {
	if ctx.Err() != nil {
		return "", ErrInterrupted
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, append(endSignals(), suspendSignals()...)...)
	defer signal.Stop(signals)
	if err := hidden.off(); err != nil {
		return "", fmt.Errorf("turn off the echo of the terminal: %w", err)
	}
	defer func() {
		if restoreErr := hidden.restore(); restoreErr != nil {
			err = errors.Join(err, fmt.Errorf("turn on the echo of the terminal: %w; run stty echo", restoreErr))
		}
		if hidden != nil || err != nil {
			fmt.Fprintln(t.out) // the end of the line did not appear
		}
	}()
	fmt.Fprint(t.out, Printable(prompt))
	return t.wait(ctx, signals, func() error {
		return errors.Join(hidden.restore(), suspend(), hidden.off(), t.print(prompt))
	})
}

func (t *Terminal) print(prompt string) error {
	_, err := fmt.Fprint(t.out, Printable(prompt))
	return err
}

// wait waits for a line, a signal, or the end of ctx. Its goroutine has ended when wait
// returns, except on systems that cannot interrupt a read of the terminal: there it ends
// with the next line.
func (t *Terminal) wait(ctx context.Context, signals <-chan os.Signal, pause func() error) (string, error) {
	type result struct {
		line string
		err  error
	}
	read := make(chan result, 1)
	go func() {
		line, err := t.readLine()
		read <- result{line, err}
	}()
	for {
		select {
		case r := <-read:
			return r.line, r.err
		case s := <-signals:
			if isSuspend(s) {
				if err := pause(); err != nil {
					return "", fmt.Errorf("suspend the question: %w", err)
				}
				continue
			}
		case <-ctx.Done():
		}
		if t.in.SetReadDeadline(time.Unix(1, 0)) == nil {
			<-read
			return "", errors.Join(ErrInterrupted, t.in.SetReadDeadline(time.Time{}))
		}
		return "", ErrInterrupted
	}
}

// readLine reads up to the end of a line, which it removes.
func (t *Terminal) readLine() (string, error) {
	buffer := make([]byte, 4096)
	for {
		if line, rest, found := strings.Cut(string(t.pending), "\n"); found {
			t.pending = []byte(rest)
			return strings.TrimSuffix(line, "\r"), nil
		}
		n, err := t.in.Read(buffer)
		t.pending = append(t.pending, buffer[:n]...)
		clear(buffer)
		if err != nil {
			t.pending = nil
			return "", readError(err)
		}
	}
}

func readError(err error) error {
	if errors.Is(err, io.EOF) {
		return ErrNoAnswer
	}
	return fmt.Errorf("read from the terminal: %w", err)
}

// control calls f with the descriptor of file. File.Fd is not used because it can make
// reads uninterruptible.
func control(file *os.File, f func(fd int) error) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	err = conn.Control(func(fd uintptr) { inner = f(int(fd)) })
	return errors.Join(err, inner)
}

func stateOf(file *os.File) (state *term.State, err error) {
	err = control(file, func(fd int) error {
		state, err = term.GetState(fd)
		return err
	})
	return state, err
}

func isTerminal(file *os.File) (is bool) {
	err := control(file, func(fd int) error {
		is = term.IsTerminal(fd)
		return nil
	})
	return err == nil && is
}
