package leak

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { Main(m) }

func TestFind(t *testing.T) {
	require.NoError(t, find(0))
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		<-end
	}()
	err := find(0)
	close(end)
	<-ended
	require.ErrorContains(t, err, "TestFind")
	require.NoError(t, find(timeout))
}
