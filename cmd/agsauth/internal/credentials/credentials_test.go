package credentials_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/credentials"
)

// pairs returns parameters as text that a failed test may print.
func pairs(params []ags.Parameter) (all []string) {
	for _, p := range params {
		all = append(all, p.Name+"="+p.Value)
	}
	return all
}

func write(t *testing.T, path, text string, mode os.FileMode) string {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	require.NoError(t, os.Chmod(path, mode))
	return path
}

func TestReadParameters_Forms(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want []string
	}{
		"lines":               {"username=dave\npassword=open sesame\n", []string{"username=dave", "password=open sesame"}},
		"no final newline":    {"username=dave", []string{"username=dave"}},
		"comments and gaps":   {"\n# who\n  # it is\nusername=dave\n\n", []string{"username=dave"}},
		"all after the first": {"password= a=\"b\" # \n", []string{`password= a="b" # `}},
		"an empty value":      {"tag=\n", []string{"tag="}},
		"spaces at the name":  {" username =dave\n", []string{"username=dave"}},
		"Windows":             {"\ufeffusername=dave\r\npassword=x\r\n", []string{"username=dave", "password=x"}},
		"repeated":            {"tag=2\ntag=1\n", []string{"tag=2", "tag=1"}},
		"object":              {"\n {\"z\":\"1\",\"a\":\"\\u0022\\n\",\"z\":\"\"}\n", []string{"z=1", "a=\"\n", "z="}},
		"array":               {`[{"name":"b","value":"1"},{"name":"a","value":""}]`, []string{"b=1", "a="}},
	} {
		t.Run(name, func(t *testing.T) {
			params, err := credentials.ReadParameters(credentials.StandardInput, strings.NewReader(tt.text), "")
			require.NoError(t, err)
			assert.Equal(t, tt.want, pairs(params))
		})
	}
}

func TestReadParameters_Refusals(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"no equals sign":   {"username=dave\nhunter2\n", "standard input: line 2 is no parameter; write name=value"},
		"no name":          {"=hunter2\n", "line 1 is no parameter"},
		"nothing":          {"# hunter2\n", "no parameters"},
		"empty":            {"", "no parameters"},
		"no JSON":          {`{"password":"hunter2"`, "not valid JSON"},
		"more than JSON":   {`{"password":"hunter2"} x`, "not valid JSON"},
		"number":           {`{"pin":42424242}`, `the value of "pin" is not a string; put it in double quotes`},
		"null":             {`{"pin":null}`, `the value of "pin" is not a string`},
		"an empty name":    {`{"":"hunter2"}`, "empty name"},
		"array of strings": {`["hunter2"]`, "must have a name and a value, both strings"},
		"array of numbers": {`[{"name":"pin","value":42424242}]`, "must have a name and a value, both strings"},
		"no value":         {`[{"name":"pin"}]`, "must have a name and a value, both strings"},
		"an unnamed value": {`[{"name":"","value":"hunter2"}]`, "empty name"},
		"an empty object":  {`{}`, "no parameters"},
		"too long":         {"p=" + strings.Repeat("hunter2", 10_000), "more than 64 KiB"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := credentials.ReadParameters(credentials.StandardInput, strings.NewReader(tt.text), "")
			require.ErrorContains(t, err, tt.want)
			assert.NotContains(t, err.Error(), "hunter2")
			assert.NotContains(t, err.Error(), "4242")
		})
	}
}

func TestReadParameters_File(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "params"), "username=dave\n", 0o600)
	params, err := credentials.ReadParameters(path, nil, "/not/read")
	require.NoError(t, err)
	assert.Equal(t, []string{"username=dave"}, pairs(params))

	_, err = credentials.ReadParameters(path+".gone", nil, "")
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = credentials.ReadParameters(filepath.Dir(path), nil, "")
	require.ErrorContains(t, err, "it is a folder")
	_, err = credentials.ReadParameters(write(t, path, "hunter2", 0o600), nil, "")
	require.EqualError(t, err, path+": line 1 is no parameter; write name=value")
}

func TestReadParameters_FileThatOthersCanRead(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	path := filepath.Join(t.TempDir(), "params")
	for mode, refused := range map[os.FileMode]bool{
		0o600: false, 0o400: false, 0o440: false, 0o640: false, 0o644: true, 0o604: true, 0o660: true, 0o602: true,
	} {
		_, err := credentials.ReadParameters(write(t, path, "username=hunter2\n", mode), nil, "")
		if !refused {
			require.NoError(t, err, mode)
			continue
		}
		require.ErrorContains(t, err, "chmod 600 "+path, mode)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func TestReadParameters_CredentialsOfSystemd(t *testing.T) {
	folder := t.TempDir()
	params, err := credentials.ReadParameters("", nil, folder)
	require.NoError(t, err)
	assert.Empty(t, params)

	write(t, filepath.Join(folder, "agsauth.param.username"), "dave\n", 0o400)
	write(t, filepath.Join(folder, "agsauth.param.password"), " open sesame \r\n", 0o440)
	write(t, filepath.Join(folder, "agsauth.param."), "not a parameter", 0o400)
	write(t, filepath.Join(folder, "another.secret"), "not for us", 0o400)
	params, err = credentials.ReadParameters("", nil, folder)
	require.NoError(t, err)
	assert.Equal(t, []string{"password= open sesame ", "username=dave"}, pairs(params))

	write(t, filepath.Join(folder, "agsauth.params"), "tag=1\ntag=2\n", 0o400)
	params, err = credentials.ReadParameters("", nil, folder)
	require.NoError(t, err)
	assert.Equal(t, []string{"password= open sesame ", "username=dave", "tag=1", "tag=2"}, pairs(params))

	_, err = credentials.ReadParameters("", nil, filepath.Join(folder, "gone"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestReadParameters_NothingIsNamed(t *testing.T) {
	params, err := credentials.ReadParameters("", nil, "")
	require.NoError(t, err)
	assert.Empty(t, params)
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("torn off") }

func TestReadParameters_StandardInputThatFails(t *testing.T) {
	_, err := credentials.ReadParameters(credentials.StandardInput, broken{}, "")
	require.EqualError(t, err, "standard input: torn off")
}
