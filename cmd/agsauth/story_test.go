//go:build unix

package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// Each file in testdata/script is a story: what a user types, and what comes of it.
func TestStories(t *testing.T) {
	watchCommandLines(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		Setup:               setupStory,
		Cmds:                storyCommands(),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
	})
}

// The stories have these commands besides those of testscript:
//
//	gateway [FLAG...]           start "agsauth gateway" with a listener on a free port; its
//	                            URLs are then in $GATEWAY, $API and $ADMIN
//	background NAME PROGRAM...  start a program; its output goes to the files NAME.out and NAME.err
//	terminate NAME [STATUS]     send it SIGTERM, and require the exit status, 0 by default
//	sigkill NAME                send it SIGKILL
//	admin METHOD PATH [BODY]    call the gateway's admin interface; the answer is the standard output
//	count N OP                  require that the gateway has received N requests of an operation
//	parallel N PROGRAM...       run a program N times at once; all must succeed, and print the same
//	status N PROGRAM...         run a program, and require its exit status
//	until PROGRAM...            run a program again and again, until it succeeds or 20 s have passed
//	pause DURATION              let time pass that a token's life takes
//
// At the end of each story nothing that was printed may have a token or a password in it,
// except for what the commands print whose purpose that is.
func storyCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"gateway": startGateway, "background": background, "terminate": terminate, "sigkill": sigkill,
		"admin": admin, "count": count, "parallel": parallel, "status": status, "until": until, "pause": pause,
	}
}

// waitLimit is how long a story waits for something before it fails.
const waitLimit = 20 * time.Second

// setupStory gives the story a home of its own, and makes its files readable by the user
// only, as files with passwords must be.
func setupStory(env *testscript.Env) error {
	files, err := os.ReadDir(env.WorkDir)
	if err != nil {
		return err
	}
	for _, file := range files {
		if file.Type().IsRegular() {
			if err := os.Chmod(filepath.Join(env.WorkDir, file.Name()), 0o600); err != nil {
				return err
			}
		}
	}
	home := filepath.Join(env.WorkDir, "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		return err
	}
	env.Setenv("HOME", home)
	env.Setenv("XDG_CONFIG_HOME", filepath.Join(home, "config"))
	env.Setenv("XDG_STATE_HOME", filepath.Join(home, "state"))
	env.Setenv("NO_PROXY", "*")
	env.Setenv(raceVariable, os.Getenv(raceVariable))
	env.Setenv(coverVariable, os.Getenv(coverVariable))
	s := &story{programs: map[string]*program{}}
	env.Values[storyKey{}] = s
	env.Defer(func() {
		s.killAll()
		if err := s.noSecrets(env.WorkDir); err != nil {
			env.T().Fatal(err)
		}
	})
	return nil
}

type storyKey struct{}

// story is the state of a story.
type story struct {
	mu       sync.Mutex
	programs map[string]*program
	printed  bytes.Buffer // what agsauth has printed, where no token may be
}

type program struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the program has ended
}

func storyOf(ts *testscript.TestScript) *story { return ts.Value(storyKey{}).(*story) }

func (s *story) killAll() {
	for _, p := range s.programs {
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// programOf returns a program that runs in the story's environment.
func programOf(ts *testscript.TestScript, args []string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = ts.Getenv("WORK")
	for _, name := range []string{"PATH", "HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "NO_PROXY", "WORK", "TMPDIR", raceVariable, coverVariable} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	for _, name := range []string{"GATEWAY", "API", "ADMIN"} {
		if value := ts.Getenv(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	for _, name := range settingVariables {
		if value := ts.Getenv(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	path, err := lookPath(args[0], ts.Getenv("PATH"))
	ts.Check(err)
	cmd.Path, cmd.Err = path, nil
	return cmd
}

// settingVariables are the variables that stories set.
var settingVariables = []string{
	"AGSAUTH_GATEWAY", "AGSAUTH_SERVICE", "AGSAUTH_TENANT", "AGSAUTH_API", "AGSAUTH_PROFILE", "AGSAUTH_CONFIG",
	"AGSAUTH_CA_FILE", "AGSAUTH_STORE", "AGSAUTH_PARAM_FILE", "CREDENTIALS_DIRECTORY", "NO_COLOR",
}

func lookPath(name, path string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, dir := range filepath.SplitList(path) {
		whole := filepath.Join(dir, name)
		if info, err := os.Stat(whole); err == nil && !info.IsDir() {
			return whole, nil
		}
	}
	return "", fmt.Errorf("%s is not in the path", name)
}

func startGateway(ts *testscript.TestScript, _ bool, args []string) {
	cmd := programOf(ts, append([]string{"agsauth", "gateway", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, args...))
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	cmd.Stderr = create(ts, "gateway.err")
	ts.Check(cmd.Start())
	storyOf(ts).keep("gateway", cmd)
	line, err := bufio.NewReader(out).ReadString('\n')
	ts.Check(err)
	var urls struct{ URL, API, Admin string }
	ts.Check(json.Unmarshal([]byte(line), &urls))
	ts.Setenv("GATEWAY", urls.URL)
	ts.Setenv("API", urls.API)
	ts.Setenv("ADMIN", urls.Admin)
}

func create(ts *testscript.TestScript, name string) *os.File {
	file, err := os.Create(ts.MkAbs(name))
	ts.Check(err)
	return file
}

// keep keeps a program that was started, and waits for it.
func (s *story) keep(name string, cmd *exec.Cmd) {
	p := &program{cmd: cmd, done: make(chan struct{})}
	s.programs[name] = p
	go func() {
		defer close(p.done)
		_ = cmd.Wait()
	}()
}

func background(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: background NAME PROGRAM...")
	}
	cmd := programOf(ts, args[1:])
	cmd.Stdout, cmd.Stderr = create(ts, args[0]+".out"), create(ts, args[0]+".err")
	ts.Check(cmd.Start())
	storyOf(ts).keep(args[0], cmd)
}

func (s *story) find(ts *testscript.TestScript, args []string) *program {
	if len(args) == 0 || s.programs[args[0]] == nil {
		ts.Fatalf("there is no such program: %q", args)
	}
	return s.programs[args[0]]
}

func terminate(ts *testscript.TestScript, _ bool, args []string) {
	p, want := storyOf(ts).find(ts, args), "0"
	if len(args) > 1 {
		want = args[1]
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(waitLimit):
		ts.Fatalf("%s has not ended", args[0])
	}
	if got := strconv.Itoa(p.cmd.ProcessState.ExitCode()); got != want {
		content, _ := os.ReadFile(ts.MkAbs(args[0] + ".err"))
		ts.Fatalf("%s has ended with %s, want %s:\n%s", args[0], got, want, content)
	}
}

func sigkill(ts *testscript.TestScript, _ bool, args []string) {
	p := storyOf(ts).find(ts, args)
	_ = p.cmd.Process.Kill()
	<-p.done
}

func admin(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: admin METHOD PATH [BODY]")
	}
	answer, status := callAdmin(ts, args[0], args[1], strings.Join(args[2:], " "))
	fmt.Fprint(ts.Stdout(), answer)
	if failed := status >= 300; failed != neg {
		ts.Fatalf("%s %s: status %d: %s", args[0], args[1], status, answer)
	}
}

func callAdmin(ts *testscript.TestScript, method, path, body string) (answer string, status int) {
	rq, err := http.NewRequest(method, strings.TrimSuffix(ts.Getenv("ADMIN"), "/")+path, strings.NewReader(body))
	ts.Check(err)
	if body != "" {
		rq.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(rq)
	ts.Check(err)
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	ts.Check(err)
	return string(content), resp.StatusCode
}

func count(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: count N OP")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	op := strings.Join(args[1:], " ")
	answer, _ := callAdmin(ts, "GET", "/requests?op="+strings.ReplaceAll(op, " ", "+"), "")
	var got struct{ Requests []struct{ Op string } }
	ts.Check(json.Unmarshal([]byte(answer), &got))
	if len(got.Requests) != want {
		ts.Fatalf("%d requests of %q, want %d:\n%s", len(got.Requests), op, want, answer)
	}
}

// result is what a program has come to.
type result struct {
	status      int
	out, errOut string
}

// printsTokens are the commands whose standard output may have a token in it.
var printsTokens = map[string]bool{"token": true, "exec": true, "request": true}

// runProgram runs a program to its end.
func runProgram(ts *testscript.TestScript, args []string) result {
	cmd := programOf(ts, args)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	if cmd.ProcessState == nil {
		ts.Fatalf("%v", err)
	}
	if strings.HasSuffix(args[0], "agsauth") {
		s := storyOf(ts)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.printed.Write(errOut.Bytes())
		if len(args) > 1 && !printsTokens[args[1]] {
			s.printed.Write(out.Bytes())
		}
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
}

func (r result) print(ts *testscript.TestScript) {
	fmt.Fprint(ts.Stdout(), r.out)
	fmt.Fprint(ts.Stderr(), r.errOut)
}

func parallel(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	results := make([]result, n)
	var all sync.WaitGroup
	for i := range results {
		all.Go(func() { results[i] = runProgram(ts, args[1:]) })
	}
	all.Wait()
	for i, r := range results {
		if r.status != 0 || r.out != results[0].out {
			ts.Fatalf("run %d: status %d, other output than the first: %t\n%s", i, r.status, r.out != results[0].out, r.errOut)
		}
	}
	results[0].print(ts)
}

func status(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	r := runProgram(ts, args[1:])
	r.print(ts)
	if r.status != want {
		ts.Fatalf("status %d, want %d\n%s%s", r.status, want, r.out, r.errOut)
	}
}

func until(ts *testscript.TestScript, neg bool, args []string) {
	for deadline := time.Now().Add(waitLimit); ; time.Sleep(50 * time.Millisecond) {
		r := runProgram(ts, args)
		if (r.status == 0) != neg {
			r.print(ts)
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("status %d for %v\n%s%s", r.status, waitLimit, r.out, r.errOut)
		}
	}
}

func pause(ts *testscript.TestScript, _ bool, args []string) {
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	time.Sleep(d)
}

// jwt matches a token of the gateway.
var jwt = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}`)

// noSecrets returns an error if standard error or a log has a token or a password in it.
func (s *story) noSecrets(dir string) error {
	s.mu.Lock()
	printed := s.printed.String()
	s.mu.Unlock()
	files, _ := filepath.Glob(filepath.Join(dir, "*.err"))
	outputs, _ := filepath.Glob(filepath.Join(dir, "*.out"))
	files = append(files, outputs...)
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		printed += string(content)
	}
	for _, secret := range []string{"open sesame", "open%20sesame", "open+sesame"} {
		if strings.Contains(printed, secret) {
			return fmt.Errorf("a password was printed:\n%s", printed)
		}
	}
	if jwt.MatchString(printed) {
		return fmt.Errorf("a token was printed:\n%s", printed)
	}
	return nil
}
