//go:build unix

package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// watchCommandLines fails the test if the command line of an agsauth that runs meanwhile
// has a token or a password in it: every user of a machine can read those.
func watchCommandLines(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/proc/self/cmdline"); err != nil {
		return
	}
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
			if found := findSecretInCommandLines(); found != "" {
				t.Errorf("a secret is in the command line: %q", found)
				return
			}
		}
	})
	t.Cleanup(func() {
		close(done)
		watching.Wait()
	})
}

// findSecretInCommandLines returns the command line of an agsauth with a secret in it.
func findSecretInCommandLines() string {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		content, err := os.ReadFile(file)
		words := strings.Split(string(content), "\x00")
		if err != nil || filepath.Base(words[0]) != "agsauth" {
			continue
		}
		if line := strings.Join(words, " "); jwt.MatchString(line) || strings.Contains(line, "open sesame") {
			return line
		}
	}
	return ""
}
