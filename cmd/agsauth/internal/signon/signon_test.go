package signon_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/signon"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

func gatewayOf(t *testing.T, cfg agstest.Config) (*agstest.Server, *ags.Client) {
	t.Helper()
	srv := agstest.NewServer(cfg)
	t.Cleanup(srv.Close)
	client, err := ags.New(ags.Config{BaseURL: srv.URL, AuthServiceID: "Customer Auth Service", TenantID: "nagra", HTTPClient: srv.Client()})
	require.NoError(t, err)
	return srv, client
}

func dave(context.Context) ([]ags.Parameter, error) {
	return []ags.Parameter{{Name: "username", Value: agstest.DefaultUsername}, {Name: "password", Value: agstest.DefaultPassword}}, nil
}

func twoAccounts() []agstest.Account {
	return []agstest.Account{
		{ID: "1663", Username: agstest.DefaultUsername, Password: agstest.DefaultPassword},
		{ID: "1664", Username: agstest.DefaultUsername, Password: agstest.DefaultPassword},
	}
}

// sent returns the members of a request's body.
func sent(t *testing.T, rq agstest.Request) map[string]json.RawMessage {
	t.Helper()
	var body map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(rq.Body(), &body))
	return body
}

func TestSignOn_DeviceOrClientID(t *testing.T) {
	srv, client := gatewayOf(t, agstest.Config{})
	s := signon.SignOn{Gateway: client, Parameters: dave, Device: json.RawMessage(`{"name":"flat"}`)}
	first, err := s.Again(t.Context(), "")
	require.NoError(t, err)
	second, err := s.Again(t.Context(), first.ClientID)
	require.NoError(t, err)
	assert.Equal(t, first.ClientID, second.ClientID)

	requests := srv.Requests(agstest.SignOn)
	require.Len(t, requests, 2)
	assert.JSONEq(t, `{"name":"flat"}`, string(sent(t, requests[0])["deviceInformation"]))
	assert.NotContains(t, sent(t, requests[0]), "clientId")
	assert.NotContains(t, sent(t, requests[1]), "deviceInformation")
	assert.Contains(t, sent(t, requests[1]), "clientId")
}

func TestSignOn_AgainWithDeletedDevice(t *testing.T) {
	srv, client := gatewayOf(t, agstest.Config{})
	s := signon.SignOn{Gateway: client, Parameters: dave, Device: json.RawMessage(`{"name":"flat"}`)}
	first, err := s.Again(t.Context(), "")
	require.NoError(t, err)
	srv.DeleteDevice(first.ClientID)
	second, err := s.Again(t.Context(), first.ClientID)
	require.NoError(t, err)
	assert.NotEqual(t, first.ClientID, second.ClientID)
	assert.Equal(t, 3, srv.Count(agstest.SignOn))
}

func TestSignOn_DeletedDevice(t *testing.T) {
	srv, client := gatewayOf(t, agstest.Config{})
	s := signon.SignOn{Gateway: client, Parameters: dave, Device: json.RawMessage(`{"name":"flat"}`)}
	token, err := s.Login(t.Context(), &tokensource.LoginRequiredError{
		ClientID: "PUB_9", Err: &ags.Error{Status: 403, Code: 20003},
	})
	require.NoError(t, err)
	assert.NotEqual(t, "PUB_9", token.ClientID)
	assert.NotContains(t, sent(t, srv.Requests(agstest.SignOn)[0]), "clientId")
}

func TestSignOn_Accounts(t *testing.T) {
	for _, tt := range []struct {
		name   string
		picker signon.Picker
		want   string
		failed string
	}{
		{"by identifier", signon.Picker{Wanted: "1664"}, "1664", ""},
		{"by a field", signon.Picker{Wanted: "accountid=1664"}, "1664", ""},
		{"asked", signon.Picker{Ask: &person{choice: 1}}, "1664", ""},
		{"the one before", signon.Picker{Known: "1664"}, "1664", ""},
		{"asked rather than the one before", signon.Picker{Known: "1664", Ask: &person{}}, "1663", ""},
		{"no terminal", signon.Picker{}, "", "several accounts match"},
		{"another one before", signon.Picker{Known: "7"}, "", "several accounts match"},
		{"unknown", signon.Picker{Wanted: "7", Ask: &person{}}, "", "no account matches --account"},
		{"ambiguous", signon.Picker{Wanted: agstest.DefaultUsername}, "", "2 accounts match --account"},
	} {
		for _, quirk := range []bool{false, true} {
			t.Run(tt.name, func(t *testing.T) {
				srv, client := gatewayOf(t, agstest.Config{Accounts: twoAccounts(), Quirks: agstest.Quirks{UserTokenInAccounts: quirk}})
				token, err := signon.SignOn{Gateway: client, Parameters: dave, Device: json.RawMessage(`{}`), Picker: tt.picker}.Again(t.Context(), "")
				if tt.failed != "" {
					var input *signon.InputError
					require.ErrorAs(t, err, &input)
					assert.Contains(t, input.Problem, tt.failed)
					require.Len(t, input.Accounts, 2)
					assert.Equal(t, "1663  username=dave", input.Accounts[0].String())
					assert.NotContains(t, err.Error(), "1663", "accounts are personal data")
					assert.Zero(t, srv.Count(agstest.SubsequentSignOn))
					return
				}
				require.NoError(t, err)
				assert.Equal(t, tt.want, token.AccountID)
				first, second := srv.Requests(agstest.SignOn)[0], srv.Requests(agstest.SubsequentSignOn)[0]
				assert.Equal(t, first.Header.Get("X-Correlation-Id"), second.Header.Get("X-Correlation-Id"))
			})
		}
	}
}

func TestSignOn_SubsequentParametersOfDiscovery(t *testing.T) {
	srv, client := gatewayOf(t, agstest.Config{Accounts: twoAccounts()})
	s := signon.SignOn{
		Gateway: client, Parameters: dave, Device: json.RawMessage(`{}`), Picker: signon.Picker{Wanted: "1664"},
		Subsequent: []ags.ParameterProperty{{Name: "AccountID"}, {Name: "password"}, {Name: "unknown"}},
	}
	token, err := s.Again(t.Context(), "")
	require.NoError(t, err)
	assert.Equal(t, "1664", token.AccountID)
	assert.JSONEq(t, `[{"name":"AccountID","value":"1664"},{"name":"password","value":"open sesame"}]`,
		string(sent(t, srv.Requests(agstest.SubsequentSignOn)[0])["parameters"]))
}

func TestSignOn_Fails(t *testing.T) {
	srv, client := gatewayOf(t, agstest.Config{})
	_, err := signon.SignOn{Gateway: client, Parameters: func(context.Context) ([]ags.Parameter, error) {
		return []ags.Parameter{{Name: "username", Value: "dave"}, {Name: "password", Value: "wrong"}}, nil
	}, Device: json.RawMessage(`{}`)}.Again(t.Context(), "")
	require.ErrorIs(t, err, ags.ErrUnauthorized)

	stop := errors.New("stop")
	_, err = signon.SignOn{Gateway: client, Parameters: func(context.Context) ([]ags.Parameter, error) { return nil, stop }}.Again(t.Context(), "")
	require.ErrorIs(t, err, stop)
	assert.Equal(t, 1, srv.Count(agstest.SignOn))
}

// Two logins at once over one store register one device: the second finds the session of
// the first.
func TestSignOn_TwoAtOnce(t *testing.T) {
	srv, client := gatewayOf(t, agstest.Config{})
	path := t.TempDir() + "/session.json"
	entered, goOn := make(chan struct{}), make(chan struct{})
	login := func(parameters func(context.Context) ([]ags.Parameter, error)) (*tokensource.Source, error) {
		s := signon.SignOn{Gateway: client, Parameters: parameters, Device: json.RawMessage(`{}`)}
		return tokensource.New(tokensource.Config{Refresher: client, Login: s.Login, Store: &store.File{Path: path}})
	}
	slow, err := login(func(ctx context.Context) ([]ags.Parameter, error) {
		close(entered)
		<-goOn
		return dave(ctx)
	})
	require.NoError(t, err)
	quick, err := login(dave)
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	use := func(src *tokensource.Source) {
		defer func() { assert.NoError(t, src.Close()) }()
		_, err := src.TokenContext(ctx)
		assert.NoError(t, err)
	}
	wg.Go(func() { use(slow) })
	<-entered
	wg.Go(func() { use(quick) })
	close(goOn)
	wg.Wait()
	assert.Equal(t, 1, srv.Count(agstest.SignOn))
}

func TestDevice(t *testing.T) {
	for _, tt := range []struct{ given, host, want string }{
		{"", "laptop", `{"name":"laptop"}`},
		{"", "", `{"name":"agsauth"}`},
		{" \n", "laptop", `{"name":"laptop"}`},
		{` {"name":"flat"} `, "laptop", `{"name":"flat"}`},
	} {
		got, err := signon.Device([]byte(tt.given), tt.host)
		require.NoError(t, err)
		assert.JSONEq(t, tt.want, string(got))
	}
	for _, given := range []string{"flat", `"flat"`, "[]", "{", `{"a":1} {}`} {
		_, err := signon.Device([]byte(given), "laptop")
		var input *signon.InputError
		assert.ErrorAs(t, err, &input, given)
	}
}
