package tokensource_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/tokensource"
)

func TestSignOnWith_SendsTheKnownDevice(t *testing.T) {
	srv := agstest.NewServer(agstest.Config{})
	t.Cleanup(srv.Close)
	client, err := ags.New(ags.Config{BaseURL: srv.URL, AuthServiceID: "s", TenantID: "t", HTTPClient: srv.Client()})
	require.NoError(t, err)
	request := ags.SignOnRequest{
		Parameters:        []ags.Parameter{{Name: "username", Value: agstest.DefaultUsername}, {Name: "password", Value: agstest.DefaultPassword}},
		DeviceInformation: json.RawMessage(`{"name":"test"}`),
	}
	login := tokensource.SignOnWith(client, request)
	// sent returns the device that the last sign-on sent.
	sent := func() (clientID string, described bool) {
		all := srv.Requests(agstest.SignOn)
		var body struct {
			ClientID          string          `json:"clientId"`
			DeviceInformation json.RawMessage `json:"deviceInformation"`
		}
		require.NoError(t, json.Unmarshal(all[len(all)-1].Body(), &body))
		return body.ClientID, body.DeviceInformation != nil
	}

	first, err := login(t.Context(), &tokensource.LoginRequiredError{Reason: tokensource.NoSession})
	require.NoError(t, err)
	id, described := sent()
	assert.Empty(t, id)
	assert.True(t, described, "a new device sends its description")

	_, err = login(t.Context(), &tokensource.LoginRequiredError{Reason: tokensource.FixedExpired, ClientID: first.ClientID})
	require.NoError(t, err)
	id, described = sent()
	assert.Equal(t, first.ClientID, id)
	assert.False(t, described, "a known device does not: it would be registered again")
	assert.Equal(t, 1, srv.Stats().Devices)

	request.ClientID = first.ClientID
	login = tokensource.SignOnWith(client, request)
	_, err = login(t.Context(), &tokensource.LoginRequiredError{Reason: tokensource.NoSession})
	require.NoError(t, err)
	id, _ = sent()
	assert.Equal(t, first.ClientID, id, "the ID of the request, if no other is known")

	require.True(t, srv.DeleteDevice(first.ClientID))
	deleted := &ags.Error{Op: "sign on", Status: 403, Code: 20003}
	_, err = login(t.Context(), &tokensource.LoginRequiredError{Reason: tokensource.RefreshRejected, Err: deleted})
	require.NoError(t, err)
	id, described = sent()
	assert.Empty(t, id, "a deleted device is registered again")
	assert.True(t, described)
	assert.Equal(t, 4, srv.Count(agstest.SignOn))
}

func TestSignOnWith_ForgetsTheDeviceForEachDeletedCode(t *testing.T) {
	srv := agstest.NewServer(agstest.Config{})
	t.Cleanup(srv.Close)
	client, err := ags.New(ags.Config{BaseURL: srv.URL, AuthServiceID: "s", TenantID: "t", HTTPClient: srv.Client()})
	require.NoError(t, err)
	login := tokensource.SignOnWith(client, ags.SignOnRequest{
		Parameters:        []ags.Parameter{{Name: "username", Value: agstest.DefaultUsername}, {Name: "password", Value: agstest.DefaultPassword}},
		DeviceInformation: json.RawMessage(`{"name":"test"}`),
	})
	first, err := login(t.Context(), &tokensource.LoginRequiredError{Reason: tokensource.NoSession})
	require.NoError(t, err)
	for _, code := range []int{20003, 20006, 1016, 20004, 20007} {
		ended := &ags.Error{Op: "refresh", Status: 403, Code: code}
		again, err := login(t.Context(), &tokensource.LoginRequiredError{
			Reason: tokensource.RefreshRejected, ClientID: first.ClientID, Err: errors.Join(errors.New("another error"), ended),
		})
		require.NoError(t, err)
		assert.Equal(t, ags.DeviceDeleted(ended), again.ClientID != first.ClientID, "code %d", code)
	}
}
