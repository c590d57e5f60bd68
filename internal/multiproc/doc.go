// Package multiproc runs a session in several real processes, for tests which show that
// they share it. Each process is the test binary itself: TestMain calls [Main], which
// runs the tests in the parent, and serves commands in a child.
//
//	func TestMain(m *testing.M) { multiproc.Main(m, open) }
//
//	func TestTogether(t *testing.T) {
//		srv := agstest.NewServer(agstest.Config{})
//		one := multiproc.Start(t, multiproc.Spec{Gateway: srv.URL, Store: path, Login: true})
//		answer := one.Ask(t)                    // a request of that process to the API
//		one.Await(t, tokensource.EventRefreshed) // an event of its source
//		one.Signal(t, syscall.SIGSTOP)
//	}
//
// A process reads commands from its standard input, one line of JSON each. It writes
// results, and the events of its source, to its standard output. A test waits for
// these and not for time to pass.
package multiproc
