package daemon

import (
	"net"
	"strconv"
	"strings"
)

// Notifier returns a function that sends assignments to systemd, as sd_notify(3) does.
// Socket is the value of $NOTIFY_SOCKET: a path, or a name in the abstract namespace after
// "@". The function is nil if socket is empty: no service manager waits for a message.
func Notifier(socket string) func(state ...string) error {
	if socket == "" {
		return nil
	}
	return func(state ...string) error {
		conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
		if err != nil {
			return err
		}
		_, err = conn.Write([]byte(strings.Join(state, "\n")))
		return errorOf(err, conn.Close())
	}
}

// errorOf returns the first error.
func errorOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// reloading returns the assignments that begin a reload. A service of the type
// notify-reload is killed without the time.
func reloading() []string {
	return []string{"RELOADING=1", "MONOTONIC_USEC=" + strconv.FormatInt(monotonicMicroseconds(), 10)}
}
