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

// minVectors is the least number of vectors, so that none is lost unnoticed.
const minVectors = 150

// A step or an expectation that no vector uses would be untested.
func TestVectors_UseAllOfTheFormat(t *testing.T) {
	used, usedWords, n := map[string]bool{}, map[string]bool{}, 0
	for _, f := range files(t) {
		n += len(f.Vectors)
		collectUsed(reflect.ValueOf(f), used, usedWords)
	}
	assert.GreaterOrEqual(t, n, minVectors)
	for _, field := range fieldsOf(reflect.TypeFor[vectorFile](), map[string]bool{}) {
		assert.True(t, used[field], "%s is in no vector", field)
	}
	for _, word := range words(t) {
		assert.True(t, usedWords[word], "%s is in no vector", word)
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

// words returns the vectors' words for the library's reasons, kinds and phases, and
// the words of the format itself.
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

// fieldsOf returns the fields of a type, and of the types of its fields, as
// "type.field".
func fieldsOf(of reflect.Type, seen map[string]bool) (all []string) {
	switch {
	case isKind(of, reflect.Pointer, reflect.Slice, reflect.Map):
		return fieldsOf(of.Elem(), seen)
	case isKind(of, reflect.Struct):
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

// collectUsed collects the fields and the words that a value uses.
func collectUsed(v reflect.Value, used, usedWords map[string]bool) {
	switch {
	case isKind(v, reflect.String):
		usedWords[v.String()] = true
	case isKind(v, reflect.Pointer):
		if !v.IsNil() {
			collectUsed(v.Elem(), used, usedWords)
		}
	case isKind(v, reflect.Slice):
		for i := range v.Len() {
			collectUsed(v.Index(i), used, usedWords)
		}
	case isKind(v, reflect.Map):
		for _, key := range v.MapKeys() {
			collectUsed(v.MapIndex(key), used, usedWords)
		}
	case isKind(v, reflect.Struct):
		for f, value := range v.Fields() {
			if !value.IsZero() {
				used[v.Type().Name()+"."+jsonName(f)] = true
				collectUsed(value, used, usedWords)
			}
		}
	}
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// A mistake in a vector must not be taken for a rule.
func TestVectors_MistakesAreFound(t *testing.T) {
	good := `{"name":"n","rule":"r","from":"f","given":{"token":{}},"steps":[{"ask":{},"expect":{"answer":{"served":"a1"}}}]}`
	assert.Empty(t, mistake(t, good))
	for _, tt := range []struct{ instead, of, want string }{
		{`"rule":"r"`, `"rules":"r"`, "unknown field"},
		{`"rule":"r"`, `"rule":""`, "a vector needs"},
		{`{"served":"a1"}`, `{"serves":"a1"}`, "unknown field"},
		{`{"served":"a1"}`, `{"served":"a2"}`, "step 1: expected"},
		{`{"served":"a1"}`, `{}`, "an answer needs one field"},
		{`{"served":"a1"}`, `{"served":"a1","ok":true}`, "an answer needs one field"},
		{`,"expect":{"answer":{"served":"a1"}}`, ``, "without an expected answer"},
		{`,"expect":{"answer":{"served":"a1"}}`, `,"expect":{"events":[]}`, "without an expected answer"},
		{`"ask":{},`, `"after_s":1,`, "without a call"},
		{`"ask":{},`, `"after_s":-1,"ask":{},`, "backwards"},
		{`"ask":{},`, `"after_s":1e300,"ask":{},`, "beyond reason"},
		{`"ask":{},`, `"ask":{},"sync":{},`, "more than one action"},
		{`"ask":{},`, `"answers":{"refresh":[{}]},"ask":{},`, "unused answers"},
		{`"ask":{},`, `"after_s":3300,"ask":{},`, "step 1: expected"},
		{`{"ask"`, `{"after_s":0},{"ask"`, "nothing happens"},
		{`{"ask"`, `{"store":{}},{"ask"`, "there is no store"},
		{`{"token":{}}`, `{"token":{},"draw":1}`, "not from [0,1)"},
		{`{"token":{}}`, `{"token":{},"settings":{"warn_before_s":-1}}`, "below zero"},
		{`{"token":{}},"steps":[`, `{"store":{},"token":{}},"steps":[{"store":{"load":"breaks"}},`, "unknown behaviour"},
		{`{"token":{}},"steps":[`, `{"store":{},"token":{}},"steps":[{"neighbour":{}},`, "needs one action"},
		{`{"ask"`, `{"leave":"b"},{"ask"`, "leave without"},
		{`{"ask"`, `{"after_s":3599,"answers":{"refresh":[{"takes_s":5}]},"ask":{"as":"b"},"expect":{"answer":{"waits":true},"refreshes":["r1"]}},{"ask"`, "no expected result of b"},
		{`"a1"}}}]}`, `"a1"}}}]} {}`, "data after"},
	} {
		assert.Contains(t, mistake(t, strings.Replace(good, tt.instead, tt.of, 1)), tt.want, tt.of)
	}
}

// mistake returns the mistakes that are found in a vector.
func mistake(t *testing.T, data string) string {
	t.Helper()
	var v vector
	if err := decode([]byte(data), &v); err != nil {
		return err.Error()
	}
	if err := v.check(); err != nil {
		return err.Error()
	}
	var diff []string
	synctest.Test(t, func(t *testing.T) {
		differences, violations := runVector(t, &v, maxFirings)
		diff = append(differences, violations...)
	})
	return strings.Join(diff, "; ")
}
