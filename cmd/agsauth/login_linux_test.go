package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/ptytest"
)

// person uses the program on a terminal, in a home of their own.
type person struct {
	t    *testing.T
	srv  *agstest.Server
	home string
}

func newPerson(t *testing.T, cfg agstest.Config) *person {
	t.Helper()
	srv := agstest.NewServer(cfg)
	t.Cleanup(srv.Close)
	return &person{t, srv, t.TempDir()}
}

func twoAccounts() []agstest.Account {
	return []agstest.Account{
		{ID: "1663", Username: agstest.DefaultUsername, Password: agstest.DefaultPassword},
		{ID: "1664", Username: agstest.DefaultUsername, Password: agstest.DefaultPassword},
	}
}

func (p *person) command(args ...string) *exec.Cmd {
	cmd := exec.Command("agsauth", args...)
	cmd.Env = []string{
		raceVariable + "=" + os.Getenv(raceVariable), coverVariable + "=" + os.Getenv(coverVariable),
		"PATH=" + os.Getenv("PATH"), "HOME=" + p.home, "TERM=xterm-256color", "NO_PROXY=*",
		"XDG_CONFIG_HOME=" + filepath.Join(p.home, "config"), "XDG_STATE_HOME=" + filepath.Join(p.home, "state"),
	}
	return cmd
}

func (p *person) start(args ...string) *ptytest.Program {
	p.t.Helper()
	return ptytest.Start(p.t, p.command(args...))
}

// signIn signs on without a terminal.
func (p *person) signIn(args ...string) (out string, err error) {
	p.t.Helper()
	file := filepath.Join(p.home, "params")
	require.NoError(p.t, os.WriteFile(file, []byte("username=dave\npassword=open sesame\n"), 0o600))
	printed, err := p.command(append([]string{"login", "--gateway", p.srv.URL, "--param-file", file}, args...)...).CombinedOutput()
	return string(printed), err
}

func TestLogin_AsksForAllAndLetsChoose(t *testing.T) {
	t.Parallel()
	p := newPerson(t, agstest.Config{Accounts: twoAccounts()})
	login := p.start("login")
	login.WaitFor("URL of the gateway: ")
	login.Press(p.srv.URL + "\n")
	login.WaitFor("username: ")
	login.Press("dave\n")
	login.WaitFor("password: ")
	require.False(t, login.HasEcho())
	login.Press("open sesame\n")
	login.WaitFor("Number (1-2): ")
	require.True(t, login.HasEcho())
	assert.Contains(t, login.Text(), "Several accounts match:\r\n  1  1663  username=dave\r\n  2  1664  username=dave\r\n")
	login.Press("1664\n")
	require.Equal(t, 0, login.Wait(), login.Text())
	login.WaitFor("Signed in: account 1664, device PUB_1.")
	assert.NotContains(t, login.Text(), "sesame")

	again := p.start("login")
	require.Equal(t, 0, again.Wait(), again.Text())
	again.WaitFor("Already signed in: account 1664, device PUB_1.")
	assert.Equal(t, 1, p.srv.Count(agstest.SignOn))
}

func TestLogin_ChoosesService(t *testing.T) {
	t.Parallel()
	p := newPerson(t, agstest.Config{AuthServiceIDs: []string{"Staff", "Customer \x1b[31mAuth"}})
	login := p.start("login", "--gateway", p.srv.URL, "--param", "username=dave")
	login.WaitFor("Number (1-2): ")
	assert.NotContains(t, login.Text(), "\x1b[31m")
	login.Press("1\n")
	login.WaitFor("password: ")
	login.Press("open sesame\n")
	require.Equal(t, 0, login.Wait(), login.Text())

	// The service is remembered: a refresh needs it.
	out, err := p.command("status", "--check").CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Equal(t, "Staff", p.srv.Requests(agstest.Refresh)[0].Header.Get("X-Auth-Service-Id"))
}

func TestLogin_Interrupted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		stop func(*ptytest.Program)
	}{
		{"Ctrl-C", func(login *ptytest.Program) { login.Press("open\x03") }},
		{"SIGTERM", func(login *ptytest.Program) { login.Signal(syscall.SIGTERM) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPerson(t, agstest.Config{})
			login := p.start("login", "--gateway", p.srv.URL, "--param", "username=dave")
			login.WaitFor("password: ")
			require.False(t, login.HasEcho())
			tt.stop(login)
			assert.Equal(t, 130, login.Wait(), login.Text())
			assert.True(t, login.HasEcho())
			assert.NotContains(t, login.Text(), "open")
			assert.Zero(t, p.srv.Count(agstest.SignOn))
		})
	}
}

// The question is asked under the store's lock. Nothing is stored then, and the next login
// can have it.
func TestLogin_InterruptedAtTheAccount(t *testing.T) {
	t.Parallel()
	p := newPerson(t, agstest.Config{Accounts: twoAccounts()})
	login := p.start("login", "--gateway", p.srv.URL, "--param", "username=dave")
	login.WaitFor("password: ")
	login.Press("open sesame\n")
	login.WaitFor("Number (1-2): ")
	login.Press("\x03")
	assert.Equal(t, 130, login.Wait(), login.Text())
	assert.Zero(t, p.srv.Count(agstest.SubsequentSignOn))

	out, err := p.signIn("--account", "1664")
	require.NoError(t, err, out)
	assert.Contains(t, out, "Signed in: account 1664, device PUB_1.")
}

func TestLogin_RedirectedInputIsNotAsked(t *testing.T) {
	t.Parallel()
	p := newPerson(t, agstest.Config{})
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, null.Close()) })
	cmd := p.command("login", "--gateway", p.srv.URL)
	cmd.Stdin = null
	login := ptytest.Start(t, cmd)
	assert.Equal(t, 2, login.Wait())
	login.WaitFor("there is no terminal to ask for username, password")
}

func TestLogin_OutputMayBeRedirected(t *testing.T) {
	t.Parallel()
	p := newPerson(t, agstest.Config{})
	out, err := os.Create(filepath.Join(p.home, "out"))
	require.NoError(t, err)
	cmd := p.command("login", "--gateway", p.srv.URL)
	cmd.Stdout, cmd.Stderr = out, out
	login := ptytest.Start(t, cmd)
	login.WaitFor("username: ")
	login.Press("dave\n")
	login.WaitFor("password: ")
	login.Press("open sesame\n")
	require.Equal(t, 0, login.Wait())
	require.NoError(t, out.Close())
	content, err := os.ReadFile(out.Name())
	require.NoError(t, err)
	assert.Regexp(t, "^Signed in: account 1663, device PUB_1.\nThe session ends in 30 d, on .*\n$", string(content))
}

func TestStatus_OnATerminal(t *testing.T) {
	t.Parallel()
	p := newPerson(t, agstest.Config{})
	out, err := p.signIn()
	require.NoError(t, err, out)
	status := p.start("status")
	require.Equal(t, 0, status.Wait(), status.Text())
	status.WaitFor("\x1b[32mfresh\x1b[m")

	for _, variable := range []string{"NO_COLOR=1", "TERM=dumb"} {
		cmd := p.command("status")
		cmd.Env = append(cmd.Env, variable)
		plain := ptytest.Start(t, cmd)
		require.Equal(t, 0, plain.Wait())
		plain.WaitFor("fresh")
		assert.NotContains(t, plain.Text(), "\x1b")
	}
}

func TestStatus_Watch(t *testing.T) {
	t.Parallel()
	p := newPerson(t, agstest.Config{})
	out, err := p.signIn()
	require.NoError(t, err, out)
	watch := p.start("status", "--watch")
	watch.WaitFor("q quit")
	watch.WaitFor("fresh")

	// It shows what other processes do.
	printed, err := p.command("logout").CombinedOutput()
	require.NoError(t, err, string(printed))
	watch.WaitFor("signed out")
	watch.Press("q")
	assert.Equal(t, 0, watch.Wait(), watch.Text())
	assert.True(t, watch.HasEcho())

	watch = p.start("status", "--watch")
	watch.WaitFor("q quit")
	watch.Press("\x03")
	assert.Equal(t, 130, watch.Wait(), watch.Text())
	assert.True(t, watch.HasEcho())
}

func TestLogin_SlowGatewayIsTold(t *testing.T) {
	t.Parallel()
	p := newPerson(t, agstest.Config{})
	release := p.srv.Hold(agstest.Discovery)
	login := p.start("login", "--gateway", p.srv.URL)
	login.WaitFor("agsauth: waiting for the gateway …")
	release()
	login.WaitFor("username: ")
	login.Press("\x04")
	assert.Equal(t, 2, login.Wait())
	login.WaitFor("agsauth: ask for username: no answer was given; answer it, or give the parameter in the file of --param-file, or with --param if it is no secret")
}

func TestLogin_ParametersFromStandardInput(t *testing.T) {
	t.Parallel()
	p := newPerson(t, agstest.Config{})
	cmd := p.command("login", "--gateway", p.srv.URL, "--param-file", "-")
	cmd.Stdin = strings.NewReader("username=dave\npassword=open sesame\n")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Contains(t, string(out), "Signed in: account 1663")
}

// Two people who sign on at once with one profile get one session of one device.
func TestLogin_TwoAtOnce(t *testing.T) {
	t.Parallel()
	p := newPerson(t, agstest.Config{})
	release := p.srv.Hold(agstest.SignOn)
	logins := []*ptytest.Program{
		p.start("login", "--gateway", p.srv.URL, "--param", "username=dave"),
		p.start("login", "--gateway", p.srv.URL, "--param", "username=dave"),
	}
	for _, login := range logins {
		login.WaitFor("password: ")
		login.Press("open sesame\n")
	}
	require.Eventually(t, func() bool { return p.srv.Count(agstest.SignOn) == 1 }, 30*time.Second, time.Millisecond)
	release()
	for _, login := range logins {
		assert.Equal(t, 0, login.Wait(), login.Text())
		login.WaitFor("account 1663, device PUB_1.")
	}
	assert.Equal(t, 1, p.srv.Count(agstest.SignOn))
}
