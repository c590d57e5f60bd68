package main

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRun_TellsHowItWent(t *testing.T) {
	var out bytes.Buffer
	ok, err := run(t.Context(), options{span: 100 * time.Millisecond, seed: 5, callers: 8, json: true}, &out)
	require.NoError(t, err)
	var sum summary
	require.NoError(t, json.Unmarshal(out.Bytes(), &sum))
	assert.True(t, ok, "%s", out.String())
	assert.EqualValues(t, 5, sum.Seed)
	assert.GreaterOrEqual(t, sum.Calls, 8)
	assert.Equal(t, 1, sum.Logins)
	assert.Zero(t, sum.Unexplained)
	sum.print(&out)
	assert.Contains(t, out.String(), "seed              5")
}

// A gateway that fails without its being in the script is found out.
func TestRun_FindsWhatIsNotInTheScript(t *testing.T) {
	b := newBook(&bytes.Buffer{})
	s, err := build(t.Context(), b)
	require.NoError(t, err)
	s.call(t.Context(), s.members[0])
	sums, _ := b.read()
	assert.Equal(t, 1, sums.Calls)
	assert.Zero(t, sums.Violations)

	s.srv.RejectAll(true)
	s.call(t.Context(), s.members[0])
	s.srv.RejectAll(false)
	require.NoError(t, s.members[1].now().source.SignOut(t.Context()))
	s.call(t.Context(), s.members[1])
	s.check(nil)
	sums, texts := b.read()
	assert.Equal(t, 2, sums.Unexplained)
	assert.GreaterOrEqual(t, sums.Violations, 3, "the rejections behind it as well")
	assert.Len(t, texts, sums.Violations)
	require.NoError(t, s.close())
}
