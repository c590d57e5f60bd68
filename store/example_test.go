package store_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/agsauth/agsauth/store"
)

// Save replaces only the record that the same File last loaded or saved.
func ExampleFile() {
	ctx := context.Background()
	home, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(home) }()

	file := &store.File{Path: filepath.Join(home, "agsauth", "session.json")}
	_, err = file.Load(ctx)
	fmt.Println("nothing stored:", errors.Is(err, fs.ErrNotExist))
	fmt.Println("created:", file.Save(ctx, []byte(`{"n":1}`)))

	other := &store.File{Path: file.Path} // for example in another process
	record, err := other.Load(ctx)
	fmt.Println("loaded:", string(record), err)
	fmt.Println("replaced:", other.Save(ctx, []byte(`{"n":2}`)))

	err = file.Save(ctx, []byte(`{"n":3}`))
	fmt.Println("another process saved:", errors.Is(err, fs.ErrExist))
	record, err = file.Load(ctx)
	fmt.Println("loaded:", string(record), err)
	// Output:
	// nothing stored: true
	// created: <nil>
	// loaded: {"n":1} <nil>
	// replaced: <nil>
	// another process saved: true
	// loaded: {"n":2} <nil>
}

// Under the lock one process logs in, and the others load the session that it saved.
func ExampleFile_Lock() {
	home, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(home) }()
	path := filepath.Join(home, "session.json")

	once := func(ctx context.Context, s *store.File) (err error) {
		unlock, err := s.Lock(ctx)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, unlock()) }()

		switch record, err := s.Load(ctx); {
		case err == nil:
			fmt.Println("found", string(record))
			return nil
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
		fmt.Println("logging in")
		return s.Save(ctx, []byte("a session"))
	}
	for range 2 {
		if err := once(context.Background(), &store.File{Path: path}); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// logging in
	// found a session
}

// A Peer simulates another process, or this one after a restart.
func ExampleMemory_Peer() {
	ctx := context.Background()
	memory := &store.Memory{}
	fmt.Println(memory.Save(ctx, []byte("a session")))

	restarted := memory.Peer()
	fmt.Println(restarted.Save(ctx, []byte("another")))
	record, err := restarted.Load(ctx)
	fmt.Println(string(record), err)
	// Output:
	// <nil>
	// store: save: the record is not the one last loaded: file already exists
	// a session <nil>
}

// A session is sealed with one key, and then with a new one.
func ExampleSealed() {
	ctx := context.Background()
	home, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(home) }()
	path := filepath.Join(home, "session.json")
	// The output of openssl rand -base64 32. Do not store the key beside the record.
	old, err := store.ParseKey("cGxlYXNlIGRvIG5vdCB1c2UgdGhpcyBvbmUsIGRhdmU=")
	if err != nil {
		fmt.Println(err)
		return
	}
	next, err := store.NewKey([]byte("nor this one, which is no better"))
	if err != nil {
		fmt.Println(err)
		return
	}

	sealed := &store.Sealed{Store: &store.File{Path: path}, Name: "dave", Keys: []store.Key{old}}
	fmt.Println("saved:", sealed.Save(ctx, []byte("a session")))
	onDisk, err := os.ReadFile(path)
	fmt.Printf("on disk: %.14s…, %d bytes %v\n", onDisk, len(onDisk), err)

	sealed = &store.Sealed{Store: &store.File{Path: path}, Name: "dave", Keys: []store.Key{next, old}}
	record, err := sealed.Load(ctx)
	fmt.Println("loaded:", string(record), err)
	fmt.Println("sealed anew:", sealed.Save(ctx, record))

	sealed = &store.Sealed{Store: &store.File{Path: path}, Name: "dave", Keys: []store.Key{old}}
	_, err = sealed.Load(ctx)
	fmt.Println(errors.Is(err, store.ErrNotOpened), err)
	fmt.Println(next)
	// Output:
	// saved: <nil>
	// on disk: agsauth-sealed…, 68 bytes <nil>
	// loaded: a session <nil>
	// sealed anew: <nil>
	// true store: load: the record was sealed with the key 21a52cf3c3eb3520, which is none of Keys
	// [key 21a52cf3c3eb3520]
}
