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

// printed is a test that keeps what an assertion says.
type printed struct{ text string }

func (p *printed) Errorf(format string, args ...any) { p.text += fmt.Sprintf(format, args...) }

// compared returns what testify prints of two values that differ. It follows
// pointers, and calls no methods.
func compared(t *testing.T, one, other any) string {
	t.Helper()
	var p printed
	require.False(t, assert.Equal(&p, one, other))
	return p.text
}

// A client's options hold the password, and a Store holds the client.
func TestStore_PrintsNoCredentials(t *testing.T) {
	server := redistest.Start(t, "--requirepass", "password-of-secrets")
	options := server.Options()
	options.Password = "password-of-secrets"
	client := server.ClientWith(options)
	require.Contains(t, compared(t, client, &redis.Client{}), "password-of-secrets", "so it is worth a test")
	s := open(t, client, "session")
	save(t, s, "record-of-secrets")
	load(t, s)
	unlock := lock(t, s)
	defer func() { require.NoError(t, unlock()) }()
	text := compared(t, s, &redisstore.Store{})
	require.Contains(t, text, "session", "it was printed")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		text += fmt.Sprintf(verb, s)
		cfg := redisstore.Config{Client: client, Name: "session"}
		text += fmt.Sprintf(verb, cfg) + fmt.Sprintf(verb, &cfg)
	}
	assert.NotContains(t, text, "of-secrets")
}
