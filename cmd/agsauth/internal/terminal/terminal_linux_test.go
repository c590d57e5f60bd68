package terminal_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/ptytest"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/terminal"
)

// start starts this test's program, which asks one question. Its terminal is neither its
// standard input nor its standard output.
func start(t *testing.T, question string) (p *ptytest.Program, out *bytes.Buffer) {
	t.Helper()
	out = &bytes.Buffer{}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), askVariable+"="+question)
	cmd.Stdin, cmd.Stdout = strings.NewReader("not this\n"), out
	return ptytest.Start(t, cmd), out
}

func TestReadPassword_IsNotShown(t *testing.T) {
	p, out := start(t, "password")
	p.WaitFor("Password: ")
	assert.False(t, p.HasEcho())
	p.Press(" open sesame \n")
	require.Equal(t, 0, p.Wait())
	assert.Equal(t, " open sesame <nil>", out.String())
	assert.Equal(t, "Password: \r\n", p.Text())
	assert.True(t, p.HasEcho())
}

func TestReadPassword_RestoresEcho(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(*ptytest.Program)
	}{
		{"Ctrl-C", func(p *ptytest.Program) { p.Press("half\x03") }},
		{"SIGTERM", func(p *ptytest.Program) { p.Signal(syscall.SIGTERM) }},
		{"SIGHUP", func(p *ptytest.Program) { p.Signal(syscall.SIGHUP) }},
		{"SIGQUIT", func(p *ptytest.Program) { p.Press("\x1c") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, out := start(t, "password")
			p.WaitFor("Password: ")
			require.False(t, p.HasEcho())
			tt.end(p)
			assert.Equal(t, 130, p.Wait())
			assert.True(t, p.HasEcho())
			assert.Empty(t, out.String())
			assert.NotContains(t, p.Text(), "half")
		})
	}
}

func TestReadPassword_CtrlZ(t *testing.T) {
	p, out := start(t, "password")
	p.WaitFor("Password: ")
	p.Press("\x1a")
	var status syscall.WaitStatus
	pid, err := syscall.Wait4(p.Cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
	require.NoError(t, err)
	require.Equal(t, p.Cmd.Process.Pid, pid)
	require.True(t, status.Stopped())
	assert.True(t, p.HasEcho(), "while it is stopped")

	p.Signal(syscall.SIGCONT)
	p.WaitFor("Password: Password: ")
	assert.False(t, p.HasEcho(), "after it was continued")
	p.Press("secret\n")
	require.Equal(t, 0, p.Wait())
	assert.Equal(t, "secret<nil>", out.String())
	assert.NotContains(t, p.Text(), "secret")
}

func TestReadLine(t *testing.T) {
	p, out := start(t, "line")
	p.WaitFor("Name: ")
	p.Press(" dave x\x7f \n")
	require.Equal(t, 0, p.Wait())
	assert.Equal(t, "dave<nil>", out.String())
	assert.Contains(t, p.Text(), "Name:  dave x")
}

func TestReadLine_EndOfInput(t *testing.T) {
	p, out := start(t, "line")
	p.WaitFor("Name: ")
	p.Press("\x04")
	require.Equal(t, 0, p.Wait())
	assert.Equal(t, terminal.ErrNoAnswer.Error(), out.String())
}

func TestChoose(t *testing.T) {
	p, out := start(t, "choice")
	p.WaitFor("Number (1-5): ")
	for _, wrong := range []string{"6", "0", "-1", "third", "twin", ""} {
		p.Press(wrong + "\n")
	}
	p.Press("2\n")
	require.Equal(t, 0, p.Wait())
	assert.Equal(t, "index 1<nil>", out.String())
	assert.Equal(t, 6, strings.Count(p.Text(), "Type a number from 1 to 5."))
	assert.Contains(t, p.Text(), "Accounts:\r\n  1  first\r\n  2  sec\ufffd[31mond\r\n")
}

func TestChoose_ByName(t *testing.T) {
	p, out := start(t, "choice")
	p.WaitFor("Number (1-5): ")
	p.Press("1664\n")
	require.Equal(t, 0, p.Wait())
	assert.Equal(t, "index 2<nil>", out.String())
}

func TestOpen_NoTerminal(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), askVariable+"=line")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.Output()
	var failed *exec.ExitError
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, 2, failed.ExitCode())
	assert.Contains(t, string(out), terminal.ErrNone.Error())
}

func TestOn_NoTerminal(t *testing.T) {
	file, err := os.Open(os.DevNull)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, file.Close()) })
	_, err = terminal.On(file, file)
	assert.ErrorIs(t, err, terminal.ErrNone)
}

func TestAsk_ContextEnds(t *testing.T) {
	s, slave := ptytest.New(t)
	term, err := terminal.On(slave, slave)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := term.ReadPassword(ctx, "Password: ")
		failed <- err
	}()
	s.WaitFor("Password: ")
	require.False(t, s.HasEcho())
	cancel()
	require.ErrorIs(t, <-failed, terminal.ErrInterrupted)
	assert.True(t, s.HasEcho())

	before := s.Text()
	_, err = term.ReadLine(ctx, "Name: ")
	require.ErrorIs(t, err, terminal.ErrInterrupted)
	assert.Equal(t, before, s.Text(), "nothing is asked after the end")

	s.Press("dave\n")
	name, err := term.ReadLine(t.Context(), "Name: ")
	require.NoError(t, err)
	assert.Equal(t, "dave", name, "the next question can be answered")
}

func TestViewOf_Terminal(t *testing.T) {
	s, slave := ptytest.New(t)
	s.Resize(120, 40)
	for _, tt := range []struct {
		name  string
		env   map[string]string
		color bool
	}{
		{"plain", map[string]string{"TERM": "xterm"}, true},
		{"no color", map[string]string{"TERM": "xterm", "NO_COLOR": "1"}, false},
		{"empty NO_COLOR", map[string]string{"TERM": "xterm", "NO_COLOR": ""}, true},
		{"dumb", map[string]string{"TERM": "dumb"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := terminal.ViewOf(slave, func(name string) string { return tt.env[name] })
			assert.Equal(t, terminal.View{IsTerminal: true, Color: tt.color, Width: 120, Height: 40}, got)
		})
	}
}
