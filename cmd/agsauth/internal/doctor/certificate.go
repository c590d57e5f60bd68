package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

func checkCertificate(_ context.Context, e *examination) Result {
	r, err := e.route()
	if err != nil {
		return skipped("%v", err)
	}
	if r.gateway.Scheme == "http" {
		return skipped("the gateway is reached by plain HTTP")
	}
	a := e.probe()
	switch {
	case len(a.chain) > 0:
		return judgeCertificate(a.chain, e.roots(), r.gateway.Hostname(), e.Clock.Now())
	case !a.connected:
		return skipped("there is no connection")
	case isTLSError(a.err):
		return failure("the gateway's port does not speak the TLS that agsauth speaks, version 1.2 or later", "check the port of the gateway, and whether its URL is https")
	}
	return failure("there is no TLS connection to the gateway", "check whether a proxy or a firewall is in between and refuses it")
}

// roots returns the authorities that are trusted, or nil for those of the system.
func (e *examination) roots() *x509.CertPool {
	if e.Transport.TLSClientConfig == nil {
		return nil
	}
	return e.Transport.TLSClientConfig.RootCAs
}

// isCertificateValid reports whether the gateway can be called, as far as its certificate
// is concerned.
func (e *examination) isCertificateValid(ctx context.Context) bool {
	return checkCertificate(ctx, e).Level != Failure
}

// judgeCertificate judges the certificates of a server. Each fault is judged without
// the others, because the remedies are different.
func judgeCertificate(chain []*x509.Certificate, roots *x509.CertPool, host string, now time.Time) Result {
	leaf := chain[0]
	var faults, hints []string
	for _, judge := range []func() (fault, hint string){
		func() (fault, hint string) { return judgeTime(leaf, now) },
		func() (fault, hint string) { return judgeHost(leaf, host) },
		func() (fault, hint string) { return judgeAuthority(chain, roots, now) },
	} {
		if fault, hint := judge(); fault != "" {
			faults, hints = append(faults, fault), append(hints, hint)
		}
	}
	if len(faults) > 0 {
		return failure("the gateway's certificate "+strings.Join(faults, ", and "), strings.Join(hints, "; "))
	}
	if left := leaf.NotAfter.Sub(now); left < renewalDue(leaf) {
		return warning(fmt.Sprintf("the gateway's certificate expires in %s, on %s", days(left), leaf.NotAfter.UTC().Format(time.RFC3339)), "the operator of the gateway has to renew it")
	}
	return ok("valid until %s", leaf.NotAfter.UTC().Format(time.RFC3339))
}

// renewalDue returns how long before its end a certificate should have been renewed: two
// weeks, or a quarter of its life if that is less.
func renewalDue(leaf *x509.Certificate) time.Duration {
	return min(14*24*time.Hour, leaf.NotAfter.Sub(leaf.NotBefore)/4)
}

func days(d time.Duration) string {
	if d < 48*time.Hour {
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

func judgeTime(leaf *x509.Certificate, now time.Time) (fault, hint string) {
	switch {
	case now.After(leaf.NotAfter):
		return "has expired on " + leaf.NotAfter.UTC().Format(time.RFC3339), "the operator of the gateway has to renew it, if the clock of this machine is right"
	case now.Before(leaf.NotBefore):
		return "is not valid before " + leaf.NotBefore.UTC().Format(time.RFC3339), "set the clock of this machine, if that is wrong"
	}
	return "", ""
}

func judgeHost(leaf *x509.Certificate, host string) (fault, hint string) {
	if leaf.VerifyHostname(host) == nil {
		return "", ""
	}
	names := append([]string{}, leaf.DNSNames...)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	of := "no name"
	if len(names) > 0 {
		of = strings.Join(names[:min(len(names), 5)], ", ")
	}
	what := "a name"
	if net.ParseIP(host) != nil {
		what = "an address"
	}
	return fmt.Sprintf("is for %s and not for %s", of, host),
		fmt.Sprintf("set gateway to a URL with %s that the certificate has, or check who answers in the gateway's place", what)
}

func judgeAuthority(chain []*x509.Certificate, roots *x509.CertPool, now time.Time) (fault, hint string) {
	leaf := chain[0]
	// The time of the certificate itself is judged apart.
	at := now
	if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		at = leaf.NotAfter.Add(-time.Second)
	}
	intermediates := x509.NewCertPool()
	for _, c := range chain[1:] {
		intermediates.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, CurrentTime: at})
	var invalid x509.CertificateInvalidError
	switch {
	case err == nil:
		return "", ""
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "has an issuer whose own certificate is not valid at this time", "the operator of the gateway has to renew the chain, if the clock of this machine is right"
	case errors.As(err, &invalid):
		return "is not for a server, or its issuer may not issue it", "the operator of the gateway has to replace it"
	}
	return fmt.Sprintf("is issued by %q, which this machine does not trust", leaf.Issuer.CommonName),
		"if that is the authority of the operator or of your company, set ca-file to its certificate in PEM"
}
