package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

// realRecord returns the record of a session with the test gateway.
func realRecord(ctx context.Context) ([]byte, error) {
	server := agstest.NewServer(agstest.Config{})
	defer server.Close()
	gateway, err := ags.New(ags.Config{
		BaseURL: server.URL, AuthServiceID: "Customer Auth Service", TenantID: "nagra", HTTPClient: server.Client(),
	})
	if err != nil {
		return nil, err
	}
	user := []ags.Parameter{{Name: "username", Value: "dave"}, {Name: "password", Value: "open sesame"}}
	var memory store.Memory
	source, err := tokensource.New(tokensource.Config{
		Refresher: gateway, Store: &memory,
		Login: tokensource.SignOnWith(gateway, ags.SignOnRequest{Parameters: user, DeviceInformation: []byte(`{"name":"bench"}`)}),
	})
	if err != nil {
		return nil, err
	}
	if _, err := source.TokenContext(ctx); err != nil {
		return nil, err
	}
	if err := source.Close(); err != nil {
		return nil, err
	}
	return memory.Peer().Load(ctx)
}

// maker makes records of the size of a real one. They differ from each other like
// tokens do, so that nothing can be compressed.
type maker struct {
	size   int
	random *rand.ChaCha8
}

func (m maker) make(i int) record {
	raw := make([]byte, m.size*3/4)
	_, _ = m.random.Read(raw)
	return record{keyOf(i), bytes.Clone(base64.StdEncoding.AppendEncode(nil, raw))}
}

// keyOf returns a key like the hash of an account's name: in no order.
func keyOf(i int) string {
	return fmt.Sprintf("customer-%08x", uint32(i)*2654435761)
}
