package statusview_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/cmd/agsauth/internal/ptytest"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/statusview"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/terminal"
)

func TestWatch(t *testing.T) {
	failed := errors.New("the store is gone")
	for _, tt := range []struct {
		name string
		end  func(d *ptytest.Screen, cancel, fail func())
		want error
	}{
		{"q", func(d *ptytest.Screen, _, _ func()) { d.Press("q") }, nil},
		{"Ctrl-C", func(d *ptytest.Screen, _, _ func()) { d.Press("\x03") }, terminal.ErrInterrupted},
		{"context ends", func(_ *ptytest.Screen, cancel, _ func()) { cancel() }, terminal.ErrInterrupted},
		{"read fails", func(_ *ptytest.Screen, _, fail func()) { fail() }, failed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // each waits for the next second
			d, slave := ptytest.New(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var mu sync.Mutex // guards reads and readErr
			reads, readErr := 0, error(nil)
			ended := make(chan error, 1)
			go func() {
				ended <- statusview.Watch(ctx, slave, slave, false, func(context.Context) (statusview.View, error) {
					mu.Lock()
					defer mu.Unlock()
					reads++
					v := views()["fresh"]
					v.Status.AccountID = strings.Repeat("I", reads)
					return v, readErr
				})
			}()
			d.WaitFor("q quit")
			d.WaitFor("II")
			tt.end(d, cancel, func() {
				mu.Lock()
				defer mu.Unlock()
				readErr = failed
			})
			require.ErrorIs(t, <-ended, tt.want)
		})
	}
}

func TestWatch_FirstReadFails(t *testing.T) {
	failed := errors.New("the store is gone")
	var out strings.Builder
	err := statusview.Watch(t.Context(), strings.NewReader(""), &out, false, func(context.Context) (statusview.View, error) {
		return statusview.View{}, failed
	})
	require.ErrorIs(t, err, failed)
	assert.Empty(t, out.String())
}
