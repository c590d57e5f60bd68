package signon_test

import (
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/cmd/agsauth/internal/signon"
)

func TestPlan_Complete(t *testing.T) {
	username := ags.ParameterProperty{Name: "username", Mandatory: true}
	password := ags.ParameterProperty{Name: "password", Mandatory: true, IsPassword: true}
	region := ags.ParameterProperty{Name: "region"}
	pin := ags.ParameterProperty{Name: "pin"}
	memorable := ags.ParameterProperty{Name: "memorable", IsPassword: true}
	named := func(names ...string) (list []ags.Parameter) {
		for _, name := range names {
			list = append(list, ags.Parameter{Name: name, Value: "given"})
		}
		return list
	}
	for _, tt := range []struct {
		name       string
		properties []ags.ParameterProperty
		given      []ags.Parameter
		answers    []string
		asked      []string
		want       []string
		missing    []string // without a terminal
	}{
		{
			"nothing given",
			[]ags.ParameterProperty{username, password, region},
			nil,
			[]string{"dave", "sesame", "eu"},
			[]string{"username: ", "hidden password: ", "region (optional): "},
			[]string{"username=dave", "password=sesame", "region=eu"},
			[]string{"username", "password", "region"},
		},
		{
			"optional left out",
			[]ags.ParameterProperty{username, region},
			nil,
			[]string{"dave", ""},
			[]string{"username: ", "region (optional): "},
			[]string{"username=dave"},
			[]string{"username", "region"},
		},
		{
			"mandatory asked again",
			[]ags.ParameterProperty{username},
			nil,
			[]string{"", "", "dave"},
			[]string{"username: ", "username: ", "username: "},
			[]string{"username=dave"},
			[]string{"username"},
		},
		{
			"password missing",
			[]ags.ParameterProperty{username, password},
			named("USERNAME"),
			[]string{"sesame"},
			[]string{"hidden password: "},
			[]string{"username=given", "password=sesame"},
			[]string{"password"},
		},
		{
			"optional password missing",
			[]ags.ParameterProperty{username, memorable},
			named("username"),
			[]string{"sesame"},
			[]string{"hidden memorable (optional): "},
			[]string{"username=given", "memorable=sesame"},
			nil,
		},
		{
			"an optional one alone is not asked for",
			[]ags.ParameterProperty{username, password, region},
			named("password", "username"),
			nil, nil,
			[]string{"username=given", "password=given"},
			nil,
		},
		{
			"secret by its name",
			[]ags.ParameterProperty{pin},
			nil,
			[]string{"1234"},
			[]string{"hidden pin (optional): "},
			[]string{"pin=1234"},
			[]string{"pin"},
		},
		{
			"others follow, repeated ones stay together",
			[]ags.ParameterProperty{username},
			named("x", "username", "y", "x"),
			nil, nil,
			[]string{"username=given", "x=given", "x=given", "y=given"},
			nil,
		},
		{"nothing to ask for", nil, nil, nil, nil, []string{}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plan := signon.NewPlan(tt.properties, tt.given)
			assert.Equal(t, tt.missing, plan.Missing())
			_, err := plan.Complete(t.Context(), nil)
			var input *signon.InputError
			assert.Equal(t, tt.missing != nil, err != nil)
			for _, name := range tt.missing {
				require.ErrorAs(t, err, &input)
				assert.Contains(t, input.Problem, name)
			}

			p := &person{answers: tt.answers}
			got, err := plan.Complete(t.Context(), p)
			require.NoError(t, err)
			assert.Equal(t, tt.want, pairs(got))
			assert.Equal(t, tt.asked, p.asked)
		})
	}
}

func TestPlan_QuestionFails(t *testing.T) {
	_, err := signon.NewPlan(signon.Conventional(), nil).Complete(t.Context(), &person{answers: []string{"dave"}})
	require.ErrorIs(t, err, io.EOF)
	assert.ErrorContains(t, err, "ask for password")
}

func TestProperties(t *testing.T) {
	list := []ags.ParameterProperty{{Name: "username"}}
	for _, name := range []string{"SIGNON", "signOn", "SIGN_ON", "sign-on"} {
		service := ags.Service{Endpoints: []ags.Endpoint{{Name: "SUBSEQUENTSIGNON"}, {Name: name, ParameterProperties: list}}}
		assert.Equal(t, list, signon.Properties(service, "SIGNON"), name)
	}
	assert.Empty(t, signon.Properties(ags.Service{}, "SIGNON"))
}

func TestChooseService(t *testing.T) {
	two := &ags.Discovery{Services: []ags.Service{
		{AuthServiceName: "One"},
		{AuthServiceName: "Two", DisplayAttributes: map[string]string{"name": "The second"}},
	}}
	p := &person{choice: 1}
	got, err := signon.ChooseService(t.Context(), two, p)
	require.NoError(t, err)
	assert.Equal(t, "Two", got.AuthServiceName)
	assert.Equal(t, []string{"The gateway has several sign-on services:", "One", "Two  (The second)"}, p.asked)

	_, err = signon.ChooseService(t.Context(), two, nil)
	assert.ErrorContains(t, err, `--service: "One", "Two"`)
	one, err := signon.ChooseService(t.Context(), &ags.Discovery{Services: two.Services[:1]}, nil)
	require.NoError(t, err)
	assert.Equal(t, "One", one.AuthServiceName)
	_, err = signon.ChooseService(t.Context(), &ags.Discovery{}, p)
	assert.ErrorContains(t, err, "no sign-on service")
}

func TestFindService(t *testing.T) {
	d := &ags.Discovery{Services: []ags.Service{{AuthServiceName: "One"}, {AuthServiceName: "Two"}}}
	got, err := signon.FindService(d, "Two")
	require.NoError(t, err)
	assert.Equal(t, "Two", got.AuthServiceName)
	_, err = signon.FindService(d, "two")
	assert.ErrorContains(t, err, `no service "two"; choose one of "One", "Two"`)
}
