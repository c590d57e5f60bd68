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
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
)

// partVariable is the environment variable that makes a process of this test
// binary play a part in a test, on the file that its last argument names.
const partVariable = "STORE_TEST_PART"

// Parts talk to their test in lines: they say one when they are ready and wait
// for one before they go on, so that nothing is left to timing.
const (
	partSwap = "swap" // counts to perProcess by Save alone
	partLock = "lock" // counts to perProcess under Lock
	partHold = "hold" // holds the lock from one line to the next
)

const perProcess = 10

// briefWait is how long a test waits for what must not come.
const briefWait = 60 * time.Millisecond

// lines are what a test says to a part. They are read through one reader, since a
// reader takes more than the line it returns.
type lines struct{ in *bufio.Reader }

func (l lines) wait() error {
	_, err := l.in.ReadString('\n')
	return err
}

// A part is played on a file.
type part func(context.Context, *store.File, lines) error

// play plays a part, and returns the status to exit with.
func play(name, path string) int {
	in := lines{bufio.NewReader(os.Stdin)}
	f := &store.File{Path: path}
	parts := map[string]part{
		partSwap: playSwap, partLock: playLock, partHold: playHold,
	}
	maps.Copy(parts, systemParts())
	if err := parts[name](context.Background(), f, in); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func playSwap(ctx context.Context, f *store.File, in lines) error {
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

func playLock(ctx context.Context, f *store.File, in lines) error {
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

func playHold(ctx context.Context, f *store.File, in lines) error {
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

// A process is one that plays a part.
type process struct {
	*exec.Cmd

	in  io.WriteCloser
	out *bufio.Reader
}

// start starts a process that plays a part on the file at path, and waits until it
// says its first line.
func start(t *testing.T, name, path string) *process {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^$", path)
	// The race detector lets a process linger for a second when it ends.
	cmd.Env = append(os.Environ(), partVariable+"="+name, "GORACE=atexit_sleep_ms=0")
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
	p.hear(t)
	return p
}

func (p *process) hear(t *testing.T) string {
	t.Helper()
	line, err := p.out.ReadString('\n')
	require.NoError(t, err)
	return line[:len(line)-1]
}

func (p *process) goOn(t *testing.T) {
	t.Helper()
	_, err := io.WriteString(p.in, "\n")
	require.NoError(t, err)
}

func recordPath(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "session.json")
}

// briefly returns a context that ends soon.
func briefly(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), briefWait)
	t.Cleanup(cancel)
	return ctx
}

func TestFile_NoUpdateOfAProcessIsLost(t *testing.T) {
	for _, name := range []string{partSwap, partLock} {
		t.Run(name, func(t *testing.T) {
			path := recordPath(t)
			var all []*process
			for range 3 {
				all = append(all, start(t, name, path))
			}
			for _, p := range all {
				p.goOn(t)
			}
			for _, p := range all {
				require.NoError(t, p.Wait())
			}
			data, err := (&store.File{Path: path}).Load(t.Context())
			require.NoError(t, err)
			assert.Equal(t, strconv.Itoa(3*perProcess), string(data))
		})
	}
}

func TestFile_LockKeepsOtherProcessesOut(t *testing.T) {
	f := &store.File{Path: recordPath(t)}
	holder := start(t, partHold, f.Path)
	_, err := f.Lock(briefly(t))
	require.Equal(t, context.DeadlineExceeded, err)

	holder.goOn(t)
	unlock, err := f.Lock(t.Context())
	require.NoError(t, err)
	require.NoError(t, unlock())
	require.NoError(t, holder.Wait())
}

func TestFile_LockEndsWithItsProcess(t *testing.T) {
	f := &store.File{Path: recordPath(t)}
	holder := start(t, partHold, f.Path)
	require.NoError(t, holder.Process.Kill())
	require.Error(t, holder.Wait(), "it was killed")
	unlock, err := f.Lock(t.Context())
	require.NoError(t, err)
	require.NoError(t, unlock())
}

// A process may be stopped while it holds the lock, for good. That must not keep
// a new pair of tokens from the disk.
func TestFile_SaveWaitsForNobodysLock(t *testing.T) {
	f := &store.File{Path: recordPath(t)}
	holder := start(t, partHold, f.Path)
	require.NoError(t, f.Save(t.Context(), []byte("record-one")))
	require.NoError(t, f.Save(t.Context(), []byte("record-two")))
	require.NoError(t, f.SetAside(t.Context(), "damaged"))
	require.NoError(t, f.Delete(t.Context()))
	_, err := f.Lock(briefly(t))
	require.Equal(t, context.DeadlineExceeded, err, "it does hold it")
	holder.goOn(t)
	require.NoError(t, holder.Wait())
}
