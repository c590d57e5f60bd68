package store_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
)

// childVariable is the environment variable with the name of the function that a child
// process runs, on the file of its last argument.
const childVariable = "STORE_TEST_PART"

// A child prints a line when it is ready, and waits for a line before it continues.
const (
	childCompareAndSwap = "swap" // adds perProcess to the record without the lock
	childLock           = "lock" // adds perProcess to the record with the lock
	childHold           = "hold" // holds the lock until it reads a line
)

const perProcess = 10

// lines are the lines that a test sends to a child.
type lines struct{ in *bufio.Reader }

func (l lines) wait() error {
	_, err := l.in.ReadString('\n')
	return err
}

// A childFunc is the function of a child process.
type childFunc func(context.Context, *store.File, lines) error

// runChild runs the function called name, and returns the exit status.
func runChild(name, path string) int {
	in := lines{bufio.NewReader(os.Stdin)}
	f := &store.File{Path: path}
	children := map[string]childFunc{
		childCompareAndSwap: runCompareAndSwap, childLock: runLock, childHold: runHold,
	}
	maps.Copy(children, unixChildren())
	if err := children[name](context.Background(), f, in); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func runCompareAndSwap(ctx context.Context, f *store.File, in lines) error {
	if err := ready(in); err != nil {
		return err
	}
	for done := 0; done < perProcess; {
		switch err := increment(ctx, f); {
		case err == nil:
			done++
		case !errors.Is(err, fs.ErrExist):
			return err
		}
	}
	return nil
}

func runLock(ctx context.Context, f *store.File, in lines) error {
	if err := ready(in); err != nil {
		return err
	}
	for range perProcess {
		unlock, err := f.Lock(ctx)
		if err != nil {
			return err
		}
		if err := errors.Join(increment(ctx, f), unlock()); err != nil {
			return err
		}
	}
	return nil
}

func runHold(ctx context.Context, f *store.File, in lines) error {
	unlock, err := f.Lock(ctx)
	if err != nil {
		return err
	}
	return errors.Join(ready(in), unlock())
}

func ready(in lines) error {
	fmt.Println("ready")
	return in.wait()
}

func increment(ctx context.Context, f *store.File) error {
	n := 0
	data, err := f.Load(ctx)
	if err == nil {
		n, err = strconv.Atoi(string(data))
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return err
	}
	return f.Save(ctx, []byte(strconv.Itoa(n+1)))
}

// A process is a child process.
type process struct {
	*exec.Cmd

	in  io.WriteCloser
	out *bufio.Reader
}

// start starts a child process on the file at path, and waits for its first line.
func start(t *testing.T, name, path string) *process {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^$", path)
	// Without this option the race detector delays the exit by a second.
	cmd.Env = append(os.Environ(), childVariable+"="+name, "GORACE=atexit_sleep_ms=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s: %s", name, &stderr)
		}
	})
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	p := &process{cmd, in, bufio.NewReader(out)}
	p.readLine(t)
	return p
}

func (p *process) readLine(t *testing.T) string {
	t.Helper()
	line, err := p.out.ReadString('\n')
	require.NoError(t, err)
	return line[:len(line)-1]
}

func (p *process) proceed(t *testing.T) {
	t.Helper()
	_, err := io.WriteString(p.in, "\n")
	require.NoError(t, err)
}

func TestFile_ProcessesLoseNoUpdate(t *testing.T) {
	for _, name := range []string{childCompareAndSwap, childLock} {
		t.Run(name, func(t *testing.T) {
			path := recordPath(t)
			var all []*process
			for range 3 {
				all = append(all, start(t, name, path))
			}
			for _, p := range all {
				p.proceed(t)
			}
			for _, p := range all {
				require.NoError(t, p.Wait())
			}
			assertRecord(t, path, strconv.Itoa(3*perProcess))
		})
	}
}

// While another process holds the lock, all methods work except Lock.
func TestFile_LockHeldByAnotherProcess(t *testing.T) {
	f := &store.File{Path: recordPath(t)}
	holder := start(t, childHold, f.Path)
	_, err := f.Lock(briefly(t))
	require.Equal(t, context.DeadlineExceeded, err)
	require.NoError(t, f.Save(t.Context(), []byte("record-one")))
	require.NoError(t, f.Save(t.Context(), []byte("record-two")))
	require.NoError(t, f.SetAside(t.Context(), "damaged"))
	require.NoError(t, f.Delete(t.Context()))
	_, err = f.Lock(briefly(t))
	require.Equal(t, context.DeadlineExceeded, err)

	holder.proceed(t)
	unlock, err := f.Lock(t.Context())
	require.NoError(t, err)
	require.NoError(t, unlock())
	require.NoError(t, holder.Wait())
}

func TestFile_LockEndsWithItsProcess(t *testing.T) {
	f := &store.File{Path: recordPath(t)}
	holder := start(t, childHold, f.Path)
	require.NoError(t, holder.Process.Kill())
	require.Error(t, holder.Wait(), "it was killed")
	unlock, err := f.Lock(t.Context())
	require.NoError(t, err)
	require.NoError(t, unlock())
}
