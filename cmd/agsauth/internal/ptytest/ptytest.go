//go:build linux

// Package ptytest is the user's side of a terminal, for tests of what a program shows and
// asks.
package ptytest

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// waitLimit is how long to wait for a program.
const waitLimit = 30 * time.Second

// Screen is a terminal of 80 × 24 cells, as its user sees it.
type Screen struct {
	tb     testing.TB
	master *os.File

	mu    sync.Mutex // guards shown
	shown bytes.Buffer
}

// New returns a screen and the program's side of it. Both are closed at the end of the test.
func New(tb testing.TB) (s *Screen, slave *os.File) {
	tb.Helper()
	master, slave, err := pty.Open()
	require.NoError(tb, err)
	s = &Screen{tb: tb, master: master}
	s.Resize(80, 24)
	var wg sync.WaitGroup
	wg.Go(s.read)
	tb.Cleanup(func() {
		assert.NoError(tb, slave.Close())
		wg.Wait() // the read fails when no program has the other side open
		assert.NoError(tb, master.Close())
	})
	return s, slave
}

func (s *Screen) read() {
	buffer := make([]byte, 4096)
	for {
		n, err := s.master.Read(buffer)
		s.mu.Lock()
		s.shown.Write(buffer[:n])
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Resize changes the size of the terminal.
func (s *Screen) Resize(columns, rows uint16) {
	s.tb.Helper()
	require.NoError(s.tb, pty.Setsize(s.master, &pty.Winsize{Cols: columns, Rows: rows}))
}

// Text returns all that was shown so far.
func (s *Screen) Text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown.String()
}

// WaitFor waits until text was shown.
func (s *Screen) WaitFor(text string) {
	s.tb.Helper()
	shown := func() bool { return strings.Contains(s.Text(), text) }
	if !assert.Eventually(s.tb, shown, waitLimit, time.Millisecond) {
		s.tb.Fatalf("%q does not appear in:\n%s", text, s.Text())
	}
}

// Press types keys.
func (s *Screen) Press(keys string) {
	s.tb.Helper()
	_, err := s.master.WriteString(keys)
	require.NoError(s.tb, err)
}

// HasEcho reports whether the terminal shows what is typed.
func (s *Screen) HasEcho() bool {
	s.tb.Helper()
	conn, err := s.master.SyscallConn()
	require.NoError(s.tb, err)
	var mode *unix.Termios
	require.NoError(s.tb, conn.Control(func(fd uintptr) { mode, err = unix.IoctlGetTermios(int(fd), unix.TCGETS) }))
	require.NoError(s.tb, err)
	return mode.Lflag&unix.ECHO != 0
}

// Program is a program whose terminal is a Screen.
type Program struct {
	*Screen
	Cmd *exec.Cmd
}

// Start starts a program on a Screen. The standard streams that cmd does not set are the
// terminal.
func Start(tb testing.TB, cmd *exec.Cmd) *Program {
	tb.Helper()
	s, slave := New(tb)
	if cmd.Stdin == nil {
		cmd.Stdin = slave
	}
	if cmd.Stdout == nil {
		cmd.Stdout = slave
	}
	if cmd.Stderr == nil {
		cmd.Stderr = slave
	}
	cmd.ExtraFiles = []*os.File{slave}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}
	require.NoError(tb, cmd.Start())
	tb.Cleanup(func() { _ = cmd.Process.Kill() }) // it has ended, unless the test has failed
	return &Program{s, cmd}
}

// Signal sends the program a signal.
func (p *Program) Signal(sig os.Signal) {
	p.tb.Helper()
	require.NoError(p.tb, p.Cmd.Process.Signal(sig))
}

// Wait waits for the program's end and returns its exit status.
func (p *Program) Wait() int {
	p.tb.Helper()
	if err := p.Cmd.Wait(); err != nil {
		var failed *exec.ExitError
		require.ErrorAs(p.tb, err, &failed)
	}
	return p.Cmd.ProcessState.ExitCode()
}
