package ags

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
)

// AccountChoiceError is the error of a sign-on that matches several accounts (a
// response with status 300). Choose one and call [Client.SubsequentSignOn] with
// its UserToken. The error belongs to no class.
//
// It prints neither tokens nor information about the accounts, which is personal
// data.
type AccountChoiceError struct {
	// UserToken authorizes the second call. It is empty if the gateway gave each
	// account its own.
	UserToken Secret
	// Accounts are the matching accounts.
	Accounts []Account
	// CorrelationID is the identifier that was sent. The second call should send
	// the same one: see [WithCorrelationID].
	CorrelationID string

	op string
}

// Error returns the operation and the number of accounts.
func (e *AccountChoiceError) Error() string {
	return fmt.Sprintf("ags: %s: %d accounts match, choose one (correlation id %s)", e.op, len(e.Accounts), e.CorrelationID)
}

// Account is one of several accounts that match a sign-on. It prints none of its
// contents.
type Account struct {
	// UserToken authorizes the second call for this account. It is never empty.
	UserToken Secret

	content opaque[accountContent]
}

type accountContent struct {
	information json.RawMessage
	fields      object
}

// Information returns the gateway's description of the account for its user: the
// JSON document in accountInformation, a JSON string if it is not JSON, or nil if
// there is none.
func (a Account) Information() json.RawMessage {
	content := a.content.get()
	if content == nil {
		return nil
	}
	return bytes.Clone(content.information)
}

// Fields returns all members of the account in the response, including unknown
// ones, but without the token.
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

// readSignOn returns the token of a sign-on, or the *AccountChoiceError of a 300.
func readSignOn(r *response) (*Token, error) {
	if r.status != http.StatusMultipleChoices {
		return readToken(r, nil)
	}
	choice, err := readAccountChoice(r)
	if err != nil {
		return nil, err
	}
	return nil, choice
}

func readAccountChoice(r *response) (*AccountChoiceError, error) {
	o, err := r.object()
	if err != nil {
		return nil, err
	}
	e := &AccountChoiceError{CorrelationID: r.correlationID, op: r.op}
	if e.UserToken, err = o.credential(userTokenField); err != nil {
		return nil, err
	}
	var list []json.RawMessage
	if json.Unmarshal(o["accounts"], &list) != nil || len(list) == 0 {
		return nil, malformed("the response has no accounts to choose from")
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

// readAccount reads one account. The documentation does not say where its token
// is: it may be in the account, in its information, or beside the accounts
// (shared). It is removed from everything but UserToken.
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
	for _, token := range []Secret{own, inner, shared} {
		if !token.IsZero() {
			return Account{UserToken: token, content: newOpaque(accountContent{information, fields})}, nil
		}
	}
	return Account{}, malformed("an account has no " + userTokenField)
}

// readInformation returns the document of accountInformation, which is usually
// JSON inside a string, and the token that was removed from it.
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
	raw, _ = json.Marshal(rest) // no error: it was decoded from JSON
	return raw, token
}
