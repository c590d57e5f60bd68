// Package faultproxy is a rough road between a client and a server, for tests: a proxy
// on a loopback socket, with TLS, that does to connections what networks, and what
// stands in them, do.
//
//	road := faultproxy.New(tb, srv.URL)
//	road.Set(faultproxy.ResetAfter)
//	client := &http.Client{Transport: road.Transport()}
//	resp, err := client.Get(road.URL) // the server has answered, and err is not nil
//
// When the test ends a Road waits until the client has closed every connection
// that it made, and fails the test if it does not.
package faultproxy
