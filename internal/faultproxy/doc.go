// Package faultproxy is a proxy for tests that injects network faults between a client
// and a server. It listens on a loopback socket, with TLS.
//
//	proxy := faultproxy.New(tb, srv.URL)
//	proxy.Set(faultproxy.ResetAfter)
//	client := &http.Client{Transport: proxy.Transport()}
//	resp, err := client.Get(proxy.URL) // the server has answered, and err is not nil
//
// At the end of the test a Proxy waits until the client has closed every connection,
// and fails the test if it does not.
package faultproxy
