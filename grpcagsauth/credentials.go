package grpcagsauth

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/oauth2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/agsauth/agsauth/tokensource"
)

const authorization = "authorization"

// Source provides the tokens. A [*tokensource.Source] is one. Its methods must be safe for
// concurrent use.
type Source interface {
	// TokenContext returns a token, and waits for it no longer than ctx allows.
	TokenContext(ctx context.Context) (*oauth2.Token, error)
	// Invalidate reports a token that a server has rejected. It must ignore a token that
	// is no longer current.
	Invalidate(accessToken string)
}

// An Option changes how tokens are sent.
type Option func(*auth)

// AllowInsecure allows the token over connections without TLS. Without it, grpc.NewClient
// fails if the connection is to have no transport security.
func AllowInsecure() Option { return func(a *auth) { a.insecure = true } }

// DialOptions returns the options that make a client send a token of source with each
// call, and make a call once more if the server rejects its token. The interceptors among
// them are chained in the order in which grpc.NewClient gets the options.
func DialOptions(source Source, opts ...Option) []grpc.DialOption {
	a := newAuth(source, opts)
	return []grpc.DialOption{
		grpc.WithPerRPCCredentials(a),
		grpc.WithChainUnaryInterceptor(a.interceptUnary),
		grpc.WithChainStreamInterceptor(a.interceptStream),
	}
}

// Credentials returns credentials that send a token of source. They cannot see whether a
// server rejects the token, so prefer [DialOptions]. They are for a single call, with
// grpc.PerRPCCredentials, or for a credentials.Bundle.
func Credentials(source Source, opts ...Option) credentials.PerRPCCredentials {
	return newAuth(source, opts)
}

// auth is the credentials and the interceptors of a client.
type auth struct {
	source   Source
	insecure bool
	cached   atomic.Pointer[credential] // the last one; saves making its value again
}

// credential is a token and its Authorization. It is immutable.
type credential struct{ tokenType, accessToken, value string }

func (a *auth) credentialOf(token *oauth2.Token) *credential {
	c := a.cached.Load()
	if c != nil && c.accessToken == token.AccessToken && c.tokenType == token.TokenType {
		return c
	}
	c = &credential{token.TokenType, token.AccessToken, token.Type() + " " + token.AccessToken}
	a.cached.Store(c)
	return c
}

func newAuth(source Source, opts []Option) *auth {
	a := &auth{source: source}
	for _, opt := range opts {
		opt(a)
	}
	return a
}

// RequireTransportSecurity reports whether tokens are sent over TLS only.
func (a *auth) RequireTransportSecurity() bool { return !a.insecure }

// GetRequestMetadata returns the Authorization of a call, or nothing if the caller has set
// one.
func (a *auth) GetRequestMetadata(ctx context.Context, uri ...string) (map[string]string, error) {
	current, _ := ctx.Value(attemptKey{a}).(*attempt)
	md, _ := metadata.FromOutgoingContext(ctx)
	if len(md[authorization]) > 0 || current != nil && current.hasOwnAuthorization(ctx, uri...) {
		return nil, nil
	}
	if !a.insecure {
		info, _ := credentials.RequestInfoFromContext(ctx)
		if err := credentials.CheckSecurityLevel(info.AuthInfo, credentials.PrivacyAndIntegrity); err != nil {
			return nil, &tokenError{codes.Unauthenticated, fmt.Errorf("no token without TLS: %w", err)}
		}
	}
	token, err := a.token(ctx)
	if err != nil {
		return nil, err
	}
	sent := a.credentialOf(token)
	if current != nil {
		current.sent.Store(sent)
	}
	return map[string]string{authorization: sent.value}, nil
}

// token gets a token from the source. All of its errors are *tokenError.
func (a *auth) token(ctx context.Context) (*oauth2.Token, error) {
	token, err := a.source.TokenContext(ctx)
	switch {
	case err == nil && token != nil && token.AccessToken != "":
		return token, nil
	case err == nil:
		return nil, &tokenError{codes.Internal, errors.New("the source returned an empty token")}
	case ctx.Err() != nil:
		return nil, &tokenError{status.FromContextError(ctx.Err()).Code(), err}
	case tokensource.IsFinal(err):
		return nil, &tokenError{codes.Unauthenticated, err}
	default:
		return nil, &tokenError{codes.Unavailable, err}
	}
}

// tokenError says that a call had no token to be sent with. It has both methods that gRPC
// needs: it takes the code of the call from GRPCStatus, and returns an error without that
// method as a text only, so that Unwrap would be lost.
type tokenError struct {
	code codes.Code
	err  error
}

// Error returns the cause.
func (e *tokenError) Error() string { return "grpcagsauth: get token: " + e.err.Error() }

// Unwrap returns the cause.
func (e *tokenError) Unwrap() error { return e.err }

// GRPCStatus returns the status of the call.
func (e *tokenError) GRPCStatus() *status.Status { return status.New(e.code, e.Error()) }
