package apiclients_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	gogithub "github.com/google/go-github/v75/github"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/agsauth/agsauth/integration/internal/harness"
)

var github = harness.Client{
	Name: "google/go-github",
	Open: openGitHub(func(_ *testing.T, e *harness.Env, srv *httptest.Server) *http.Client {
		return &http.Client{Transport: over(e, srv)}
	}),
}

var githubOverOAuth2 = harness.Client{
	Name: "google/go-github, oauth2.NewClient",
	Open: openGitHub(func(t *testing.T, e *harness.Env, srv *httptest.Server) *http.Client {
		t.Helper()
		return oauth2.NewClient(context.WithValue(t.Context(), oauth2.HTTPClient, srv.Client()), e.Source)
	}),
	Limits: oauth2Limits,
}

func openGitHub(newClient func(*testing.T, *harness.Env, *httptest.Server) *http.Client) func(*testing.T, *harness.Env) harness.Calls {
	return func(t *testing.T, e *harness.Env) harness.Calls {
		t.Helper()
		srv := serve(t, e, gitHubAPI())
		client := newGitHub(t, newClient(t, e, srv), srv.URL)
		return harness.Calls{
			Get: func(ctx context.Context) error {
				_, _, err := client.Users.Get(ctx, "")
				return err
			},
			Post: func(ctx context.Context, body []byte) error {
				content := string(body)
				blob, _, err := client.Git.CreateBlob(ctx, "dave", "repo", gogithub.Blob{Content: &content})
				if err == nil && blob.GetContent() != content {
					err = errIncomplete
				}
				return err
			},
		}
	}
}

// gitHubAPI answers as GitHub's REST API, but with the content of a new blob.
func gitHubAPI() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v3/user", answer(map[string]any{"login": "dave"}))
	mux.HandleFunc("POST /api/v3/repos/dave/repo/git/blobs", harness.Echo)
	mux.HandleFunc("POST /api/uploads/repos/dave/repo/releases/1/assets", answer(map[string]any{"id": 7}))
	return mux
}

func newGitHub(tb testing.TB, client *http.Client, baseURL string) *gogithub.Client {
	tb.Helper()
	c, err := gogithub.NewClient(client).WithEnterpriseURLs(baseURL, baseURL)
	require.NoError(tb, err)
	return c
}

// The body of an upload is an *os.File, which cannot be sent twice. The rejected token
// is replaced nevertheless, for the next call.
func TestGitHub_AnUploadIsNotRepeated(t *testing.T) {
	e := harness.NewEnv(t)
	srv := serve(t, e, gitHubAPI())
	client := newGitHub(t, &http.Client{Transport: over(e, srv)}, srv.URL)
	path := filepath.Join(t.TempDir(), "asset.txt")
	require.NoError(t, os.WriteFile(path, []byte("an asset"), 0o600))
	upload := func() (*gogithub.Response, error) {
		file, err := os.Open(path)
		require.NoError(t, err)
		t.Cleanup(func() { _ = file.Close() })
		_, resp, err := client.Repositories.UploadReleaseAsset(t.Context(), "dave", "repo", 1, &gogithub.UploadOptions{Name: "asset.txt"}, file)
		return resp, err
	}
	require.NoError(t, e.RejectCurrent(t.Context()))
	resp, err := upload()
	require.Error(t, err)
	assert.Equal(t, http.StatusUnauthorized, resp.StatusCode)
	assert.Equal(t, 1, e.Received())
	_, err = upload()
	require.NoError(t, err)
	assert.Equal(t, 2, e.Received())
}

// Methods with an *os.File have a request underneath whose GetBody can be set.
func TestGitHub_AnUploadWithGetBodyIsRepeated(t *testing.T) {
	e := harness.NewEnv(t)
	srv := serve(t, e, gitHubAPI())
	client := newGitHub(t, &http.Client{Transport: over(e, srv)}, srv.URL)
	path := filepath.Join(t.TempDir(), "asset.txt")
	require.NoError(t, os.WriteFile(path, []byte("an asset"), 0o600))
	file, err := os.Open(path)
	require.NoError(t, err)
	req, err := client.NewUploadRequest("repos/dave/repo/releases/1/assets?"+url.Values{"name": {"asset.txt"}}.Encode(), file, 8, "text/plain")
	require.NoError(t, err)
	req.GetBody = func() (io.ReadCloser, error) { return os.Open(path) }
	require.NoError(t, e.RejectCurrent(t.Context()))
	asset := new(gogithub.ReleaseAsset)
	_, err = client.Do(t.Context(), req, asset)
	require.NoError(t, err)
	assert.EqualValues(t, 7, asset.GetID())
	assert.Equal(t, 2, e.Received())
}
