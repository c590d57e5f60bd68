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

// secretMark is in every secret of a probe, and in nothing else.
const secretMark = "S3CR3T"

// marked returns a secret with a name and the mark.
func marked(what string) string { return secretMark + "-" + what + "-0123456789abcdef" }

// probe calls the whole exported API with marked secrets, and records all output:
// printed values, encoded values, errors, events and log records.
type probe struct {
	t      *testing.T
	output logBuffer

	mu         sync.Mutex      // guards all below, since events arrive on goroutines of their own
	called     map[string]bool // package.Type.Method and package.Function
	types      map[string]bool // package.Type, of the recorded values
	events     map[tokensource.Kind]bool
	eventTexts map[string]int // counted, by kind and error
}

func newProbe(t *testing.T) *probe {
	t.Helper()
	return &probe{t: t, called: map[string]bool{}, types: map[string]bool{}, events: map[tokensource.Kind]bool{}, eventTexts: map[string]int{}}
}

// call calls f, marks the name as called and records the results. A panic is recorded,
// and is no failure: it comes from user code.
func (p *probe) call(name string, f func() []any) {
	p.t.Helper()
	p.mu.Lock()
	p.called[name] = true
	p.mu.Unlock()
	defer func() {
		if v := recover(); v != nil {
			p.record(v)
		}
	}()
	for _, v := range f() {
		if err, ok := v.(error); ok {
			p.recordError(err)
		} else {
			p.record(v)
		}
	}
}

// cover is call for a function without results.
func (p *probe) cover(name string, f func()) {
	p.t.Helper()
	p.call(name, func() []any {
		f()
		return nil
	})
}

// recordError records an error and all errors that it wraps.
func (p *probe) recordError(err error) {
	p.record(err, err.Error())
	switch e := any(err).(type) {
	case interface{ Unwrap() error }:
		if next := e.Unwrap(); next != nil {
			p.recordError(next)
		}
	case interface{ Unwrap() []error }:
		for _, next := range e.Unwrap() {
			p.recordError(next)
		}
	}
}

// onEvent is an OnEvent. Of equal events it records the first three.
func (p *probe) onEvent(e tokensource.Event) {
	text := e.Kind.String()
	if e.Err != nil {
		failure, _, _ := strings.Cut(e.Err.Error(), "(correlation id")
		text += failure
	}
	p.mu.Lock()
	p.events[e.Kind] = true
	p.eventTexts[text]++
	enough := p.eventTexts[text] > 3
	p.mu.Unlock()
	if enough {
		return
	}
	p.record(e, e.Kind, e.Reason, e.Status)
	if e.Err != nil {
		p.recordError(e.Err)
	}
}

// logger returns a logger for all levels, as text and as JSON.
func (p *probe) logger() *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}
	return slog.New(slog.NewMultiHandler(slog.NewJSONHandler(&p.output, options), slog.NewTextHandler(&p.output, options)))
}

// record prints, encodes and logs the values. The first value of each type is also
// printed with every verb, and inside other values.
func (p *probe) record(values ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	logger := p.logger()
	for _, v := range values {
		met := len(p.types)
		p.noteTypes(reflect.ValueOf(v), 0)
		shapes, verbs := []any{v, struct{ V any }{v}}, "vsqxd"
		if len(p.types) > met {
			shapes = append(shapes, []any{v}, map[string]any{"k": v}, &struct{ V any }{v})
			verbs = "vsqxXdtTbcoOeEfFgGU"
		}
		for _, shape := range shapes {
			for _, verb := range verbs {
				fmt.Fprintf(&p.output, "%"+string(verb)+"\n", shape)
			}
			fmt.Fprintf(&p.output, "%+v\n%#v\n%+s\n%#q\n%#x\n", shape, shape, shape, shape, shape)
			if b, err := json.Marshal(shape); err == nil {
				fmt.Fprintf(&p.output, "%s\n", b)
			}
			logger.Debug("recorded", slog.Any("value", shape))
		}
	}
}

// noteTypes notes which of the module's types a value has and contains.
func (p *probe) noteTypes(v reflect.Value, depth int) {
	if !v.IsValid() || depth > 10 {
		return
	}
	if of := v.Type(); strings.Contains(of.PkgPath(), "agsauth") && of.Name() != "" {
		p.types[path.Base(of.PkgPath())+"."+of.Name()] = true
	}
	kind := v.Kind()
	if kind == reflect.Pointer || kind == reflect.Interface {
		p.noteTypes(v.Elem(), depth+1)
	}
	if kind == reflect.Slice || kind == reflect.Array {
		for i := range v.Len() {
			p.noteTypes(v.Index(i), depth+1)
		}
	}
	if kind == reflect.Struct {
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				p.noteTypes(v.Field(i), depth+1)
			}
		}
	}
}

// check asserts that no secret was recorded, and that the probe has called every
// exported function and method of the packages and recorded a value of every exported
// type.
func (p *probe) check(packages ...string) {
	p.t.Helper()
	output := p.output.String()
	require.Greater(p.t, len(output), 1_000_000, "too little output to prove anything")
	for _, form := range []string{
		secretMark, fmt.Sprintf("%x", secretMark), fmt.Sprintf("%X", secretMark), strings.Trim(fmt.Sprintf("%d", []byte(secretMark)), "[]"),
		base64Inside(secretMark),
	} {
		if at := strings.Index(output, form); at >= 0 {
			assert.Fail(p.t, "a secret was printed", "as %q, after %q", form, output[max(0, at-300):at])
		}
	}
	for _, folder := range packages {
		api := exportedOf(p.t, folder)
		require.NotEmpty(p.t, api.callables)
		for _, name := range api.callables {
			assert.True(p.t, p.called[name], "the probe must call %s", name)
		}
		for _, name := range api.types {
			assert.True(p.t, p.types[name], "no value of type %s was recorded", name)
		}
	}
	for kind := tokensource.EventRefreshed; kind.String() != "unknown"; kind++ {
		assert.True(p.t, p.events[kind], "no event %q was emitted", kind)
	}
}

// base64Inside returns the part of the base64 form of s that is the same at any offset
// that is a multiple of three.
func base64Inside(s string) string {
	b, _ := json.Marshal([]byte(s[:len(s)/3*3]))
	return strings.Trim(string(b), `"`)
}

// api is the exported API of a package.
type api struct {
	callables []string // package.Function, package.Type.Method
	types     []string // package.Type, without interfaces and function types
}

// exportedOf parses the source of a package of this module.
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

// receiverOf returns the name of the receiver's type, or "" for a function.
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

// A probe must find a secret in any form, and the full API of a package.
func TestProbe_FindsSecrets(t *testing.T) {
	type leak struct{ token string }
	for name, v := range map[string]any{
		"a field":  leak{marked("x")},
		"an error": fmt.Errorf("no: %w", errors.New(marked("x"))),
		"bytes":    []byte(marked("x")),
		"a buffer": bytes.NewBufferString(marked("x")),
	} {
		p := newProbe(t)
		p.record(v)
		assert.Contains(t, p.output.String(), secretMark, name)
	}
	for _, want := range []string{"store.Sealed.Load", "store.NewKey", "store.Key.Format"} {
		assert.Contains(t, exportedOf(t, "store").callables, want)
	}
	assert.Contains(t, exportedOf(t, "ags").types, "ags.AccountChoiceError")
	assert.NotContains(t, exportedOf(t, "ags").callables, "ags.hidden.get")
}
