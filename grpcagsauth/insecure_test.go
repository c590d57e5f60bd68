package grpcagsauth_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/credentials/local"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/agsauth/agsauth/grpcagsauth"
)

func TestNoTokenIsSentInTheClear(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	addr := f.serve()
	plain := grpc.WithTransportCredentials(insecure.NewCredentials())
	_, err := grpc.NewClient(addr, append(grpcagsauth.DialOptions(f.source), plain)...)
	require.ErrorContains(t, err, "credentials require transport level security")

	req := &grpc_testing.SimpleRequest{}
	_, err = f.dialTo(addr, plain).UnaryCall(t.Context(), req, grpc.PerRPCCredentials(grpcagsauth.Credentials(f.source)))
	require.ErrorContains(t, err, "cannot send secure credentials on an insecure connection")

	loopback := grpc.WithTransportCredentials(local.NewCredentials()) // says so only when it has connected
	_, err = f.dialTo(addr, append(grpcagsauth.DialOptions(f.source), loopback)...).UnaryCall(t.Context(), req)
	require.ErrorContains(t, err, "cannot send secure credentials on an insecure connection")

	assert.Empty(t, f.api.received())
	assert.Empty(t, f.source.tokens())
}

func TestCredentialsCheckTheConnectionThemselves(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	creds := grpcagsauth.Credentials(f.source)
	_, err := creds.GetRequestMetadata(t.Context())
	f.wantCode(codes.Unauthenticated, err)
	level := func(level credentials.SecurityLevel) credentials.RequestInfo {
		return credentials.RequestInfo{AuthInfo: credentials.TLSInfo{CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: level}}}
	}
	_, err = creds.GetRequestMetadata(credentials.NewContextWithRequestInfo(t.Context(), level(credentials.IntegrityOnly)))
	f.wantCode(codes.Unauthenticated, err)
	assert.Empty(t, f.source.tokens())

	md, err := creds.GetRequestMetadata(credentials.NewContextWithRequestInfo(t.Context(), level(credentials.PrivacyAndIntegrity)))
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"authorization": "Bearer " + f.currentToken()}, md)
}

func TestAllowInsecure(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	opts := append(grpcagsauth.DialOptions(f.source, grpcagsauth.AllowInsecure()),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	client := f.dialTo(f.serve(), opts...)
	f.api.answerNext(errRejected)
	for _, call := range kinds {
		require.NoError(t, call(t.Context(), client, 9))
	}
	assert.Len(t, f.api.received(), len(kinds)+1)
}

func TestCredentialsOfOneCall(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	client := f.dialTo(f.addr, grpc.WithTransportCredentials(credentials.NewTLS(f.client)))
	creds := grpc.PerRPCCredentials(grpcagsauth.Credentials(f.source))
	for _, call := range kinds {
		require.NoError(t, call(t.Context(), client, 9, creds))
	}
	err := callUnary(t.Context(), client, 9)
	assert.Equal(t, codes.Unauthenticated, status.Code(err))
	assert.Equal(t, "", f.api.received()[len(kinds)])
}
