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

// fullStore has the methods that all stores of package store share.
type fullStore interface {
	tokensource.Store
	tokensource.Locker
	SetAside(ctx context.Context, suffix string) error
}

func markedKey(p *probe, n string) store.Key {
	key, err := store.NewKey(fmt.Appendf(nil, "%-32.32s", n+marked("key material")))
	require.NoError(p.t, err)
	return key
}

// records calls every method of every store, with good and damaged records.
func (p *probe) records(folder string) {
	one, two := markedKey(p, "1"), markedKey(p, "2")
	record := []byte(`{"version":1,"access_token":"` + marked("access") + `"}`)
	path := filepath.Join(folder, "session.json")
	var sealed bytes.Buffer
	stores := map[string]func() fullStore{
		"File":   func() fullStore { return &store.File{Path: path} },
		"Memory": func() fullStore { return &store.Memory{} },
		"Sealed": func() fullStore {
			return &store.Sealed{Store: &store.File{Path: path}, Name: "dave", Keys: []store.Key{one}}
		},
	}
	for kind, open := range stores {
		require.NoError(p.t, os.RemoveAll(path))
		s := open()
		p.operations("store."+kind, s, record)
		if kind == "Sealed" {
			data, err := os.ReadFile(path)
			require.NoError(p.t, err)
			sealed.Write(data)
		}
		p.operations("store."+kind, s, bytes.Repeat(record, 40_000)) // over the size limit
	}
	for _, harm := range []func(){
		func() { p.put(path, record, 0o644) },
		func() { p.put(path, record, 0o600) },
		func() { p.put(path, record[:20], 0o600) },
		func() { p.put(path, bytes.Repeat(record, 40_000), 0o600) },
		func() { p.put(path, sealed.Bytes(), 0o600) },
		func() { p.put(path, append(sealed.Bytes(), record...), 0o600) },
		func() { p.put(path, sealed.Bytes()[:40], 0o600) },
		func() { require.NoError(p.t, os.RemoveAll(path)); require.NoError(p.t, os.Mkdir(path, 0o700)) },
		func() { p.put(path+".lock", nil, 0o600); require.NoError(p.t, os.RemoveAll(path)) },
	} {
		for name, s := range map[string]fullStore{
			"File":          &store.File{Path: path},
			"Sealed":        &store.Sealed{Store: &store.File{Path: path}, Name: "erin", Keys: []store.Key{one}},
			"Sealed, other": &store.Sealed{Store: &store.File{Path: path}, Name: "dave", Keys: []store.Key{two}},
			"Sealed, none":  &store.Sealed{Store: &store.File{Path: path}},
			"Sealed, empty": &store.Sealed{},
		} {
			harm()
			p.operations("store."+name, s, record)
		}
	}
	var memory store.Memory
	p.call("store.Memory.Peer", func() []any { return []any{memory.Peer()} })
	p.cover("store.Memory.Aside", func() { memory.Aside() })
}

func (p *probe) put(path string, data []byte, mode os.FileMode) {
	require.NoError(p.t, os.RemoveAll(path))
	require.NoError(p.t, os.WriteFile(path, data, mode))
	require.NoError(p.t, os.Chmod(path, mode))
}

// operations calls all methods of a store. It does not record the loaded data, which
// is for the caller.
func (p *probe) operations(name string, s fullStore, record []byte) {
	ctx := p.t.Context()
	over, cancel := context.WithCancelCause(ctx)
	cancel(fmt.Errorf("over"))
	p.call(name+".Load", func() []any { _, err := s.Load(ctx); return []any{err, s} })
	p.call(name+".Save", func() []any { return []any{s.Save(ctx, record), s.Save(over, record), s} })
	p.call(name+".Load", func() []any { _, err := s.Load(ctx); return []any{err, s} })
	if n, ok := s.(interface{ Notices() []error }); ok {
		p.call(name+".Notices", func() []any { return []any{n.Notices()} })
	}
	p.call(name+".Lock", func() []any {
		unlock, err := s.Lock(ctx)
		if err == nil {
			_, busy := s.Lock(over)
			p.record(busy)
			err = unlock()
		}
		return []any{err, s}
	})
	p.call(name+".SetAside", func() []any { return []any{s.SetAside(ctx, "damaged"), s.SetAside(over, "damaged"), s} })
	p.call(name+".Delete", func() []any { return []any{s.Delete(over), s.Delete(ctx), s.Delete(ctx)} })
	p.call(name+".Save", func() []any { return []any{s.Save(ctx, record), s} })
}

// keys calls all methods of a key, and parses invalid keys.
func (p *probe) keys() {
	key := markedKey(p, "3")
	for _, k := range []store.Key{key, {}} {
		p.call("store.Key.ID", func() []any { return []any{k.ID()} })
		p.call("store.Key.IsZero", func() []any { return []any{k.IsZero()} })
		p.call("store.Key.String", func() []any { return []any{k.String()} })
		p.call("store.Key.GoString", func() []any { return []any{k.GoString()} })
		p.call("store.Key.Format", func() []any { return []any{k, &k, fmt.Sprintf("%d %x", k, k)} })
		p.call("store.Key.MarshalText", func() []any {
			text, err := json.Marshal(k)
			return []any{string(text), err}
		})
	}
	p.call("store.NewKey", func() []any { k, err := store.NewKey([]byte(marked("short"))); return []any{k, err} })
	for _, text := range []string{marked("no base64!"), base64.StdEncoding.EncodeToString([]byte(marked("short"))), marked("=") + "===="} {
		p.call("store.ParseKey", func() []any { k, err := store.ParseKey(text); return []any{k, err} })
	}
}
