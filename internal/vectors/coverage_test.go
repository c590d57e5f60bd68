package vectors_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/tokensource"
)

// fewest is how many vectors there are at least: they are not to become fewer.
const fewest = 150

// Whatever the format can say is said by some vector: a kind of step, or of
// expectation, that nobody uses is one that nobody knows to work.
func TestVectors_UseAllOfTheFormat(t *testing.T) {
	used, said, n := map[string]bool{}, map[string]bool{}, 0
	for _, f := range files(t) {
		n += len(f.Vectors)
		use(reflect.ValueOf(f), used, said)
	}
	assert.GreaterOrEqual(t, n, fewest)
	for _, field := range fieldsOf(reflect.TypeFor[vectorFile](), map[string]bool{}) {
		assert.True(t, used[field], "%s is in no vector", field)
	}
	for _, word := range words(t) {
		assert.True(t, said[word], "%s is in no vector", word)
	}
}

func TestVectors_TheFormatIsDescribed(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(folder, "README.md"))
	require.NoError(t, err)
	readme := string(data)
	for _, field := range fieldsOf(reflect.TypeFor[vectorFile](), map[string]bool{}) {
		_, name, _ := strings.Cut(field, ".")
		assert.True(t, strings.Contains(readme, "`"+name+"`"), "%s is not described", field)
	}
	for _, word := range words(t) {
		assert.True(t, strings.Contains(readme, "`"+word+"`"), "%s is not described", word)
	}
	paths, err := filepath.Glob(filepath.Join(folder, "*.json"))
	require.NoError(t, err)
	for _, path := range paths {
		assert.True(t, strings.Contains(readme, "("+filepath.Base(path)+")"), "%s is not in the table", path)
	}
}

// words returns the vectors' words for all that the library knows by a name, and
// those of the format itself.
func words(t *testing.T) []string {
	t.Helper()
	all := []string{
		"works", "fails", "hangs", "lost", "repairs", "unsupported", "pair", "tombstone", "nothing", "damaged", "newer_version",
		"store", "timeout", "other", "unsent", "cut_off", "not_the_gateway",
	}
	n := len(all)
	for r := tokensource.Reason(1); r.String() != tokensource.Reason(0).String(); r++ {
		all = append(all, reasonOf(r))
	}
	for k := tokensource.Kind(1); k.String() != tokensource.Kind(0).String(); k++ {
		all = append(all, kindOf(k))
	}
	for p := tokensource.Phase(0); p.String() != tokensource.Phase(255).String(); p++ {
		all = append(all, p.String())
	}
	for _, word := range all[n:] {
		require.NotContains(t, word, " ", "the vectors have no word for it")
	}
	return all
}

// fieldsOf returns the fields that a type of the format has, and those within, as
// "type.field".
func fieldsOf(of reflect.Type, seen map[string]bool) (all []string) {
	switch {
	case is(of, reflect.Pointer, reflect.Slice, reflect.Map):
		return fieldsOf(of.Elem(), seen)
	case is(of, reflect.Struct):
	default:
		return nil
	}
	if of.Name() != "" && seen[of.Name()] {
		return nil
	}
	seen[of.Name()] = true
	for f := range of.Fields() {
		if name := jsonName(f); name != "" {
			all = append(all, of.Name()+"."+name)
		}
		all = append(all, fieldsOf(f.Type, seen)...)
	}
	return all
}

// use notes which fields of the format are used, and which words.
func use(v reflect.Value, used, said map[string]bool) {
	switch {
	case is(v, reflect.String):
		said[v.String()] = true
	case is(v, reflect.Pointer):
		if !v.IsNil() {
			use(v.Elem(), used, said)
		}
	case is(v, reflect.Slice):
		for i := range v.Len() {
			use(v.Index(i), used, said)
		}
	case is(v, reflect.Map):
		for _, key := range v.MapKeys() {
			use(v.MapIndex(key), used, said)
		}
	case is(v, reflect.Struct):
		for f, value := range v.Fields() {
			if !value.IsZero() {
				used[v.Type().Name()+"."+jsonName(f)] = true
				use(value, used, said)
			}
		}
	}
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// A mistake in a vector is found, and is not taken for a rule.
func TestVectors_MistakesAreFound(t *testing.T) {
	good := `{"name":"n","rule":"r","from":"f","given":{"token":{}},"steps":[{"ask":{},"expect":{"answer":{"served":"a1"}}}]}`
	assert.Empty(t, mistake(t, good))
	for _, tt := range []struct{ instead, of, want string }{
		{`"rule":"r"`, `"rules":"r"`, "unknown field"},
		{`"rule":"r"`, `"rule":""`, "a vector has"},
		{`{"served":"a1"}`, `{"serves":"a1"}`, "unknown field"},
		{`{"served":"a1"}`, `{"served":"a2"}`, "step 1: expected"},
		{`{"served":"a1"}`, `{}`, "an answer is one thing"},
		{`{"served":"a1"}`, `{"served":"a1","ok":true}`, "an answer is one thing"},
		{`,"expect":{"answer":{"served":"a1"}}`, ``, "no answer is expected"},
		{`,"expect":{"answer":{"served":"a1"}}`, `,"expect":{"events":[]}`, "no answer is expected"},
		{`"ask":{},`, `"after_s":1,`, "there is no call"},
		{`"ask":{},`, `"after_s":-1,"ask":{},`, "backwards"},
		{`"ask":{},`, `"after_s":1e300,"ask":{},`, "beyond reason"},
		{`"ask":{},`, `"ask":{},"sync":{},`, "more than one action"},
		{`"ask":{},`, `"answers":{"refresh":[{}]},"ask":{},`, "nobody has got"},
		{`"ask":{},`, `"after_s":3300,"ask":{},`, "step 1: expected"},
		{`{"ask"`, `{"after_s":0},{"ask"`, "nothing happens"},
		{`{"ask"`, `{"store":{}},{"ask"`, "there is no store"},
		{`{"token":{}}`, `{"token":{},"draw":1}`, "not from [0,1)"},
		{`{"token":{}}`, `{"token":{},"settings":{"warn_before_s":-1}}`, "below zero"},
		{`{"token":{}},"steps":[`, `{"store":{},"token":{}},"steps":[{"store":{"load":"breaks"}},`, "does not behave so"},
		{`{"token":{}},"steps":[`, `{"store":{},"token":{}},"steps":[{"neighbour":{}},`, "does one thing"},
		{`{"ask"`, `{"leave":"b"},{"ask"`, "somebody leaves"},
		{`{"ask"`, `{"after_s":3599,"answers":{"refresh":[{"takes_s":5}]},"ask":{"as":"b"},"expect":{"answer":{"waits":true},"refreshes":["r1"]}},{"ask"`, "what became of b"},
		{`"a1"}}}]}`, `"a1"}}}]} {}`, "something follows"},
	} {
		assert.Contains(t, mistake(t, strings.Replace(good, tt.instead, tt.of, 1)), tt.want, tt.of)
	}
}

// mistake returns what is found to be wrong with a vector.
func mistake(t *testing.T, data string) string {
	t.Helper()
	var v vector
	if err := decode([]byte(data), &v); err != nil {
		return err.Error()
	}
	if err := v.check(); err != nil {
		return err.Error()
	}
	var said []string
	synctest.Test(t, func(t *testing.T) {
		otherwise, unsound := play(t, &v, maxFirings)
		said = append(otherwise, unsound...)
	})
	return strings.Join(said, "; ")
}
