package signon

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/tokensource"
)

// Gateway makes the calls of a sign-on. *ags.Client is one.
type Gateway interface {
	SignOn(ctx context.Context, r ags.SignOnRequest) (*ags.Token, error)
	SubsequentSignOn(ctx context.Context, userToken ags.Secret, r ags.SignOnRequest) (*ags.Token, error)
}

// SignOn signs on, and once more to the chosen account if several match.
type SignOn struct {
	Gateway Gateway
	// Parameters returns those of the sign-on. It is called once for each attempt and may
	// ask a person.
	Parameters func(ctx context.Context) ([]ags.Parameter, error)
	// Device describes a device that the gateway does not know yet. It is a JSON object.
	Device json.RawMessage
	// ClientID is the client identifier to use if the ended session has none, for example
	// because its record was lost.
	ClientID string
	// Picker chooses the account.
	Picker Picker
	// Subsequent are the parameters that discovery names for the second call. If there
	// are none, the account's identifier is sent as accountId.
	Subsequent []ags.ParameterProperty
}

// Login is a [tokensource.LoginFunc]. It sends the client identifier of the ended session,
// so that the device stays the same, unless the gateway has deleted the device.
func (s SignOn) Login(ctx context.Context, ended *tokensource.LoginRequiredError) (*ags.Token, error) {
	clientID := cmp.Or(ended.ClientID, s.ClientID)
	if ags.DeviceDeleted(ended.Err) {
		clientID = ""
	}
	return s.do(ctx, clientID)
}

// Again signs on although there may be a session, as the device clientID. It registers a
// new device if clientID is empty, or if the gateway has deleted the device.
func (s SignOn) Again(ctx context.Context, clientID string) (*ags.Token, error) {
	clientID = cmp.Or(clientID, s.ClientID)
	token, err := s.do(ctx, clientID)
	if clientID != "" && ags.DeviceDeleted(err) {
		return s.do(ctx, "")
	}
	return token, err
}

// do signs on as the device clientID, or as a new device if it is empty. The client sends
// the device's description only if it sends no identifier, except in the dialect IASv2.
func (s SignOn) do(ctx context.Context, clientID string) (*ags.Token, error) {
	parameters, err := s.Parameters(ctx)
	if err != nil {
		return nil, err
	}
	request := ags.SignOnRequest{Parameters: parameters, ClientID: clientID, DeviceInformation: s.Device}
	token, err := s.Gateway.SignOn(ctx, request)
	var choice *ags.AccountChoiceError
	if !errors.As(err, &choice) {
		return token, err
	}
	accounts := Accounts(choice)
	i, err := s.Picker.Pick(ctx, accounts)
	if err != nil {
		return nil, err
	}
	ctx = ags.WithCorrelationID(ctx, choice.CorrelationID)
	request = ags.SignOnRequest{Parameters: s.subsequent(accounts[i], parameters)}
	return s.Gateway.SubsequentSignOn(ctx, choice.Accounts[i].UserToken, request)
}

// subsequent returns the parameters of the second call: those that discovery names, from
// the description of the account or else from the first call.
func (s SignOn) subsequent(a Account, first []ags.Parameter) []ags.Parameter {
	list := []ags.Parameter{}
	for _, property := range s.Subsequent {
		if value := a.field(property.Name); value != "" {
			list = append(list, ags.Parameter{Name: property.Name, Value: value})
			continue
		}
		plan := NewPlan(nil, first)
		if given := plan.find(property.Name); given != nil {
			list = append(list, ags.Parameter{Name: property.Name, Value: given.values[0]})
		}
	}
	if len(s.Subsequent) == 0 && a.ID != "" {
		list = append(list, ags.Parameter{Name: "accountId", Value: a.ID})
	}
	return list
}

// Device returns the description of a new device: the given one, or the host's name. The
// error is an [*InputError] if the given one is not a JSON object.
func Device(given []byte, hostname string) (json.RawMessage, error) {
	if given = bytes.TrimSpace(given); len(given) > 0 {
		if !json.Valid(given) || given[0] != '{' {
			return nil, &InputError{
				Problem: "the device information is not a JSON object",
				Remedy:  `write for example {"name":"living room"}`,
			}
		}
		return given, nil
	}
	if hostname == "" {
		hostname = "agsauth"
	}
	return json.Marshal(map[string]string{"name": hostname})
}
