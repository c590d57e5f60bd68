package signon

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/agsauth/agsauth/ags"
)

// Account is one of several accounts that match a sign-on, as the gateway describes it.
type Account struct {
	// ID is the account's identifier, empty if none is recognised.
	ID string
	// Fields are the members of the description that are texts, numbers or booleans.
	Fields map[string]string
}

// Accounts returns the accounts to choose from.
func Accounts(choice *ags.AccountChoiceError) []Account {
	var list []Account
	for _, a := range choice.Accounts {
		list = append(list, describe(a.Fields(), a.Information()))
	}
	return list
}

func describe(fields map[string]json.RawMessage, information json.RawMessage) Account {
	a := Account{Fields: map[string]string{}}
	addScalars(a.Fields, fields)
	var inner map[string]json.RawMessage
	var text string
	if json.Unmarshal(information, &inner) == nil {
		delete(a.Fields, informationField) // it is the document that follows
		addScalars(a.Fields, inner)
	} else if json.Unmarshal(information, &text) == nil && text != "" {
		a.Fields[informationField] = text
	}
	for _, name := range []string{"accountid", "account_id", "accountnumber", "id"} {
		if a.ID == "" {
			a.ID = a.field(name)
		}
	}
	return a
}

const informationField = "accountInformation"

func addScalars(to map[string]string, from map[string]json.RawMessage) {
	for name, raw := range from {
		var text string
		switch {
		case len(raw) == 0, strings.ContainsAny(string(raw[:1]), "{[n"):
			continue
		case json.Unmarshal(raw, &text) != nil:
			text = string(raw)
		}
		to[name] = text
	}
}

// field returns the value of a field whose name is compared without regard to case.
func (a Account) field(name string) string {
	for _, key := range slices.Sorted(maps.Keys(a.Fields)) {
		if strings.EqualFold(key, name) {
			return a.Fields[key]
		}
	}
	return ""
}

// String describes the account in one line: its identifier, then the other fields.
func (a Account) String() string {
	var parts []string
	if a.ID != "" {
		parts = append(parts, a.ID)
	}
	for _, name := range slices.Sorted(maps.Keys(a.Fields)) {
		if value := a.Fields[name]; value != "" && value != a.ID {
			parts = append(parts, name+"="+value)
		}
	}
	if len(parts) == 0 {
		return "(the gateway does not describe this account)"
	}
	return strings.Join(parts, "  ")
}

// isNamed reports whether wanted is the account's identifier, the value of one of its
// fields, or name=value.
func (a Account) isNamed(wanted string) bool {
	name, value, hasName := strings.Cut(wanted, "=")
	if hasName && value != "" && a.field(strings.TrimSpace(name)) == value {
		return true
	}
	return slices.Contains(slices.Collect(maps.Values(a.Fields)), wanted)
}

// PickAccount returns the index of the account that wanted names. The error is an
// [*InputError] if there is none, or more than one.
func PickAccount(accounts []Account, wanted string) (int, error) {
	var matches []int
	for i, a := range accounts {
		if a.ID != "" && a.ID == wanted {
			return i, nil
		}
		if a.isNamed(wanted) {
			matches = append(matches, i)
		}
	}
	if len(matches) == 1 {
		return matches[0], nil
	}
	if len(matches) == 0 {
		return 0, &InputError{Problem: "no account matches --account", Remedy: remedyOf(accounts), Accounts: accounts}
	}
	var candidates []Account
	for _, i := range matches {
		candidates = append(candidates, accounts[i])
	}
	return 0, &InputError{
		Problem: fmt.Sprintf("%d accounts match --account", len(matches)), Remedy: remedyOf(candidates), Accounts: candidates,
	}
}

// remedyOf says how to name one of the accounts. What several have in common names none.
func remedyOf(accounts []Account) string {
	if len(accounts) > 0 && accounts[0].ID != "" {
		return "use --account with the identifier of one of these accounts"
	}
	return "use --account with name=value that only one of these accounts has"
}

// Picker chooses an account after a sign-on that matches several.
type Picker struct {
	// Wanted is what the user has named, or empty.
	Wanted string
	// Known is the account of the session before, or empty. It is chosen if the user has
	// named none and cannot be asked.
	Known string
	// Ask is nil if there is no terminal.
	Ask Asker
}

// Pick returns the index of the account to sign on to. The error is an [*InputError] with
// the accounts if there is nothing to choose by.
func (p Picker) Pick(ctx context.Context, accounts []Account) (int, error) {
	switch {
	case p.Wanted != "":
		return PickAccount(accounts, p.Wanted)
	case p.Ask != nil:
		var options []string
		for _, a := range accounts {
			options = append(options, a.String())
		}
		return p.Ask.Choose(ctx, "Several accounts match:", options)
	case p.Known != "":
		if i := slices.IndexFunc(accounts, func(a Account) bool { return a.ID == p.Known }); i >= 0 {
			return i, nil
		}
	}
	return 0, &InputError{Problem: "several accounts match, and there is no terminal to ask on", Remedy: remedyOf(accounts), Accounts: accounts}
}
