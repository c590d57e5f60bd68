// Package signon decides what a sign-on by a person or a script needs: which parameters
// the gateway asks for, which of them are given, which to ask for, and which of several
// accounts is meant. It signs on with the result.
package signon

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/agsauth/agsauth/ags"
)

// InputError says that a sign-on was not attempted because the user's input is missing
// or makes no sense. It contains no parameter value.
type InputError struct {
	// Problem says what is wrong, and Remedy what to do.
	Problem, Remedy string
	// Accounts are the accounts to choose from, if that is the problem.
	Accounts []Account
}

// Error returns the problem and the remedy.
func (e *InputError) Error() string { return e.Problem + "; " + e.Remedy }

// ParseParameter reads a parameter of the command line, name=value. The error is an
// [*InputError] if the name looks like that of a secret: other users can see the
// arguments of a process.
func ParseParameter(argument string) (ags.Parameter, error) {
	name, value, found := strings.Cut(argument, "=")
	if name = strings.TrimSpace(name); !found || name == "" {
		// The argument is not quoted: it may be a password.
		return ags.Parameter{}, &InputError{Problem: "a --param is not name=value", Remedy: "write for example --param username=dave"}
	}
	p := ags.Parameter{Name: name, Value: value}
	return p, refuseSecret(name, IsSecretName(name))
}

// RefuseSecrets returns an [*InputError] if one of the parameters of the command line is
// a password by what discovery says.
func RefuseSecrets(arguments []ags.Parameter, properties []ags.ParameterProperty) error {
	for _, argument := range arguments {
		isSecret := slices.ContainsFunc(properties, func(p ags.ParameterProperty) bool {
			return p.IsPassword && strings.EqualFold(p.Name, argument.Name)
		})
		if err := refuseSecret(argument.Name, isSecret); err != nil {
			return err
		}
	}
	return nil
}

func refuseSecret(name string, isSecret bool) error {
	if !isSecret {
		return nil
	}
	return &InputError{
		Problem: fmt.Sprintf("the parameter %q is a secret, and other users can see command lines", name),
		Remedy:  "put it into a file and use --param-file, or leave it out to be asked for it",
	}
}

// IsSecretName reports whether a parameter of this name is probably a secret.
func IsSecretName(name string) bool {
	lower := strings.ToLower(name)
	for _, part := range []string{"password", "passwd", "passcode", "passphrase", "secret", "token", "credential"} {
		if strings.Contains(lower, part) {
			return true
		}
	}
	return slices.ContainsFunc(words(name), func(word string) bool {
		return slices.Contains([]string{"pin", "otp", "totp", "pwd", "pass", "pw"}, word)
	})
}

// words splits a name like userPin, user_pin or "User PIN" into lower-case words.
func words(name string) []string {
	var spaced strings.Builder
	previous := ' '
	for _, r := range name {
		if unicode.IsUpper(r) && unicode.IsLower(previous) {
			spaced.WriteRune(' ')
		}
		if !unicode.IsLetter(r) {
			r = ' '
		}
		spaced.WriteRune(unicode.ToLower(r))
		previous = r
	}
	return strings.Fields(spaced.String())
}
