package boltstore_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/agsauth/agsauth/store/boltstore"
)

// A program continues its sessions after a restart.
func Example() {
	ctx := context.Background()
	folder, _ := os.MkdirTemp("", "example")
	defer os.RemoveAll(folder)
	run := func() error {
		db, err := boltstore.Open(filepath.Join(folder, "sessions.db"), boltstore.Options{})
		if err != nil {
			return err
		}
		defer db.Close()
		for key, err := range db.Keys(ctx) {
			if err != nil {
				return err
			}
			fmt.Println("continues", key)
		}
		s := db.Store("customer-1")
		record, err := s.Load(ctx)
		if errors.Is(err, fs.ErrNotExist) {
			fmt.Println("logs in")
			return s.Save(ctx, []byte("session of customer-1"))
		}
		fmt.Println("loads the", string(record))
		return err
	}
	if err := errors.Join(run(), run()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// logs in
	// continues customer-1
	// loads the session of customer-1
}
