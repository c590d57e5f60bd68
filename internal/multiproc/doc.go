// Package multiproc runs a session in several real processes, for the tests that
// prove that they share it. Each process is the test's own binary, run again: its
// TestMain hands over to [Main], which plays a part in the children and runs the
// tests in the parent.
//
//	func TestMain(m *testing.M) { multiproc.Main(m, open) }
//
//	func TestTogether(t *testing.T) {
//		srv := agstest.NewServer(agstest.Config{})
//		one := multiproc.Start(t, multiproc.Spec{Gateway: srv.URL, Store: path, Login: true})
//		answer := one.Ask(t)                    // a request to the API, by that process
//		one.Await(t, tokensource.EventRefreshed) // what its source has announced
//		one.Signal(t, syscall.SIGSTOP)
//	}
//
// A process does what it is told over its standard input, one line of JSON a
// command, and answers on its standard output; what its source announces it says
// unasked. So a test waits for what happens, and not for time to pass.
package multiproc
