package ags_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
)

// printedTexts returns the output of fmt, encoding and slog for v.
func printedTexts(v any) []string { return printedTextsWith("vdsqxXtTbcoOeEfFgGpUwZ", v) }

// printedTextsWith does so with these verbs.
func printedTextsWith(verbs string, v any) []string {
	var out []string
	for _, verb := range verbs {
		for _, flags := range []string{"", "+", "#", " ", "-", "0", "8", ".3", "+#"} {
			out = append(out, fmt.Sprintf("%"+flags+string(verb), v))
		}
	}
	out = append(out, fmt.Sprint(v), fmt.Sprintln(v))
	if b, err := json.Marshal(v); err == nil {
		out = append(out, string(b))
	} else {
		out = append(out, err.Error())
	}
	if b, err := xml.Marshal(v); err == nil {
		out = append(out, string(b))
	} else {
		out = append(out, err.Error())
	}
	var buf bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&buf, nil), slog.NewJSONHandler(&buf, nil)} {
		slog.New(h).Info("printed", slog.Any("v", v), slog.Group("g", slog.Any("v", v)))
	}
	return append(out, buf.String())
}

// exportedForms are values that contain v and whose methods fmt calls.
func exportedForms[T any](v T) []any {
	type exported struct{ V T }
	type exportedPointer struct{ V *T }
	return []any{
		v, &v,
		exported{v},
		&exported{v},
		exportedPointer{&v},
		&exportedPointer{&v},
		[]T{v},
		[]*T{&v},
		[1]T{v},
		map[string]T{"k": v},
		map[string]*T{"k": &v},
		[]any{v},
		map[string]any{"k": []T{v}},
	}
}

// unexportedForms are values that contain v where fmt calls no methods.
func unexportedForms[T any](v T) []any {
	type unexported struct{ v T }
	type unexportedPointer struct{ v *T }
	type deep struct{ m map[string][]unexported }
	return []any{
		unexported{v},
		&unexported{v},
		unexportedPointer{&v},
		&unexportedPointer{&v},
		[]unexported{{v}},
		deep{map[string][]unexported{"k": {{v}}}},
	}
}

func TestPrint_Secret(t *testing.T) {
	secret := ags.NewSecret(accessMark)
	type embedded struct{ ags.Secret }
	forms := slices.Concat(exportedForms(secret), unexportedForms(secret), []any{embedded{secret}, map[ags.Secret]int{secret: 1}})
	for _, v := range forms {
		for _, printed := range printedTexts(v) {
			assert.NotContains(t, printed, accessMark, "%T", v)
		}
	}
	assert.Equal(t, accessMark, secret.Reveal())
	assert.Equal(t, "[redacted]", secret.String())
	assert.Equal(t, "[redacted]", secret.GoString())
	assert.Equal(t, "[redacted]", fmt.Sprintf("%d", secret))
	b, err := json.Marshal(map[string]any{"s": secret})
	require.NoError(t, err)
	assert.JSONEq(t, `{"s":"[redacted]"}`, string(b))
}

func TestSecret_Zero(t *testing.T) {
	assert.True(t, ags.Secret{}.IsZero())
	assert.Equal(t, ags.Secret{}, ags.NewSecret(""))
	assert.Empty(t, ags.Secret{}.Reveal())
	assert.False(t, ags.NewSecret("x").IsZero())
	assert.Equal(t, "[redacted]", ags.Secret{}.String(), "as a secret with a value")
}

func TestPrint_Token(t *testing.T) {
	token := *testToken()
	for _, v := range slices.Concat(exportedForms(token), unexportedForms(token)) {
		for _, printed := range printedTexts(v) {
			assert.NotContains(t, printed, accessMark, "%T", v)
			assert.NotContains(t, printed, refreshMark, "%T", v)
		}
	}
}

func TestPrint_Parameter(t *testing.T) {
	p := ags.Parameter{Name: "username", Value: "mark-5500"}
	type holder struct{ P ags.Parameter }
	// fmt calls no methods in an unexported field, nor for %p and a misplaced %w.
	for _, v := range append(exportedForms(p), holder{p}, ags.SignOnRequest{Parameters: []ags.Parameter{p}}, ags.Config{Parameters: []ags.Parameter{p}}) {
		for _, printed := range printedTextsWith("vdsqxXtTbcoOeEfFgGUZ", v) {
			assert.NotContains(t, printed, "mark-5500", "%T", v)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		assert.Equal(t, "username", fmt.Sprintf(verb, p))
	}
	assert.Equal(t, "username", p.String())
	assert.Equal(t, "username", p.GoString())
	b, err := xml.Marshal(holder{p})
	require.NoError(t, err)
	assert.Contains(t, string(b), "<P>username</P>")
}

func TestPrint_Client(t *testing.T) {
	c, _ := newClient(t, nil)
	for _, v := range slices.Concat(exportedForms(*c), unexportedForms(*c)) {
		for _, printed := range printedTexts(v) {
			assert.NotContains(t, printed, passwordMark[6:10], "%T", v)
		}
	}
}

// Keeps G3.
func TestPrint_Error(t *testing.T) {
	// The transport's error contains all it was given.
	leaky := func(what error) error {
		return fmt.Errorf("sending [Authorization:[Bearer %s]] %q: %w", refreshMark, passwordMark, what)
	}
	echo := toJSON(map[string]string{"message": "no " + refreshMark + " " + accessMark + " " + passwordMark})
	for name, s := range map[string]responder{
		"transport":           failWith(leaky(leakyError{})),
		"transport, known":    failWith(leaky(errors.ErrUnsupported)),
		"body":                respondTruncated(200, `{"access_token":"`+accessMark, leaky(leakyError{})),
		"error":               respond(403, echo),
		"unexpected response": respond(200, echo),
		"not JSON":            respond(200, refreshMark+passwordMark),
	} {
		e := refreshError(t, s)
		values := slices.Concat(exportedForms(*e), unexportedForms(*e), []any{fmt.Errorf("wrapped: %w", e), e.Err, errors.Unwrap(e)})
		if joined, ok := e.Err.(interface{ Unwrap() []error }); ok {
			for _, member := range joined.Unwrap() {
				values = append(values, member)
			}
		}
		for _, v := range values {
			for _, printed := range printedTexts(v) {
				for _, mark := range []string{accessMark, refreshMark, passwordMark, passwordMark[3:7]} {
					assert.NotContains(t, printed, mark, "%s %T", name, v)
				}
			}
		}
		_, ok := errors.AsType[leakyError](e)
		assert.False(t, ok, "%s: the cause itself is not given away", name)
	}
}

// leakyError prints a secret.
type leakyError struct{}

func (leakyError) Error() string { return refreshMark }

// recordingT is a testing.T that records a failure's text.
type recordingT struct{ text string }

func (r *recordingT) Errorf(format string, args ...any) { r.text += fmt.Sprintf(format, args...) }

// testify prints a difference by reflection and calls no methods.
func TestPrintedByReflection_NoSecretIsShown(t *testing.T) {
	secret := func() ags.Secret { return ags.NewSecret(accessMark) }
	token := func(client string) *ags.Token {
		return &ags.Token{AccessToken: secret(), RefreshToken: ags.NewSecret(refreshMark), ClientID: client}
	}
	cfg := testConfig(&fakeTransport{tb: t})
	cfg.Header = http.Header{"Token": {accessMark}}
	cfg.Parameters = []ags.Parameter{{Name: "password", Value: passwordMark}}
	one, err := ags.New(cfg)
	require.NoError(t, err)
	cfg.TenantID = "another"
	two, err := ags.New(cfg)
	require.NoError(t, err)
	type holder struct {
		secret ags.Secret
		Token  *ags.Token
		N      int
	}
	for name, pair := range map[string][2]any{
		"Token":            {*token("a"), *token("b")},
		"*Token":           {token("a"), token("b")},
		"[]Token":          {[]ags.Token{*token("a")}, []ags.Token{*token("b")}},
		"Secret":           {secret(), ags.NewSecret(refreshMark)},
		"struct":           {holder{secret(), token("a"), 1}, holder{secret(), token("a"), 2}},
		"Client":           {*one, *two},
		"*Client":          {one, two},
		"Account's secret": {ags.Account{UserToken: secret()}, ags.Account{}},
	} {
		recorder := &recordingT{}
		require.False(t, assert.Equal(recorder, pair[0], pair[1]), name)
		require.NotEmpty(t, recorder.text)
		assert.NotContains(t, recorder.text, "mark", name)
	}
}

func TestSecret_Equality(t *testing.T) {
	assert.Equal(t, ags.NewSecret("a"), ags.NewSecret("a"))
	assert.NotEqual(t, ags.NewSecret("a"), ags.NewSecret("b"))
	assert.Equal(t, ags.Secret{}, ags.NewSecret(""))
	for _, value := range []string{"", "a", accessMark, string(make([]byte, 1000)), "ö\x00\xff"} {
		assert.Equal(t, value, ags.NewSecret(value).Reveal())
	}
}

func TestPrint_ConfigAndSignOnRequest(t *testing.T) {
	cfg := ags.Config{
		BaseURL: "https://dave:" + accessMark + "@gw.example.com/?q=" + accessMark, TenantID: "nagra",
		Header: http.Header{"Token": {accessMark}}, Parameters: []ags.Parameter{{Name: "password", Value: passwordMark}},
	}
	request := ags.SignOnRequest{Parameters: cfg.Parameters, ClientID: "PUB_989", DeviceInformation: []byte(`"` + accessMark + `"`)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{cfg, &cfg, request, &request} {
			inJSON, err := json.Marshal(v)
			require.NoError(t, err)
			printed := fmt.Sprintf(verb, v) + string(inJSON)
			assert.NotContains(t, printed, "mark", verb)
			assert.Contains(t, printed, "password", verb)
		}
	}
	assert.Contains(t, fmt.Sprint(cfg), "gw.example.com")
	assert.Contains(t, fmt.Sprint(request), "PUB_989")
}
