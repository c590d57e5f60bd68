//go:build unix

package redistest_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store/redisstore/internal/redistest"
)

const childVariable = "AGSAUTH_REDISTEST_CHILD"

// The server ends when its test is killed.
func TestStart_ServerEndsWithItsTest(t *testing.T) {
	if os.Getenv(childVariable) == "1" {
		server := redistest.Start(t)
		_, _ = io.WriteString(os.Stdout, server.Addr+"\n")
		_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed
		return
	}
	redistest.Start(t) // skips the test if there is no server program
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), childVariable+"=1")
	output, err := child.StdoutPipe()
	require.NoError(t, err)
	_, err = child.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	addr, err := bufio.NewReader(output).ReadString('\n')
	require.NoError(t, err)

	addr = strings.TrimSpace(addr)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "unix", addr)
	require.NoError(t, err)
	require.NoError(t, child.Process.Kill())
	require.Error(t, child.Wait(), "it was killed")
	_, err = conn.Read(make([]byte, 1))
	// ECONNRESET if the server has not accepted the connection yet.
	assert.True(t, errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET), "the server has ended: %v", err)
	require.NoError(t, conn.Close())
}
