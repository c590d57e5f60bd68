package boltstore_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store/boltstore"
)

// writers is how many sessions the process saves at once that TestKill kills.
const writers = 16

// numbered returns a record that contains n, and whose content follows from n.
func numbered(n int) string {
	return fmt.Sprintf("%d:", n) + strings.Repeat(fmt.Sprintf("-%d", n), 1+n%800)
}

// write saves higher and higher numbers in the file at path, and prints each one after its
// Save has returned.
func write(path string) error {
	db, err := boltstore.Open(path, boltstore.Options{Timeout: time.Minute})
	if err != nil {
		return err
	}
	ctx := context.Background()
	failures := make(chan error)
	for i := range writers {
		go func() {
			s, n := db.Store(fmt.Sprint(i)), 0
			if data, err := s.Load(ctx); err == nil {
				_, _ = fmt.Sscanf(string(data), "%d:", &n)
			}
			for {
				n++
				if err := s.Save(ctx, []byte(numbered(n))); err != nil {
					failures <- err
				}
				fmt.Printf("saved %d %d\n", i, n)
			}
		}()
	}
	return <-failures
}

// A process that saves is killed at random instants. Each record that it has acknowledged
// is there and whole, or a later one of the same session.
func TestKill(t *testing.T) {
	if os.Getenv("AGSAUTH_PROCESSES") != "1" {
		t.Skip("AGSAUTH_PROCESSES=1 runs it")
	}
	const kills = 100
	path := filepath.Join(t.TempDir(), "sessions.db")
	saved, total := map[int]int{}, 0
	for range kills {
		for i, n := range killedWriter(t, path) {
			total += n - saved[i]
			saved[i] = n
		}
		db := openAt(t, path)
		for i, least := range saved {
			data, n := load(t, db.Store(fmt.Sprint(i))), 0
			_, err := fmt.Sscanf(data, "%d:", &n)
			require.NoError(t, err)
			require.GreaterOrEqual(t, n, least, "an acknowledged record is lost")
			require.LessOrEqual(t, n, least+1, "nobody has saved it")
			require.Equal(t, numbered(n), data)
			saved[i] = n
		}
		require.NoError(t, db.Close())
	}
	t.Logf("%d kills, %d records acknowledged", kills, total)
}

// killedWriter starts a process that saves, kills it, and returns the last number of each
// session that it has printed.
func killedWriter(t *testing.T, path string) map[int]int {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0])
	command.Env = append(os.Environ(), writerVariable+"="+path)
	var problem bytes.Buffer
	command.Stderr = &problem
	output, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	last := map[int]int{}
	kill := sync.OnceFunc(func() {
		time.AfterFunc(time.Duration(rand.Int64N(int64(60*time.Millisecond))), func() { _ = command.Process.Kill() })
	})
	for lines := bufio.NewScanner(output); lines.Scan(); {
		var i, n int
		if _, err := fmt.Sscanf(lines.Text()+"\n", "saved %d %d\n", &i, &n); err == nil {
			last[i] = n
		}
		kill()
	}
	_ = command.Wait()
	require.NotEmpty(t, last, "it has not begun: %s", problem.String())
	return last
}
