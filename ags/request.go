package ags

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

const mediaTypeJSON = "application/json"

// requestBody is what a call says in JSON. It is a type of its own, not made of
// the exported ones, because those do not write what they hold.
type requestBody struct {
	// Nil is left out, as {} is what some deployments want; an empty list is
	// written as one.
	Parameters        []requestParameter `json:"parameters,omitzero"`
	DeviceInformation json.RawMessage    `json:"deviceInformation,omitempty"`
	ClientID          string             `json:"clientId,omitempty"`
}

type requestParameter struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// encodeParameters returns parameters as the wire has them: never nil, in order,
// names repeated where they are.
func encodeParameters(parameters []Parameter) ([]requestParameter, error) {
	out := make([]requestParameter, 0, len(parameters))
	for _, p := range parameters {
		if p.Name == "" {
			return nil, errors.New("a parameter has no name")
		}
		// The encoder would write something else than what was given.
		if !utf8.ValidString(p.Name) || !utf8.ValidString(p.Value) {
			return nil, fmt.Errorf("parameter %q is not valid UTF-8", p.Name)
		}
		out = append(out, requestParameter(p))
	}
	return out, nil
}

// encode returns the body's bytes.
func (b requestBody) encode() ([]byte, error) {
	if len(b.DeviceInformation) > 0 && !json.Valid(b.DeviceInformation) {
		return nil, errors.New("DeviceInformation is not valid JSON")
	}
	if !utf8.ValidString(b.ClientID) {
		return nil, errors.New("ClientID is not valid UTF-8")
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false) // passwords go out as they are typed
	if err := enc.Encode(b); err != nil {
		return nil, errors.New("the request has no JSON form")
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}
