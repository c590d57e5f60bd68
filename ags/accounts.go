package ags

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
)

// AccountChoiceError is how a sign-on fails when several accounts match: with a
// status of 300. One of them is to be chosen, and [Client.SubsequentSignOn] called
// with its UserToken. It is none of the classes of failure.
//
// It prints neither a token nor what it knows of the accounts, whose owners are
// people.
type AccountChoiceError struct {
	// UserToken is what opens the second call. It is empty where the gateway
	// gave each account a token of its own.
	UserToken Secret
	// Accounts are those that match.
	Accounts []Account
	// CorrelationID is the one that was sent. The second call belongs to the
	// same flow, and should carry it too: see [WithCorrelationID].
	CorrelationID string

	op string
}

// Error returns the call and how many accounts there are to choose from.
func (e *AccountChoiceError) Error() string {
	return fmt.Sprintf("ags: %s: one of %d accounts is to be chosen (correlation id %s)", e.op, len(e.Accounts), e.CorrelationID)
}

// Account is one of several that match a sign-on. It prints nothing of what it
// holds.
type Account struct {
	// UserToken opens the second call for this account: its own, or the one for
	// all of them.
	UserToken Secret

	content opaque[accountContent]
}

type accountContent struct {
	information json.RawMessage
	fields      object
}

// Information returns what the gateway tells of the account so that a user can
// recognise it: the JSON document that the answer has in accountInformation, or,
// if what is there is no JSON, a JSON string. It is nil where there is nothing.
func (a Account) Information() json.RawMessage {
	content := a.content.get()
	if content == nil {
		return nil
	}
	return bytes.Clone(content.information)
}

// Fields returns all members that the answer has for this account, as they stand
// there, those that this package does not know included, but without the token.
func (a Account) Fields() map[string]json.RawMessage {
	content := a.content.get()
	if content == nil {
		return nil
	}
	fields := make(map[string]json.RawMessage, len(content.fields))
	for name, raw := range content.fields {
		fields[name] = bytes.Clone(raw)
	}
	return fields
}

const (
	userTokenField   = "userAccountToken"
	informationField = "accountInformation"
)

// readSignOn returns the token that a sign-on is answered with, or, for a 300,
// the *AccountChoiceError.
func readSignOn(a *answer) (*Token, error) {
	if a.status != http.StatusMultipleChoices {
		return readToken(a, nil)
	}
	choice, err := readChoice(a)
	if err != nil {
		return nil, err
	}
	return nil, choice
}

func readChoice(a *answer) (*AccountChoiceError, error) {
	o, err := a.object()
	if err != nil {
		return nil, err
	}
	e := &AccountChoiceError{CorrelationID: a.correlationID, op: a.op}
	if e.UserToken, err = o.credential(userTokenField); err != nil {
		return nil, err
	}
	var list []json.RawMessage
	if json.Unmarshal(o["accounts"], &list) != nil || len(list) == 0 {
		return nil, malformed("the answer has no accounts to choose from")
	}
	for _, raw := range list {
		account, err := readAccount(raw, e.UserToken)
		if err != nil {
			return nil, err
		}
		e.Accounts = append(e.Accounts, account)
	}
	return e, nil
}

// readAccount reads one account. Its token may stand beside the accounts, in the
// account, or in its information; it is kept nowhere but in UserToken.
func readAccount(raw json.RawMessage, shared Secret) (Account, error) {
	fields, err := decodeObject(raw)
	if err != nil {
		return Account{}, err
	}
	own, err := fields.credential(userTokenField)
	if err != nil {
		return Account{}, err
	}
	delete(fields, userTokenField)
	var information json.RawMessage
	var inner Secret
	if fields.has(informationField) {
		information, inner = readInformation(fields[informationField])
	}
	if !inner.IsZero() {
		fields[informationField] = information
	}
	a := Account{UserToken: own, content: newOpaque(accountContent{information, fields})}
	for _, token := range []Secret{inner, shared} {
		if a.UserToken.IsZero() {
			a.UserToken = token
		}
	}
	if a.UserToken.IsZero() {
		return Account{}, malformed("an account has no " + userTokenField)
	}
	return a, nil
}

// readInformation returns the document that accountInformation is, usually
// written into a string, and the token in it, taken out.
func readInformation(raw json.RawMessage) (json.RawMessage, Secret) {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		if s = strings.TrimPrefix(s, byteOrderMark); json.Valid([]byte(s)) {
			raw = json.RawMessage(s)
		}
	}
	o, err := decodeObject(raw)
	if err != nil {
		return raw, Secret{}
	}
	token, err := o.credential(userTokenField)
	if err != nil || token.IsZero() {
		return raw, Secret{}
	}
	rest := maps.Clone(o)
	delete(rest, userTokenField)
	raw, _ = json.Marshal(rest) // as it was: it was read from JSON
	return raw, token
}
