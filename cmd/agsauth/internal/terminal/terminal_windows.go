package terminal

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/windows"
)

func open() (in, out *os.File, err error) {
	in, err = os.OpenFile("CONIN$", os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	out, err = os.OpenFile("CONOUT$", os.O_RDWR, 0)
	if err != nil {
		in.Close()
	}
	return in, out, err
}

// disableEcho makes the console read lines without showing them. Ctrl-C still makes a
// signal.
func disableEcho(fd int) error {
	var mode uint32
	if err := windows.GetConsoleMode(windows.Handle(fd), &mode); err != nil {
		return err
	}
	mode &^= windows.ENABLE_ECHO_INPUT
	mode |= windows.ENABLE_PROCESSED_INPUT | windows.ENABLE_LINE_INPUT
	return windows.SetConsoleMode(windows.Handle(fd), mode)
}

func endSignals() []os.Signal { return []os.Signal{os.Interrupt, syscall.SIGTERM} }

func suspendSignals() []os.Signal { return nil }

func isSuspend(os.Signal) bool { return false }

func suspend() error { return errors.ErrUnsupported }
