// Package child runs another program on behalf of this one.
package child

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"

	agsexit "github.com/agsauth/agsauth/cmd/agsauth/internal/exit"
)

// The exit statuses of a program that could not be run, as in env(1) and timeout(1).
const (
	StatusOwn           = 125 // this program has failed
	StatusNotExecutable = 126
	StatusNotFound      = 127
)

// Find returns the path of a program. The error has the exit status that a shell would
// use.
func Find(name string) (string, error) {
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
		return path, nil
	case errors.Is(err, exec.ErrDot):
		return "", notRun(StatusNotFound, name, "it is in the current folder only; write ./"+name)
	case errors.Is(err, fs.ErrPermission) || isThere(name):
		return "", notRun(StatusNotExecutable, name, "it cannot be executed")
	}
	return "", notRun(StatusNotFound, name, "it was not found")
}

// isThere reports whether a path names a file, which then is not executable.
func isThere(name string) bool {
	_, err := os.Stat(name)
	return err == nil && strings.ContainsRune(name, os.PathSeparator)
}

func notRun(status int, name, why string) error {
	return &agsexit.Error{Status: status, Err: fmt.Errorf("exec: %s: %s", name, why)}
}

// Own gives an error of this program the status that tells it from those of the child.
// command is that of [agsexit.Message].
func Own(err error, command func(name string) string) error {
	if err == nil {
		return nil
	}
	return &agsexit.Error{Status: StatusOwn, Err: errors.New(agsexit.Message(err, command))}
}

// Environ returns the environment env with the variables of vars in it, each of which
// replaces one of the same name.
func Environ(env []string, vars map[string]string) []string {
	var result []string
	for _, entry := range env {
		name, _, _ := strings.Cut(entry, "=")
		if _, replaced := vars[name]; !replaced {
			result = append(result, entry)
		}
	}
	for name, value := range vars {
		result = append(result, name+"="+value)
	}
	return result
}

// Run runs a program with our standard streams, and passes the signals on that arrive.
// It returns when the program has ended; the error then has its exit status.
func Run(path string, args, env []string, signals <-chan os.Signal) error {
	// The end of a context would kill the program. It gets signals instead.
	cmd := &exec.Cmd{Path: path, Args: args, Env: env, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	if err := cmd.Start(); err != nil {
		return notRun(StatusNotExecutable, args[0], "it cannot be executed")
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // statusOf tells the outcome
	}()
	for {
		select {
		case s := <-signals:
			if !arrivesAnyway(s) {
				_ = cmd.Process.Signal(s)
			}
		case <-ended:
			if status := statusOf(cmd.ProcessState); status != 0 {
				return &agsexit.Error{Status: status}
			}
			return nil
		}
	}
}
