package grpcagsauth_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http/httptest"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/grpcagsauth"
	"github.com/agsauth/agsauth/tokensource"
)

// The server rejects the first token. The caller does not notice.
func Example() {
	gateway := agstest.NewServer(agstest.Config{}) // in a program, the platform
	defer gateway.Close()
	session := newSession(gateway)
	defer session.Close()
	addr, trust, stop := startServer()
	defer stop()

	options := append(grpcagsauth.DialOptions(session),
		grpc.WithTransportCredentials(credentials.NewTLS(trust)))
	conn, err := grpc.NewClient(addr, options...)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	client := grpc_health_v1.NewHealthClient(conn)

	resp, err := client.Check(context.Background(), &grpc_health_v1.HealthCheckRequest{})
	fmt.Println(resp.GetStatus(), err)

	if err := session.SignOut(context.Background()); err != nil {
		log.Fatal(err)
	}
	_, err = client.Check(context.Background(), &grpc_health_v1.HealthCheckRequest{})
	if ended, ok := errors.AsType[*tokensource.LoginRequiredError](err); ok {
		fmt.Println("sign on again:", ended.Reason)
	}
	// Output:
	// the server rejects the token
	// SERVING <nil>
	// sign on again: signed out
}

// newSession signs on at the gateway.
func newSession(gateway *agstest.Server) *tokensource.Source {
	client, err := ags.New(ags.Config{
		BaseURL: gateway.URL, AuthServiceID: "Customer Auth Service", TenantID: "nagra", HTTPClient: gateway.Client(),
	})
	if err != nil {
		log.Fatal(err)
	}
	token, err := client.SignOn(context.Background(), ags.SignOnRequest{
		Parameters: []ags.Parameter{
			{Name: "username", Value: agstest.DefaultUsername}, {Name: "password", Value: agstest.DefaultPassword},
		},
		DeviceInformation: []byte(`{"name":"my service"}`),
	})
	if err != nil {
		log.Fatal(err)
	}
	session, err := tokensource.New(tokensource.Config{Refresher: client, Token: token})
	if err != nil {
		log.Fatal(err)
	}
	return session
}

// startServer starts a server that rejects the first token. It returns the server's address
// and what a client needs to trust it.
func startServer() (addr string, trust *tls.Config, stop func()) {
	https := httptest.NewTLSServer(nil) // for its certificate
	defer https.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	rejected := false
	check := func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		if !rejected {
			rejected = true
			fmt.Println("the server rejects the token")
			return nil, status.Error(codes.Unauthenticated, "the token is not valid")
		}
		return handler(ctx, req)
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(&https.TLS.Certificates[0])), grpc.UnaryInterceptor(check))
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	go server.Serve(listener)
	roots := x509.NewCertPool()
	roots.AddCert(https.Certificate())
	return listener.Addr().String(), &tls.Config{RootCAs: roots}, server.Stop
}
