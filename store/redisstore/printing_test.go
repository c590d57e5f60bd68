package redisstore_test

import (
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store/redisstore"
	"github.com/agsauth/agsauth/store/redisstore/internal/redistest"
)

// A reportRecorder records the reports of failed assertions.
type reportRecorder struct{ text string }

func (p *reportRecorder) Errorf(format string, args ...any) { p.text += fmt.Sprintf(format, args...) }

// diffOf returns the report of testify about two different values. It follows pointers,
// and calls no methods.
func diffOf(t *testing.T, one, other any) string {
	t.Helper()
	var p reportRecorder
	require.False(t, assert.Equal(&p, one, other))
	return p.text
}

// The options of the client contain the password, and a Store contains the client.
func TestStore_PrintsNoCredentials(t *testing.T) {
	server := redistest.Start(t, "--requirepass", "password-of-secrets")
	options := server.Options()
	options.Password = "password-of-secrets"
	client := server.ClientWith(options)
	require.Contains(t, diffOf(t, client, &redis.Client{}), "password-of-secrets", "the report must show the client")
	s := open(t, client, "session")
	save(t, s, "record-of-secrets")
	load(t, s)
	unlock := lock(t, s)
	defer func() { require.NoError(t, unlock()) }()
	text := diffOf(t, s, &redisstore.Store{})
	require.Contains(t, text, "session", "the report must show the Store")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		text += fmt.Sprintf(verb, s)
		cfg := redisstore.Config{Client: client, Name: "session"}
		text += fmt.Sprintf(verb, cfg) + fmt.Sprintf(verb, &cfg)
	}
	assert.NotContains(t, text, "of-secrets")
}
