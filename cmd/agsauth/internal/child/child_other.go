//go:build !unix

package child

import "os"

// Signals are the signals that Run can pass on.
func Signals() []os.Signal { return []os.Signal{os.Interrupt} }

// Replace runs a program to its end, since a process cannot be replaced here.
func Replace(path string, args, env []string) error { return Run(path, args, env, nil) }

func statusOf(state *os.ProcessState) int { return state.ExitCode() }

// arrivesAnyway reports whether the console has sent a signal to the program, too, which
// it does with all of them.
func arrivesAnyway(os.Signal) bool { return true }
