package ags

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

const mediaTypeJSON = "application/json"

// SignOnRequest contains the credentials of a sign-on. The same request serves
// for a device's first sign-on and, with ClientID set, for all later ones. It
// prints without parameter values, with the limits of [Parameter].
type SignOnRequest struct {
	// Parameters are what the operator's sign-on service asks for. If nil, those of
	// [Config.Parameters] are sent; otherwise these replace them.
	Parameters []Parameter
	// ClientID is the device's identity, from the [Token] of its first sign-on.
	ClientID string
	// DeviceInformation is a JSON document that describes a new device. It is not
	// sent if ClientID is set: the gateway would register another device, and an
	// account may have only a few. With the dialect [IASv2] it is the body of the
	// request, and sent always.
	DeviceInformation json.RawMessage
}

// String returns the names of the parameters, and the ClientID.
func (r SignOnRequest) String() string {
	return fmt.Sprintf("ags.SignOnRequest{Parameters: %v, ClientID: %q}", r.Parameters, r.ClientID)
}

// GoString returns the same text as String.
func (r SignOnRequest) GoString() string { return r.String() }

// Format writes the text of String for every verb.
func (r SignOnRequest) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// MarshalText returns the text of String and a nil error.
func (r SignOnRequest) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Parameter is a name and a value that the gateway passes on to the operator's
// sign-on service. [Client.Discover] returns the names. A name may repeat, and
// the order is kept.
//
// A Parameter prints as its name, because the value may be a password. That is
// not possible where no methods are called: for a Parameter in an unexported
// field, for the verbs %p and %w, and for printers that use reflection, such as
// testify's assert.Equal when two structs differ. Compare the names of Parameters
// in tests.
type Parameter struct {
	Name, Value string
}

// String returns the parameter's name.
func (p Parameter) String() string { return p.Name }

// GoString returns the parameter's name.
func (p Parameter) GoString() string { return p.Name }

// Format writes the parameter's name for every verb.
func (p Parameter) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.Name) }

// MarshalText returns the parameter's name and a nil error.
func (p Parameter) MarshalText() ([]byte, error) { return []byte(p.Name), nil }

// requestBody is the JSON body of a call. The exported types cannot be encoded:
// they print without their values.
type requestBody struct {
	// Nil is omitted: some deployments expect {}. An empty list is sent as [].
	Parameters        []requestParameter `json:"parameters,omitzero"`
	DeviceInformation json.RawMessage    `json:"deviceInformation,omitempty"`
	ClientID          string             `json:"clientId,omitempty"`
}

type requestParameter struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// encodeParameters converts parameters for a requestBody. The result is never nil.
func encodeParameters(parameters []Parameter) ([]requestParameter, error) {
	out := make([]requestParameter, 0, len(parameters))
	for _, p := range parameters {
		if p.Name == "" {
			return nil, errors.New("a parameter has no name")
		}
		// encoding/json would replace invalid bytes.
		if !utf8.ValidString(p.Name) || !utf8.ValidString(p.Value) {
			return nil, fmt.Errorf("parameter %q is not valid UTF-8", p.Name)
		}
		out = append(out, requestParameter(p))
	}
	return out, nil
}

// encode returns the body's JSON. Its errors contain no value.
func (b requestBody) encode() ([]byte, error) {
	if len(b.DeviceInformation) > 0 && !json.Valid(b.DeviceInformation) {
		return nil, errors.New("DeviceInformation is not valid JSON")
	}
	if !utf8.ValidString(b.ClientID) {
		return nil, errors.New("ClientID is not valid UTF-8")
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false) // send passwords as they were typed
	if err := enc.Encode(b); err != nil {
		return nil, errors.New("the request cannot be encoded as JSON")
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}
