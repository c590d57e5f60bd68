package ags_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"net/http"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
)

// A gateway whose certificate is from a private authority. Its PEM is usually read from a
// file.
func ExampleConfig_privateAuthority() {
	certificate, err := agstest.NewCertificate()
	if err != nil {
		log.Fatal(err)
	}
	srv := agstest.NewServer(agstest.Config{Certificate: certificate})
	defer srv.Close()

	authorities := x509.NewCertPool() // or x509.SystemCertPool, to trust both
	if !authorities.AppendCertsFromPEM(certificate.CA) {
		log.Fatal("no certificate in the PEM")
	}
	client, err := ags.New(ags.Config{
		BaseURL:       srv.URL, // https://127.0.0.1:…
		AuthServiceID: "Customer Auth Service",
		TenantID:      "nagra",
		HTTPClient: &http.Client{Transport: &http.Transport{
			Proxy:           http.ProxyFromEnvironment,
			TLSClientConfig: &tls.Config{RootCAs: authorities},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	discovery, err := client.Discover(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(discovery.Services[0].AuthServiceName, srv.Count(agstest.Discovery))
	// Output: Customer Auth Service 1
}
