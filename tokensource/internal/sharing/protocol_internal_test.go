package sharing

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A program may hold very many Protocols, most of which have nothing unusual to remember.
func TestProtocol_IsSmall(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the sizes are those of 64 bits")
	}
	assert.LessOrEqual(t, unsafe.Sizeof(Protocol{}), uintptr(80))
	p, rec := New(nil, nil), &Record{Generation: 7}
	assert.Zero(t, testing.AllocsPerRun(100, func() { p.answered(rec, nil) }), "nothing is kept of a plain answer")
	assert.Equal(t, Marks{Generation: 7}, p.Seen())
	p.answered(nil, ErrDamaged)
	require.NotNil(t, p.found)
	p.answered(rec, nil)
	assert.Nil(t, p.found)
}
