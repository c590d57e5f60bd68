package ags_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/ags"
)

// signOnChoice signs on with a 300 and this body as the response.
func signOnChoice(t *testing.T, body string) (*ags.AccountChoiceError, error) {
	t.Helper()
	c, tr := newClient(t, nil, respond(300, body))
	token, err := c.SignOn(ags.WithCorrelationID(t.Context(), "flow-1"), ags.SignOnRequest{})
	assert.Nil(t, token)
	tr.only()
	e, _ := errors.AsType[*ags.AccountChoiceError](err)
	return e, err
}

func TestAccountChoice_TokenBesideTheAccounts(t *testing.T) {
	e, err := signOnChoice(t, `{"userAccountToken":"`+userMark+`","accounts":[
		{"accountInformation":"{\"accountId\":\"1663\",\"owner\":\"Dave\"}","rank":1},
		{"accountInformation":"{\"accountId\":\"1664\"}"}]}`)
	require.NotNil(t, e, "%v", err)
	assert.Equal(t, userMark, e.UserToken.Reveal())
	assert.Equal(t, "flow-1", e.CorrelationID)
	require.Len(t, e.Accounts, 2)
	for _, a := range e.Accounts {
		assert.Equal(t, userMark, a.UserToken.Reveal())
	}
	assert.JSONEq(t, `{"accountId":"1663","owner":"Dave"}`, string(e.Accounts[0].Information()))
	fields := e.Accounts[0].Fields()
	assert.Equal(t, "1", string(fields["rank"]))
	assert.JSONEq(t, `"{\"accountId\":\"1663\",\"owner\":\"Dave\"}"`, string(fields["accountInformation"]))
	assert.Equal(t, "ags: sign on: 2 accounts match, choose one (correlation id flow-1)", err.Error())
	for _, class := range classes {
		require.NotErrorIs(t, err, class)
	}
}

func TestAccountChoice_TokenInEachAccount(t *testing.T) {
	e, err := signOnChoice(t, `{"accounts":[{"userAccountToken":"one","accountInformation":null},{"userAccountToken":"two","accountInformation":{"n":1}}]}`)
	require.NotNil(t, e, "%v", err)
	assert.True(t, e.UserToken.IsZero())
	assert.Equal(t, "one", e.Accounts[0].UserToken.Reveal())
	assert.Nil(t, e.Accounts[0].Information())
	assert.Len(t, e.Accounts[0].Fields(), 1)
	assert.Equal(t, "two", e.Accounts[1].UserToken.Reveal())
	assert.Equal(t, `{"n":1}`, string(e.Accounts[1].Information()))
}

func TestAccountChoice_TokenInTheInformation(t *testing.T) {
	e, err := signOnChoice(t, `{"userAccountToken":"shared","accounts":[
		{"accountInformation":"{\"userAccountToken\":\"`+userMark+`\",\"n\":1}"},{"accountInformation":"Dave's"},{"accountInformation":7}]}`)
	require.NotNil(t, e, "%v", err)
	assert.Equal(t, userMark, e.Accounts[0].UserToken.Reveal())
	assert.Equal(t, `{"n":1}`, string(e.Accounts[0].Information()))
	assert.Equal(t, `{"n":1}`, string(e.Accounts[0].Fields()["accountInformation"]))
	assert.Equal(t, "shared", e.Accounts[1].UserToken.Reveal())
	assert.Equal(t, `"Dave's"`, string(e.Accounts[1].Information()))
	assert.Equal(t, `7`, string(e.Accounts[2].Information()))
}

func TestAccountChoice_ReturnsCopies(t *testing.T) {
	e, err := signOnChoice(t, `{"userAccountToken":"a","accounts":[{"accountInformation":{"n":1},"m":2}]}`)
	require.NotNil(t, e, "%v", err)
	a := e.Accounts[0]
	a.Information()[0] = 'x'
	a.Fields()["m"][0] = 'x'
	delete(a.Fields(), "m")
	assert.Equal(t, `{"n":1}`, string(a.Information()))
	assert.Equal(t, `2`, string(a.Fields()["m"]))
	assert.Nil(t, ags.Account{}.Information())
	assert.Nil(t, ags.Account{}.Fields())
}

func TestAccountChoice_Malformed(t *testing.T) {
	for _, body := range []string{
		``, `<html>`, `[]`, `{}`, `{"userAccountToken":"a"}`, `{"userAccountToken":"a","accounts":[]}`,
		`{"userAccountToken":"a","accounts":null}`, `{"userAccountToken":"a","accounts":{}}`,
		`{"userAccountToken":"a","accounts":["` + userMark + `"]}`, `{"accounts":[{}]}`,
		`{"userAccountToken":7,"accounts":[{}]}`, `{"accounts":[{"userAccountToken":7}]}`,
		`{"userAccountToken":"` + userMark + `\n","accounts":[{}]}`,
		`{"accounts":[{"accountInformation":"{\"userAccountToken\":\"` + userMark + `\\n\"}"}]}`,
		`{"accounts":[{"userAccountToken":"a","userAccountToken":"b"}]}`,
	} {
		e, err := signOnChoice(t, body)
		assert.Nil(t, e, body)
		require.ErrorIs(t, err, ags.ErrProtocol, body)
		assert.Equal(t, 300, asError(t, err).Status)
		assert.NotContains(t, err.Error(), userMark)
	}
}

func TestAccountChoice_OnlyForSignOns(t *testing.T) {
	const body = `{"userAccountToken":"a","accounts":[{}]}`
	c, tr := newClient(t, nil, respond(300, body), respond(300, body))
	_, err := c.SignOnWithSessionToken(t.Context(), ags.SignOnRequest{})
	e, ok := errors.AsType[*ags.AccountChoiceError](err)
	require.True(t, ok)
	assert.Equal(t, tr.requests[0].header.Get("X-Correlation-Id"), e.CorrelationID)
	_, err = c.Refresh(t.Context(), testToken())
	require.ErrorIs(t, err, ags.ErrProtocol)
	assert.Len(t, tr.requests, 2)
}

func TestAccountChoice_PrintsNoContent(t *testing.T) {
	e, err := signOnChoice(t, `{"userAccountToken":"`+userMark+`","accounts":[
		{"accountInformation":"{\"owner\":\"`+passwordMark[4:8]+`Dave\"}","rank":"`+accessMark+`"}]}`)
	require.NotNil(t, e, "%v", err)
	for _, v := range slices.Concat(exportedForms(*e), unexportedForms(*e), exportedForms(e.Accounts[0]), unexportedForms(e.Accounts[0]),
		[]any{fmt.Errorf("wrapped: %w", e)}) {
		for _, printed := range printedTexts(v) {
			for _, mark := range []string{userMark, "Dave", accessMark} {
				assert.NotContains(t, printed, mark)
			}
		}
	}
}
