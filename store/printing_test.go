package store_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
)

// Neither fmt, encoding packages, log/slog nor failed assertions print a key or a record.
func TestPrintedWithoutSecrets(t *testing.T) {
	key, record := keyOf(t, 1), []byte("record-one")
	f, m, s := &store.File{Path: recordPath(t)}, &store.Memory{}, sealedOver(t, &store.Memory{}, 1)
	require.NoError(t, f.Save(t.Context(), record))
	require.NoError(t, m.Save(t.Context(), record))
	require.NoError(t, m.SetAside(t.Context(), "damaged"))
	require.NoError(t, m.Save(t.Context(), record))
	require.NoError(t, s.Save(t.Context(), record))
	_, err := s.Load(t.Context())
	require.NoError(t, err)
	type holder struct {
		key          store.Key
		keys         []store.Key
		sealed       *store.Sealed
		file, memory any
	}
	hidden := holder{key, []store.Key{key}, s, f, m}

	var out bytes.Buffer
	for _, value := range []any{key, &key, []store.Key{key}, map[string]store.Key{"a": key}, s, f, m, []any{f, m}, hidden, &hidden} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%c", "%U"} {
			fmt.Fprintf(&out, verb+"\n", value)
		}
		for _, encode := range []func(any) ([]byte, error){json.Marshal, xml.Marshal} {
			text, _ := encode(value)
			out.Write(text)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("text", slog.Any("value", value))
		slog.New(slog.NewJSONHandler(&out, nil)).Info("json", slog.Any("value", value))
	}
	// The report about two values of one type follows pointers.
	for _, pair := range [][2]any{
		{key, keyOf(t, 2)},
		{f, &store.File{Path: "another"}},
		{m, &store.Memory{}},
		{s, &store.Sealed{}},
		{[]any{f, m}, []any{}},
		{hidden, holder{}},
		{hidden, nil},
	} {
		assert.Equal(report{&out}, pair[0], pair[1])
	}
	assert.Contains(t, out.String(), "[key 56ebb521add4d43b]")
	assert.Contains(t, out.String(), "store.Memory")
	for name, secret := range map[string]string{"key": string(rawKey(1)), "record": "record-one"} {
		for _, form := range formsOf(secret) {
			assert.NotContains(t, out.String(), form[:min(len(form), 20)], name)
		}
	}
}

// formsOf returns a secret as printers may show it.
func formsOf(secret string) []string {
	numbers := strings.Trim(fmt.Sprintf("%d", []byte(secret)), "[]")
	return []string{
		secret, fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), fmt.Sprintf("% x", secret), fmt.Sprintf("%#x", []byte(secret)),
		base64.StdEncoding.EncodeToString([]byte(secret)), numbers, strings.ReplaceAll(numbers, " ", ","),
		strings.ReplaceAll(numbers, " ", ", "), strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", []byte(secret)), "[]byte{"), "}"),
	}
}

// report collects the reports of assertions that fail on purpose.
type report struct{ out *bytes.Buffer }

func (r report) Errorf(format string, args ...any) { fmt.Fprintf(r.out, format, args...) }
