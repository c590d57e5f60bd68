package ags_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
)

func TestDiscover(t *testing.T) {
	c, tr := newClient(t, nil, respond(200, `{"availableServices":[{"authServiceName":"Customer Auth Service",
		"displayAttributes":{"logo":"http://x/auth.jpg","name":"Customer Authentication","order":3},
		"endpoints":[{"name":"SIGNON","path":"/signOn","parameterProperties":[
			{"name":"Username","mandatory":true,"isPassword":false},
			{"name":"Password","mandatory":"false","isPassword":"true"},
			{"name":"Pin","isPassword":"FALSE"}]}],"unknown":[1]},{}]}`))
	d, err := c.Discover(t.Context())
	require.NoError(t, err)
	tr.only()
	assert.Equal(t, &ags.Discovery{Services: []ags.Service{
		{
			AuthServiceName: "Customer Auth Service",
			DisplayAttributes: map[string]string{
				"logo": "http://x/auth.jpg", "name": "Customer Authentication", "order": "3",
			},
			Endpoints: []ags.Endpoint{{
				Name: "SIGNON", Path: "/signOn",
				ParameterProperties: []ags.ParameterProperty{
					{Name: "Username", Mandatory: true},
					{Name: "Password", IsPassword: true},
					{Name: "Pin", IsPassword: true}, // unknown values mean no echo
				},
			}},
		},
		{},
	}}, d)
}

func TestDiscover_TokenHeader(t *testing.T) {
	c, tr := newClient(t, func(c *ags.Config) { c.Header = http.Header{"token": {"t-1"}} }, respond(200, `{"availableServices":[]}`))
	_, err := c.Discover(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "t-1", tr.only().header.Get("Token"))
}

func TestDiscover_NoServicesIsA404(t *testing.T) {
	c, tr := newClient(t, nil, respond(404, ""))
	_, err := c.Discover(t.Context())
	assert.Equal(t, 404, asError(t, err).Status)
	tr.only()
}

func TestDiscover_Malformed(t *testing.T) {
	for _, body := range []string{
		``, `null`, `[]`, `<html>`, `{}`, `{"availableServices":null}`, `{"availableServices":{}}`,
		`{"availableServices":["x"]}`, `{"availableServices":[{"authServiceName":7}]}`,
		`{"availableServices":[{"displayAttributes":[]}]}`, `{"availableServices":[{"endpoints":{}}]}`,
		`{"availableServices":[{"endpoints":[{"name":7}]}]}`, `{"availableServices":[{"endpoints":[{"path":7}]}]}`,
		`{"availableServices":[{"endpoints":[{"parameterProperties":[{"name":7}]}]}]}`,
		`{"availableServices":[{"endpoints":[{"parameterProperties":7}]}]}`,
	} {
		c, tr := newClient(t, nil, respond(200, body))
		d, err := c.Discover(t.Context())
		assert.Nil(t, d, body)
		require.ErrorIs(t, err, ags.ErrProtocol, body)
		tr.only()
	}
}

func TestDiscover_WithoutAuthServiceID(t *testing.T) {
	c, tr := newClient(t, func(c *ags.Config) { c.AuthServiceID = "" }, respond(200, `{"availableServices":[]}`))
	d, err := c.Discover(t.Context())
	require.NoError(t, err)
	assert.Empty(t, d.Services)
	tr.only()
}
