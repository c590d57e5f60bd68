package apiclients_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"
	storage "google.golang.org/api/storage/v1"

	"github.com/agsauth/agsauth/integration/internal/harness"
)

var google = harness.Client{
	Name: "google.golang.org/api",
	Open: openGoogle(withHTTPClient),
}

var googleWithTokenSource = harness.Client{
	Name:   "google.golang.org/api, WithTokenSource",
	Open:   openGoogle(func(e *harness.Env, _ *httptest.Server) option.ClientOption { return option.WithTokenSource(e.Source) }),
	Limits: oauth2Limits,
}

func withHTTPClient(e *harness.Env, srv *httptest.Server) option.ClientOption {
	return option.WithHTTPClient(&http.Client{Transport: over(e, srv)})
}

func openGoogle(plugIn func(*harness.Env, *httptest.Server) option.ClientOption) func(*testing.T, *harness.Env) harness.Calls {
	return func(t *testing.T, e *harness.Env) harness.Calls {
		t.Helper()
		srv := serve(t, e, storageAPI())
		logger := slog.New(slog.NewTextHandler(e.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		service := newStorage(t, srv, plugIn(e, srv), option.WithLogger(logger))
		return harness.Calls{
			Get: func(ctx context.Context) error {
				_, err := service.Buckets.Get("bucket").Context(ctx).Do()
				return err
			},
			Post: func(ctx context.Context, body []byte) error {
				object, err := service.Objects.Insert("bucket", &storage.Object{Name: "o"}).Media(bytes.NewReader(body)).Context(ctx).Do()
				if err == nil && object.Md5Hash != digest(body) {
					err = errIncomplete
				}
				return err
			},
		}
	}
}

func newStorage(t *testing.T, srv *httptest.Server, options ...option.ClientOption) *storage.Service {
	t.Helper()
	service, err := storage.NewService(t.Context(), append(options, option.WithEndpoint(srv.URL+"/storage/v1/"))...)
	require.NoError(t, err)
	return service
}

// storageAPI answers as the JSON API of Cloud Storage, to simple uploads only.
func storageAPI() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /storage/v1/b/bucket", answer(storage.Bucket{Name: "bucket"}))
	mux.HandleFunc("POST /upload/storage/v1/b/bucket/o", func(w http.ResponseWriter, r *http.Request) {
		media, err := uploadedMedia(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer(storage.Object{Name: "o", Md5Hash: digest(media)})(w, r)
	})
	return mux
}

// uploadedMedia returns the second part of a multipart upload; the first is metadata.
func uploadedMedia(r *http.Request) ([]byte, error) {
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return nil, err
	}
	parts := multipart.NewReader(r.Body, params["boundary"])
	if _, err = parts.NextPart(); err != nil {
		return nil, err
	}
	media, err := parts.NextPart()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(media)
}

func digest(body []byte) string {
	sum := md5.Sum(body)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// With a chunk size of 0 the media is streamed, and cannot be sent twice.
func TestGoogle_AStreamedUploadIsNotRepeated(t *testing.T) {
	e := harness.NewEnv(t)
	srv := serve(t, e, storageAPI())
	service := newStorage(t, srv, withHTTPClient(e, srv))
	upload := func() error {
		media := io.MultiReader(strings.NewReader("some media")) // not an io.Seeker
		_, err := service.Objects.Insert("bucket", &storage.Object{Name: "o"}).Media(media, googleapi.ChunkSize(0)).Context(t.Context()).Do()
		return err
	}
	require.NoError(t, e.RejectCurrent(t.Context()))
	err := upload()
	var rejected *googleapi.Error
	require.ErrorAs(t, err, &rejected)
	assert.Equal(t, http.StatusUnauthorized, rejected.Code)
	assert.Equal(t, 1, e.Received())
	require.NoError(t, upload())
	assert.Equal(t, 2, e.Received())
}
