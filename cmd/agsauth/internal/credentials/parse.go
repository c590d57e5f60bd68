package credentials

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/agsauth/agsauth/ags"
)

// parse returns the parameters in a text of either form.
func parse(text []byte) ([]ags.Parameter, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // some editors begin a file with it
	var params []ags.Parameter
	var err error
	switch first := bytes.TrimSpace(text); {
	case bytes.HasPrefix(first, []byte("{")):
		params, err = parseObject(first)
	case bytes.HasPrefix(first, []byte("[")):
		params, err = parseArray(first)
	default:
		params, err = parseLines(string(text))
	}
	if err == nil && len(params) == 0 {
		err = errors.New("there are no parameters; write one name=value a line")
	}
	return params, err
}

func parseLines(text string) ([]ags.Parameter, error) {
	var params []ags.Parameter
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		line = strings.TrimSuffix(line, "\r")
		if start := strings.TrimSpace(line); start == "" || strings.HasPrefix(start, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		if !ok || name == "" {
			return nil, fmt.Errorf("line %d is no parameter; write name=value", number)
		}
		params = append(params, ags.Parameter{Name: name, Value: value})
	}
	return params, nil
}

// parseObject returns the members of an object in their order.
func parseObject(text []byte) ([]ags.Parameter, error) {
	if !json.Valid(text) {
		return nil, errNotJSON
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	if _, err := dec.Token(); err != nil { // the brace
		return nil, errNotJSON
	}
	var params []ags.Parameter
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, errNotJSON
		}
		var value *string
		if err := dec.Decode(&value); err != nil || value == nil {
			return nil, fmt.Errorf("the value of %q is not a string; put it in double quotes", name)
		}
		if name == "" {
			return nil, errNoName
		}
		params = append(params, ags.Parameter{Name: name.(string), Value: *value})
	}
	return params, nil
}

func parseArray(text []byte) ([]ags.Parameter, error) {
	if !json.Valid(text) {
		return nil, errNotJSON
	}
	var members []struct{ Name, Value *string }
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, errNotStrings
	}
	params := make([]ags.Parameter, 0, len(members))
	for _, m := range members {
		switch {
		case m.Name == nil || m.Value == nil:
			return nil, errNotStrings
		case *m.Name == "":
			return nil, errNoName
		}
		params = append(params, ags.Parameter{Name: *m.Name, Value: *m.Value})
	}
	return params, nil
}

// The errors of package json are not used: they quote what they have read.
var (
	errNotJSON    = errors.New("it begins like JSON, but is not valid JSON")
	errNotStrings = errors.New("each element of the array must have a name and a value, both strings")
	errNoName     = errors.New("a parameter has an empty name")
)
