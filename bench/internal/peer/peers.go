package peer

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/httptransport"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go/auth/bearer"
	"golang.org/x/oauth2"
	cgtransport "k8s.io/client-go/transport"
	"k8s.io/klog/v2"

	"github.com/agsauth/agsauth/bench/internal/impl"
)

// fetchSource is an oauth2.TokenSource that calls Fetch.
type fetchSource struct{ fetch impl.Fetch }

func (f fetchSource) Token() (*oauth2.Token, error) {
	token, expires, err := f.fetch(context.Background())
	if err != nil {
		return nil, err
	}
	return &oauth2.Token{AccessToken: token, Expiry: expires}, nil
}

// xoauth2 is ReuseTokenSourceWithExpiry, which refreshes Margin before the expiry.
type xoauth2 struct{ source oauth2.TokenSource }

func oauth2Implementation() impl.Implementation {
	return impl.Implementation{
		Name: "oauth2",
		New: func(s impl.Setup) (impl.Instance, error) {
			return xoauth2{oauth2.ReuseTokenSourceWithExpiry(nil, fetchSource{s.Fetch}, s.Margin)}, nil
		},
		Wrap: func(in impl.Instance, base http.RoundTripper) impl.Sender {
			return (&oauth2.Transport{Source: in.(xoauth2).source, Base: base}).RoundTrip
		},
	}
}

func (x xoauth2) Get(context.Context) (string, error) { return accessToken(x.source.Token()) }
func (x xoauth2) Close()                              {}
func (x xoauth2) Loop(_ context.Context, n int) {
	for range n {
		_, _ = x.source.Token()
	}
}

func accessToken(t *oauth2.Token, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return t.AccessToken, nil
}

// clientGo is NewCachedTokenSource, which has no margin.
type clientGo struct{ source oauth2.TokenSource }

func clientGoImplementation() impl.Implementation {
	return impl.Implementation{
		Name: "client-go",
		New: func(s impl.Setup) (impl.Instance, error) {
			klog.SetSlogLogger(slog.New(slog.DiscardHandler)) // it logs each failure
			return clientGo{cgtransport.NewCachedTokenSource(fetchSource{s.Fetch})}, nil
		},
		Wrap: func(in impl.Instance, base http.RoundTripper) impl.Sender {
			return cgtransport.TokenSourceWrapTransport(in.(clientGo).source)(base).RoundTrip
		},
	}
}

func (c clientGo) Get(context.Context) (string, error) { return accessToken(c.source.Token()) }
func (c clientGo) Close()                              {}
func (c clientGo) Loop(_ context.Context, n int) {
	for range n {
		_, _ = c.source.Token()
	}
}

// google is NewCachedTokenProvider, which refreshes in the background.
type google struct{ provider auth.TokenProvider }

type googleFetch struct{ fetch impl.Fetch }

func (g googleFetch) Token(ctx context.Context) (*auth.Token, error) {
	token, expires, err := g.fetch(ctx)
	if err != nil {
		return nil, err
	}
	return &auth.Token{Value: token, Expiry: expires}, nil
}

func googleImplementation() impl.Implementation {
	return impl.Implementation{
		Name: "google",
		New: func(s impl.Setup) (impl.Instance, error) {
			opts := &auth.CachedTokenProviderOptions{ExpireEarly: s.Margin}
			return google{auth.NewCachedTokenProvider(googleFetch{s.Fetch}, opts)}, nil
		},
		Wrap: func(in impl.Instance, base http.RoundTripper) impl.Sender {
			client := &http.Client{Transport: base}
			creds := auth.NewCredentials(&auth.CredentialsOptions{TokenProvider: in.(google).provider})
			if err := httptransport.AddAuthorizationMiddleware(client, creds); err != nil {
				return nil
			}
			return client.Transport.RoundTrip
		},
	}
}

func (g google) Get(ctx context.Context) (string, error) {
	t, err := g.provider.Token(ctx)
	if err != nil {
		return "", err
	}
	return t.Value, nil
}
func (g google) Close() {}
func (g google) Loop(ctx context.Context, n int) {
	for range n {
		_, _ = g.provider.Token(ctx)
	}
}

// awsCache is CredentialsCache with the token as the key.
type awsCache struct{ cache *aws.CredentialsCache }

type awsFetch struct{ fetch impl.Fetch }

func (a awsFetch) Retrieve(ctx context.Context) (aws.Credentials, error) {
	token, expires, err := a.fetch(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	return aws.Credentials{AccessKeyID: token, SecretAccessKey: token, CanExpire: true, Expires: expires}, nil
}

func awsImplementation() impl.Implementation {
	return impl.Implementation{
		Name: "aws",
		New: func(s impl.Setup) (impl.Instance, error) {
			window := func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = s.Margin }
			return awsCache{aws.NewCredentialsCache(awsFetch{s.Fetch}, window)}, nil
		},
	}
}

func (a awsCache) Get(ctx context.Context) (string, error) {
	c, err := a.cache.Retrieve(ctx)
	return c.AccessKeyID, err
}
func (a awsCache) Close() {}
func (a awsCache) Loop(ctx context.Context, n int) {
	for range n {
		_, _ = a.cache.Retrieve(ctx)
	}
}

// smithy is TokenCache, which refreshes in the background.
type smithy struct{ cache *bearer.TokenCache }

type smithyFetch struct{ fetch impl.Fetch }

func (f smithyFetch) RetrieveBearerToken(ctx context.Context) (bearer.Token, error) {
	token, expires, err := f.fetch(ctx)
	if err != nil {
		return bearer.Token{}, err
	}
	return bearer.Token{Value: token, CanExpire: true, Expires: expires}, nil
}

func smithyImplementation() impl.Implementation {
	return impl.Implementation{
		Name: "smithy",
		New: func(s impl.Setup) (impl.Instance, error) {
			return smithy{bearer.NewTokenCache(smithyFetch{s.Fetch}, func(o *bearer.TokenCacheOptions) {
				o.RefreshBeforeExpires = s.Margin
				o.RetrieveBearerTokenTimeout = 15 * time.Second
				o.AsyncRefreshMinimumDelay = 250 * time.Millisecond
			})}, nil
		},
	}
}

func (s smithy) Get(ctx context.Context) (string, error) {
	t, err := s.cache.RetrieveBearerToken(ctx)
	return t.Value, err
}
func (s smithy) Close() {}
func (s smithy) Loop(ctx context.Context, n int) {
	for range n {
		_, _ = s.cache.RetrieveBearerToken(ctx)
	}
}
