package transport_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/transport"
)

const (
	grpcMedia    = "application/grpc+proto"
	grpcWebMedia = "application/grpc-web+proto"
	connectMedia = "application/connect+proto"
)

// trailerFrame is the trailer frame of gRPC-Web with these fields.
func trailerFrame(fields string) string { return frame("\x80", fields) }

// frame is a frame with these flags.
func frame(flags, data string) string { return flags + "\x00\x00\x00" + string(rune(len(data))) + data }

func gzipped(text string) string {
	var b strings.Builder
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.String()
}

func TestRejectionGRPC(t *testing.T) {
	status := func(code string) http.Header { return http.Header{"Grpc-Status": {code}} }
	for name, tc := range map[string]struct {
		response response
		trailer  http.Header
		want     bool
	}{
		"in the header":              {response{media: grpcMedia, header: status("16")}, nil, true},
		"another code in the header": {response{media: grpcMedia, header: status("7")}, nil, false},
		"success in the header":      {response{media: grpcMedia, header: status("0")}, status("16"), false},
		"in the trailer":             {response{media: grpcMedia}, status("16"), true},
		"another code":               {response{media: grpcMedia}, status("14"), false},
		"no trailer":                 {response{media: grpcMedia}, nil, false},
		"after a message":            {response{media: grpcMedia, text: "\x00\x00\x00\x00\x01a"}, status("16"), false},
		"plain gRPC":                 {response{media: "application/grpc"}, status("16"), true},
		"not gRPC":                   {response{media: jsonMedia}, status("16"), false},
		"no media type":              {response{}, status("16"), false},
		"gRPC-Web":                   {response{media: grpcWebMedia, text: trailerFrame("grpc-status: 16\r\ngrpc-message: no\r\n")}, nil, true},
		"gRPC-Web, one line":         {response{media: grpcWebMedia, text: trailerFrame("grpc-status:16\r\n")}, nil, true},
		"gRPC-Web, in the header":    {response{media: grpcWebMedia, header: status("16")}, nil, true},
		"gRPC-Web, another code":     {response{media: grpcWebMedia, text: trailerFrame("grpc-status: 7\r\n")}, nil, false},
		"gRPC-Web, after a message":  {response{media: grpcWebMedia, text: "\x00\x00\x00\x00\x01a" + trailerFrame("grpc-status: 16\r\n")}, nil, false},
		"gRPC-Web, truncated":        {response{media: grpcWebMedia, text: "\x80\x00\x00"}, nil, false},
		"gRPC-Web, the rest missing": {response{media: grpcWebMedia, text: "\x80\x00\x00\x00\x40grpc-sta"}, nil, false},
		"gRPC-Web, empty":            {response{media: grpcWebMedia}, nil, false},
		"Connect stream":             {response{media: connectMedia, text: frame("\x02", `{"error":{"code":"unauthenticated"}}`)}, nil, true},
		"Connect, another code":      {response{media: connectMedia, text: frame("\x02", `{"error":{"code":"unavailable"}}`)}, nil, false},
		"Connect, success":           {response{media: connectMedia, text: frame("\x02", `{}`)}, nil, false},
		"Connect, after a message":   {response{media: connectMedia, text: frame("\x00", "a") + frame("\x02", `{"error":{"code":"unauthenticated"}}`)}, nil, false},
		"Connect, compressed":        {response{media: connectMedia, text: frame("\x03", gzipped(`{"error":{"code":"unauthenticated"}}`))}, nil, true},
		"Connect, badly compressed":  {response{media: connectMedia, text: frame("\x03", `{"error":{"code":"unauthenticated"}}`)}, nil, false},
		"gRPC-Web, compressed":       {response{media: grpcWebMedia, text: frame("\x81", gzipped("grpc-status: 16\r\n"))}, nil, true},
		"Connect, truncated":         {response{media: connectMedia, text: frame("\x02", `{"error":{"code":"unauthenticated"}}`)[:30]}, nil, false},
		"401":                        {response{status: 401}, nil, true},
		"403 with a code":            {response{status: 403, media: jsonMedia, text: codeBody}, nil, true},
		"another 403":                {response{status: 403, media: jsonMedia, text: `{"code":20018}`}, nil, false},
		"503 with a gRPC status":     {response{status: 503, media: grpcMedia, header: status("16")}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			a := tc.response
			if a.status == 0 {
				a.status = http.StatusOK
			}
			a.trailer = tc.trailer
			assertJudged(t, &transport.Transport{IsRejection: transport.RejectionGRPC}, http.MethodPost, &a, tc.want)
		})
	}
}

// A message of a stream that goes on is returned when it has come.
func TestRejectionGRPC_ReadsOneByteOfAStream(t *testing.T) {
	a := &response{status: http.StatusOK, media: grpcMedia, text: "\x00\x00\x00\x00\x01a"}
	read := 0
	a.wrap = func(r io.Reader) io.Reader {
		return readFunc(func(p []byte) (int, error) {
			n, err := r.Read(p)
			read += n
			return n, err
		})
	}
	base, source := newBase(a), newSource("old", "new")
	_, err := get(t, urlAPI).through(t, &transport.Transport{Source: source, Base: base, IsRejection: transport.RejectionGRPC})
	assert.NoError(t, err)
	assert.Equal(t, 1, read)
	require.NoError(t, a.body.Close())
}

func TestRejectionGraphQL(t *testing.T) {
	const rejected = `{"errors":[{"message":"no","extensions":{"code":"UNAUTHENTICATED"}}]}`
	long := strings.Repeat("x", 4096)
	for name, tc := range map[string]struct {
		response response
		want     bool
	}{
		"without data":            {response{text: rejected}, true},
		"data is null":            {response{text: `{"data":null,"errors":[{"extensions":{"code":"UNAUTHENTICATED"}}]}`}, true},
		"the second error":        {response{text: `{"errors":[{"message":"m"},{"extensions":{"code":"UNAUTHENTICATED"}}]}`}, true},
		"a code of the platform":  {response{text: `{"errors":[{"extensions":{"code":"N99999:403"}}]}`}, true},
		"as a number":             {response{text: `{"errors":[{"extensions":{"code":1024}}]}`}, true},
		"the other media type":    {response{media: "application/graphql-response+json", text: rejected}, true},
		"with status 400":         {response{status: 400, text: rejected}, true},
		"after a byte order mark": {response{text: "\ufeff" + rejected}, true},
		"with data":               {response{text: `{"data":{"a":null},"errors":[{"extensions":{"code":"UNAUTHENTICATED"}}]}`}, false},
		"another code":            {response{text: `{"errors":[{"extensions":{"code":"FORBIDDEN"}}]}`}, false},
		"no errors":               {response{text: `{"data":{"a":1}}`}, false},
		"the code in the message": {response{text: `{"errors":[{"message":"UNAUTHENTICATED"}]}`}, false},
		"errors is no array":      {response{text: `{"errors":{"extensions":{"code":"UNAUTHENTICATED"}}}`}, false},
		"truncated":               {response{text: rejected[:len(rejected)-1]}, false},
		"too long":                {response{text: `{"errors":[{"message":"` + long + `","extensions":{"code":"UNAUTHENTICATED"}}]}`}, false},
		"not JSON":                {response{media: "text/html", text: rejected}, false},
		"401":                     {response{status: 401, media: "text/html"}, true},
		"403 with a code":         {response{status: 403, text: codeBody}, true},
		"another 403":             {response{status: 403, text: `{"code":20018}`}, false},
	} {
		t.Run(name, func(t *testing.T) {
			a := tc.response
			if a.status == 0 {
				a.status = http.StatusOK
			}
			if a.media == "" {
				a.media = jsonMedia
			}
			assertJudged(t, &transport.Transport{IsRejection: transport.RejectionGraphQL}, http.MethodPost, &a, tc.want)
		})
	}
}

func FuzzRejectionAPI(f *testing.F) {
	f.Add([]byte(trailerFrame("grpc-status: 16\r\n")), grpcWebMedia)
	f.Add([]byte(`{"errors":[{"extensions":{"code":"UNAUTHENTICATED"}}]}`), jsonMedia)
	f.Add([]byte(frame("\x02", `{"error":{"code":"unauthenticated"}}`)), connectMedia)
	f.Add([]byte("\x80\xff\xff\xff\xffgrpc-status: 16"), grpcWebMedia)
	f.Fuzz(func(t *testing.T, data []byte, media string) {
		for _, judge := range []func(*http.Response) bool{transport.RejectionGRPC, transport.RejectionGraphQL} {
			a := &response{status: http.StatusOK, media: media, text: string(data)}
			base, source := newBase(a, ok()), newSource("old", "new")
			resp, err := get(t, urlAPI).through(t, &transport.Transport{Source: source, Base: base, IsRejection: judge})
			assert.NoError(t, err)
			if len(base.seen) == 1 {
				assertOpen(t, a, resp)
				continue
			}
			// Only an answer without a result is asked for again.
			text := strings.ToLower(string(data))
			assert.True(t, strings.Contains(text, "grpc-status") || strings.Contains(text, `"code"`) || strings.Contains(text, `\u00`), "%q", data)
			base.assertClosedExcept(t, base.responses[1])
		}
	})
}
