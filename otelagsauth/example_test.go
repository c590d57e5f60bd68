package otelagsauth_test

import (
	"context"
	"fmt"
	"log"

	"go.opentelemetry.io/otel"

	"github.com/agsauth/agsauth/ags"
	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/otelagsauth"
	"github.com/agsauth/agsauth/tokensource"
)

func Example() {
	srv := agstest.NewServer(agstest.Config{}) // in a program, the gateway
	defer srv.Close()
	gateway, err := ags.New(ags.Config{
		BaseURL: srv.URL, AuthServiceID: "Customer Auth Service", TenantID: "nagra", HTTPClient: srv.Client(),
	})
	if err != nil {
		log.Fatal(err)
	}

	telemetry, err := otelagsauth.New( // once, after the providers were set
		otelagsauth.WithMeterProvider(otel.GetMeterProvider()), // these two are the default
		otelagsauth.WithTracerProvider(otel.GetTracerProvider()))
	if err != nil {
		log.Fatal(err)
	}
	cfg := telemetry.Instrument(tokensource.Config{
		Refresher: gateway,
		Login:     tokensource.SignOnWith(gateway, signOn()),
	})
	session, err := tokensource.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	defer telemetry.Observe(session, cfg)()

	if _, err := session.TokenContext(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(session.Status().Phase)
	// Output: fresh
}
