package endtoend_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// shelf is what the stores of package store have in common.
type wholeStore interface {
	tokensource.Store
	tokensource.Locker
	SetAside(ctx context.Context, suffix string) error
}

func markedKey(q *inquiry, n string) store.Key {
	key, err := store.NewKey(fmt.Appendf(nil, "%-32.32s", n+marked("key material")))
	require.NoError(q.t, err)
	return key
}

// records asks every store for everything, around records that hold secrets, and
// have come to harm.
func (q *inquiry) records(folder string) {
	one, two := markedKey(q, "1"), markedKey(q, "2")
	record := []byte(`{"version":1,"access_token":"` + marked("access") + `"}`)
	path := filepath.Join(folder, "session.json")
	var sealed bytes.Buffer
	stores := map[string]func() wholeStore{
		"File":   func() wholeStore { return &store.File{Path: path} },
		"Memory": func() wholeStore { return &store.Memory{} },
		"Sealed": func() wholeStore {
			return &store.Sealed{Store: &store.File{Path: path}, Name: "dave", Keys: []store.Key{one}}
		},
	}
	for kind, open := range stores {
		require.NoError(q.t, os.RemoveAll(path))
		s := open()
		q.operations("store."+kind, s, record)
		if kind == "Sealed" {
			data, err := os.ReadFile(path)
			require.NoError(q.t, err)
			sealed.Write(data)
		}
		q.operations("store."+kind, s, bytes.Repeat(record, 40_000)) // more than it takes
	}
	for _, harm := range []func(){
		func() { q.put(path, record, 0o644) },
		func() { q.put(path, record, 0o600) },
		func() { q.put(path, record[:20], 0o600) },
		func() { q.put(path, bytes.Repeat(record, 40_000), 0o600) },
		func() { q.put(path, sealed.Bytes(), 0o600) },
		func() { q.put(path, append(sealed.Bytes(), record...), 0o600) },
		func() { q.put(path, sealed.Bytes()[:40], 0o600) },
		func() { require.NoError(q.t, os.RemoveAll(path)); require.NoError(q.t, os.Mkdir(path, 0o700)) },
		func() { q.put(path+".lock", nil, 0o600); require.NoError(q.t, os.RemoveAll(path)) },
	} {
		for name, s := range map[string]wholeStore{
			"File":          &store.File{Path: path},
			"Sealed":        &store.Sealed{Store: &store.File{Path: path}, Name: "erin", Keys: []store.Key{one}},
			"Sealed, other": &store.Sealed{Store: &store.File{Path: path}, Name: "dave", Keys: []store.Key{two}},
			"Sealed, none":  &store.Sealed{Store: &store.File{Path: path}},
			"Sealed, empty": &store.Sealed{},
		} {
			harm()
			q.operations("store."+name, s, record)
		}
	}
	var memory store.Memory
	q.ask("store.Memory.Peer", func() []any { return []any{memory.Peer()} })
	q.use("store.Memory.Aside", func() { memory.Aside() })
}

func (q *inquiry) put(path string, data []byte, mode os.FileMode) {
	require.NoError(q.t, os.RemoveAll(path))
	require.NoError(q.t, os.WriteFile(path, data, mode))
	require.NoError(q.t, os.Chmod(path, mode))
}

// operations asks a store for all that it does. What it has loaded is for who asks.
func (q *inquiry) operations(name string, s wholeStore, record []byte) {
	ctx := q.t.Context()
	over, cancel := context.WithCancelCause(ctx)
	cancel(fmt.Errorf("over"))
	q.ask(name+".Load", func() []any { _, err := s.Load(ctx); return []any{err, s} })
	q.ask(name+".Save", func() []any { return []any{s.Save(ctx, record), s.Save(over, record), s} })
	q.ask(name+".Load", func() []any { _, err := s.Load(ctx); return []any{err, s} })
	if n, ok := s.(interface{ Notices() []error }); ok {
		q.ask(name+".Notices", func() []any { return []any{n.Notices()} })
	}
	q.ask(name+".Lock", func() []any {
		unlock, err := s.Lock(ctx)
		if err == nil {
			_, busy := s.Lock(over)
			q.say(busy)
			err = unlock()
		}
		return []any{err, s}
	})
	q.ask(name+".SetAside", func() []any { return []any{s.SetAside(ctx, "damaged"), s.SetAside(over, "damaged"), s} })
	q.ask(name+".Delete", func() []any { return []any{s.Delete(over), s.Delete(ctx), s.Delete(ctx)} })
	q.ask(name+".Save", func() []any { return []any{s.Save(ctx, record), s} })
}

// keys asks a key, and what is none, for everything.
func (q *inquiry) keys() {
	key := markedKey(q, "3")
	for _, k := range []store.Key{key, {}} {
		q.ask("store.Key.ID", func() []any { return []any{k.ID()} })
		q.ask("store.Key.IsZero", func() []any { return []any{k.IsZero()} })
		q.ask("store.Key.String", func() []any { return []any{k.String()} })
		q.ask("store.Key.GoString", func() []any { return []any{k.GoString()} })
		q.ask("store.Key.Format", func() []any { return []any{k, &k, fmt.Sprintf("%d %x", k, k)} })
		q.ask("store.Key.MarshalText", func() []any {
			text, err := json.Marshal(k)
			return []any{string(text), err}
		})
	}
	q.ask("store.NewKey", func() []any { k, err := store.NewKey([]byte(marked("short"))); return []any{k, err} })
	for _, text := range []string{marked("no base64!"), base64.StdEncoding.EncodeToString([]byte(marked("short"))), marked("=") + "===="} {
		q.ask("store.ParseKey", func() []any { k, err := store.ParseKey(text); return []any{k, err} })
	}
}
