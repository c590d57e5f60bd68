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

// A record is loaded, changed and saved. Who has not seen the latest is refused.
func ExampleFile() {
	ctx := context.Background()
	home, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(home) }()

	mine := &store.File{Path: filepath.Join(home, "agsauth", "session.json")}
	_, err = mine.Load(ctx)
	fmt.Println("nothing stored:", errors.Is(err, fs.ErrNotExist))
	fmt.Println("created:", mine.Save(ctx, []byte(`{"n":1}`)))

	theirs := &store.File{Path: mine.Path} // in another process, say
	record, err := theirs.Load(ctx)
	fmt.Println("loaded:", string(record), err)
	fmt.Println("replaced:", theirs.Save(ctx, []byte(`{"n":2}`)))

	err = mine.Save(ctx, []byte(`{"n":3}`))
	fmt.Println("somebody came between:", errors.Is(err, fs.ErrExist))
	record, err = mine.Load(ctx)
	fmt.Println("loaded:", string(record), err)
	// Output:
	// nothing stored: true
	// created: <nil>
	// loaded: {"n":1} <nil>
	// replaced: <nil>
	// somebody came between: true
	// loaded: {"n":2} <nil>
}

// Under the lock something is done that only one may do, and that those who wait
// find done.
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
		fmt.Println("signing on")
		return s.Save(ctx, []byte("a session"))
	}
	for range 2 {
		if err := once(context.Background(), &store.File{Path: path}); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// signing on
	// found a session
}

// A test plays a second process, or the same one after a restart, with a Peer.
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

// A session that is sealed with a key from the environment, and then with another.
func ExampleSealed() {
	ctx := context.Background()
	home, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(home) }()
	path := filepath.Join(home, "session.json")
	// Such as openssl rand -base64 32 prints. Yours is in no file beside the record.
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
