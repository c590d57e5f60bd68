package endtoend_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"path"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/tokensource"
)

// secretMark is in every secret of an inquiry, and in nothing else.
const secretMark = "S3CR3T"

// marked returns a secret: a word of its own, and the mark.
func marked(what string) string { return secretMark + "-" + what + "-0123456789abcdef" }

// inquiry asks everything of the library, and takes down all that comes out, by
// every route there is.
type inquiry struct {
	t    *testing.T
	said paper

	mu     sync.Mutex      // guards all below; events come on goroutines of their own
	asked  map[string]bool // package.Type.Method and package.Function
	types  map[string]bool // package.Type, of what was said
	events map[tokensource.Kind]bool
	told   map[string]int // by what there was to say
}

func newInquiry(t *testing.T) *inquiry {
	t.Helper()
	return &inquiry{t: t, asked: map[string]bool{}, types: map[string]bool{}, events: map[tokensource.Kind]bool{}, told: map[string]int{}}
}

// ask calls what is named, and says what comes of it. A panic is said as well, and
// is no failure: it is the user's code that panics.
func (q *inquiry) ask(name string, f func() []any) {
	q.t.Helper()
	q.mu.Lock()
	q.asked[name] = true
	q.mu.Unlock()
	defer func() {
		if v := recover(); v != nil {
			q.say(v)
		}
	}()
	for _, v := range f() {
		if err, ok := v.(error); ok {
			q.fail(err)
		} else {
			q.say(v)
		}
	}
}

// use is ask for what has nothing to say.
func (q *inquiry) use(name string, f func()) {
	q.t.Helper()
	q.ask(name, func() []any {
		f()
		return nil
	})
}

// fail says an error, and all that it wraps.
func (q *inquiry) fail(err error) {
	q.say(err, err.Error())
	switch e := any(err).(type) {
	case interface{ Unwrap() error }:
		if next := e.Unwrap(); next != nil {
			q.fail(next)
		}
	case interface{ Unwrap() []error }:
		for _, next := range e.Unwrap() {
			q.fail(next)
		}
	}
}

// tell is an OnEvent. Of those that come again and again with the same to say the
// first are enough.
func (q *inquiry) tell(e tokensource.Event) {
	text := e.Kind.String()
	if e.Err != nil {
		failure, _, _ := strings.Cut(e.Err.Error(), "(correlation id")
		text += failure
	}
	q.mu.Lock()
	q.events[e.Kind] = true
	q.told[text]++
	enough := q.told[text] > 3
	q.mu.Unlock()
	if enough {
		return
	}
	q.say(e, e.Kind, e.Reason, e.Status)
	if e.Err != nil {
		q.fail(e.Err)
	}
}

// logger logs at all levels, as text and as JSON.
func (q *inquiry) logger() *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}
	return slog.New(slog.NewMultiHandler(slog.NewJSONHandler(&q.said, options), slog.NewTextHandler(&q.said, options)))
}

// say prints values, has them encoded, and logged. What is of a type not met before
// is printed with every verb, and in every shape in which a program may hold it.
func (q *inquiry) say(values ...any) {
	q.mu.Lock()
	defer q.mu.Unlock()
	logger := q.logger()
	for _, v := range values {
		met := len(q.types)
		q.note(reflect.ValueOf(v), 0)
		shapes, verbs := []any{v, struct{ V any }{v}}, "vsqxd"
		if len(q.types) > met {
			shapes = append(shapes, []any{v}, map[string]any{"k": v}, &struct{ V any }{v})
			verbs = "vsqxXdtTbcoOeEfFgGU"
		}
		for _, shape := range shapes {
			for _, verb := range verbs {
				fmt.Fprintf(&q.said, "%"+string(verb)+"\n", shape)
			}
			fmt.Fprintf(&q.said, "%+v\n%#v\n%+s\n%#q\n%#x\n", shape, shape, shape, shape, shape)
			if b, err := json.Marshal(shape); err == nil {
				fmt.Fprintf(&q.said, "%s\n", b)
			}
			logger.Debug("said", slog.Any("value", shape))
		}
	}
}

// note takes down of which of our types a value is, and those that it holds.
func (q *inquiry) note(v reflect.Value, depth int) {
	if !v.IsValid() || depth > 10 {
		return
	}
	if of := v.Type(); strings.Contains(of.PkgPath(), "agsauth") && of.Name() != "" {
		q.types[path.Base(of.PkgPath())+"."+of.Name()] = true
	}
	kind := v.Kind()
	if kind == reflect.Pointer || kind == reflect.Interface {
		q.note(v.Elem(), depth+1)
	}
	if kind == reflect.Slice || kind == reflect.Array {
		for i := range v.Len() {
			q.note(v.Index(i), depth+1)
		}
	}
	if kind == reflect.Struct {
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				q.note(v.Field(i), depth+1)
			}
		}
	}
}

// conclude asserts that no secret came out; and that everything was asked that
// there is to ask of the packages.
func (q *inquiry) conclude(packages ...string) {
	q.t.Helper()
	said := q.said.String()
	require.Greater(q.t, len(said), 1_000_000, "it is silence that proves nothing")
	for _, form := range []string{
		secretMark, fmt.Sprintf("%x", secretMark), fmt.Sprintf("%X", secretMark), strings.Trim(fmt.Sprintf("%d", []byte(secretMark)), "[]"),
		base64Inside(secretMark),
	} {
		if at := strings.Index(said, form); at >= 0 {
			assert.Fail(q.t, "a secret came out", "as %q, after %q", form, said[max(0, at-300):at])
		}
	}
	for _, p := range packages {
		api := exportedOf(q.t, p)
		require.NotEmpty(q.t, api.callables)
		for _, name := range api.callables {
			assert.True(q.t, q.asked[name], "%s was not asked: an inquiry that passes it over proves nothing of it", name)
		}
		for _, name := range api.types {
			assert.True(q.t, q.types[name], "no %s was said", name)
		}
	}
	for kind := tokensource.EventRefreshed; kind.String() != "unknown"; kind++ {
		assert.True(q.t, q.events[kind], "no event %q was told", kind)
	}
}

// base64Inside returns what of s is the same in base64 wherever it stands after a
// multiple of three bytes.
func base64Inside(s string) string {
	b, _ := json.Marshal([]byte(s[:len(s)/3*3]))
	return strings.Trim(string(b), `"`)
}

// api is what a package offers.
type api struct {
	callables []string // package.Function, package.Type.Method
	types     []string // package.Type, without the types of interfaces and of functions
}

// exportedOf reads the source of a package.
func exportedOf(t *testing.T, folder string) api {
	t.Helper()
	files := token.NewFileSet()
	var a api
	names, err := filepath.Glob(filepath.Join("..", "..", folder, "*.go"))
	require.NoError(t, err)
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range file.Decls {
			a.add(path.Base(folder), d)
		}
	}
	return a
}

func (a *api) add(pkg string, d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if receiver := receiverOf(d); d.Name.IsExported() && ast.IsExported(receiver) {
			a.callables = append(a.callables, pkg+"."+receiver+"."+d.Name.Name)
		} else if d.Name.IsExported() && d.Recv == nil {
			a.callables = append(a.callables, pkg+"."+d.Name.Name)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			if of, ok := s.(*ast.TypeSpec); ok && of.Name.IsExported() {
				switch of.Type.(type) {
				case *ast.InterfaceType, *ast.FuncType:
				default:
					a.types = append(a.types, pkg+"."+of.Name.Name)
				}
			}
		}
	}
}

// receiverOf returns the type that a method is of, empty for a function.
func receiverOf(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	of := d.Recv.List[0].Type
	if pointer, ok := of.(*ast.StarExpr); ok {
		of = pointer.X
	}
	name, _ := of.(*ast.Ident)
	if name == nil {
		return ""
	}
	return name.Name
}

// An inquiry finds what it is there to find: a secret in any of the forms, and
// what was not asked.
func TestInquiry_FindsWhatComesOut(t *testing.T) {
	type leak struct{ token string }
	for name, v := range map[string]any{
		"a field":  leak{marked("x")},
		"an error": fmt.Errorf("no: %w", errors.New(marked("x"))),
		"bytes":    []byte(marked("x")),
		"a buffer": bytes.NewBufferString(marked("x")),
	} {
		q := newInquiry(t)
		q.say(v)
		assert.Contains(t, q.said.String(), secretMark, name)
	}
	for _, want := range []string{"store.Sealed.Load", "store.NewKey", "store.Key.Format"} {
		assert.Contains(t, exportedOf(t, "store").callables, want)
	}
	assert.Contains(t, exportedOf(t, "ags").types, "ags.AccountChoiceError")
	assert.NotContains(t, exportedOf(t, "ags").callables, "ags.hidden.get")
}
