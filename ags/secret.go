package ags

import (
	"fmt"
	"io"
)

// redacted is what is printed in the place of a secret.
const redacted = "[redacted]"

// Secret holds a value that must not be printed: a token, or what opens one. It
// prints as "[redacted]" with every verb of fmt, in JSON, XML and text, and
// through log/slog. The zero value is the empty secret.
//
// Secrets are immutable and safe for concurrent use. Two of them cannot be
// compared with ==, which would compare addresses; reflect.DeepEqual compares
// what they hold.
type Secret struct {
	// Masked, because some printers call no methods and follow pointers, such as
	// the one behind testify's assert.Equal. Behind a pointer, because fmt calls no
	// methods on what is in an unexported field, and then prints an address.
	masked *string
}

// NewSecret returns a secret that holds value.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{masked: new(processMask().mask(value))}
}

// Reveal returns what the secret holds. Every place where one leaves the
// library calls it, and nothing else does.
func (s Secret) Reveal() string {
	if s.masked == nil {
		return ""
	}
	return processMask().unmask(*s.masked)
}

// IsZero reports whether the secret is empty.
func (s Secret) IsZero() bool { return s.masked == nil }

// String returns "[redacted]".
func (Secret) String() string { return redacted }

// GoString returns "[redacted]".
func (Secret) GoString() string { return redacted }

// Format writes "[redacted]", whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText returns "[redacted]", and never an error.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Parameter is one of the name and value pairs that the gateway hands on to the
// operator's own sign-on service. Which names there are is told by
// [Client.Discover]; a name may repeat, and the order is kept. It prints as its
// name alone: the value may be a password. That cannot be kept where no methods are
// called: for a Parameter in an unexported field of another struct, for the verbs %p
// and %w, which are not for values, and for printers that read exported fields by
// reflection, as testify's assert.Equal does when two structs differ. Compare
// Parameters in tests by their names.
type Parameter struct {
	Name, Value string
}

// String returns the parameter's name.
func (p Parameter) String() string { return p.Name }

// GoString returns the parameter's name.
func (p Parameter) GoString() string { return p.Name }

// Format writes the parameter's name, whatever the verb.
func (p Parameter) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.Name) }

// MarshalText returns the parameter's name, and never an error.
func (p Parameter) MarshalText() ([]byte, error) { return []byte(p.Name), nil }
