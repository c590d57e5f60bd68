package httpclients_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/integration/httpclients/internal/notes"
	"github.com/agsauth/agsauth/integration/internal/harness"
	"github.com/agsauth/agsauth/transport"
)

var generatedClients = []harness.Client{
	{
		Name: "oapi-codegen",
		Open: openGenerated(func(e *harness.Env, base http.RoundTripper) []notes.ClientOption {
			return []notes.ClientOption{
				notes.WithHTTPClient(&http.Client{Transport: &transport.Transport{Source: e.Source, Base: base}}),
			}
		}),
	},
	{
		Name: "oapi-codegen, request editor",
		Open: openGenerated(func(e *harness.Env, base http.RoundTripper) []notes.ClientOption {
			return []notes.ClientOption{
				notes.WithHTTPClient(&http.Client{Transport: base}),
				notes.WithRequestEditorFn(func(ctx context.Context, req *http.Request) error {
					token, err := e.Source.TokenContext(ctx)
					if err != nil {
						return err
					}
					token.SetAuthHeader(req)
					return nil
				}),
			}
		}),
		Limits: map[harness.Check]string{
			harness.Replaced: "an editor sees no response",
			harness.Post:     "an editor sees no response",
		},
	},
}

func openGenerated(options func(*harness.Env, http.RoundTripper) []notes.ClientOption) func(*testing.T, *harness.Env) harness.Calls {
	return func(t *testing.T, e *harness.Env) harness.Calls {
		t.Helper()
		srv := harness.NewServer(t, e.Protect(http.HandlerFunc(addNote)))
		client, err := notes.NewClientWithResponses(srv.URL, options(e, srv.Client().Transport)...)
		require.NoError(t, err)
		add := func(ctx context.Context, text string) error {
			resp, err := client.AddNoteWithResponse(ctx, notes.Note{Text: text})
			if err != nil {
				return err
			}
			if resp.JSON200 == nil {
				return errors.New(resp.Status())
			}
			return harness.CheckEcho(resp.StatusCode(), []byte(text), []byte(resp.JSON200.Text))
		}
		return harness.Calls{
			Get:  func(ctx context.Context) error { return add(ctx, "short") },
			Post: func(ctx context.Context, body []byte) error { return add(ctx, string(body)) },
		}
	}
}

// addNote answers with the note that it receives.
func addNote(w http.ResponseWriter, r *http.Request) {
	var note notes.Note
	if err := json.NewDecoder(r.Body).Decode(&note); err != nil {
		http.Error(w, "not a note", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(note)
}
