package multiproc_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/agstest"
	"github.com/agsauth/agsauth/internal/multiproc"
	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/tokensource"
)

const (
	kills = 200
	// longestLife is the longest time until a process is killed: a few refreshes.
	longestLife = 80 * time.Millisecond
)

// stored has the fields of a record that these tests need.
type stored struct {
	Generation   int64     `json:"generation"`
	AccessToken  string    `json:"access_token"`
	RefreshToken string    `json:"refresh_token"`
	AttemptAt    time.Time `json:"attempt_at"`
}

// readRecord reads the record, which must be complete.
func readRecord(t *testing.T, path string) stored {
	t.Helper()
	data, err := (&store.File{Path: path}).Load(t.Context())
	require.NoError(t, err)
	var r stored
	require.NoError(t, json.Unmarshal(data, &r))
	require.Positive(t, r.Generation)
	require.NotEmpty(t, r.AccessToken)
	require.NotEmpty(t, r.RefreshToken)
	return r
}

// killTest starts and kills processes that refresh one session, one after the other.
type killTest struct {
	srv  *agstest.Server
	path string
	// lost counts the sessions that ended because a kill fell between the gateway's
	// response and the save. interrupted counts the kills during a refresh.
	lost, interrupted int
}

func newKillTest(t *testing.T, reusable bool) *killTest {
	t.Helper()
	k := &killTest{path: recordPath(t), srv: agstest.NewServer(agstest.Config{
		AccessLifetime: time.Second, ReusableRefreshTokens: reusable,
	})}
	t.Cleanup(k.srv.Close)
	k.signOn(t)
	return k
}

func (k *killTest) signOn(t *testing.T) {
	t.Helper()
	p := multiproc.Start(t, multiproc.Spec{Name: "human", Gateway: k.srv.URL, Store: k.path})
	p.SignOn(t)
	p.Close(t)
}

// round starts a process, kills it after the given time, and checks the record that it
// leaves.
func (k *killTest) round(t *testing.T, life time.Duration) {
	t.Helper()
	before := readRecord(t, k.path)
	good := k.live(t, before)
	p := multiproc.Start(t, multiproc.Spec{Name: "refresher", Gateway: k.srv.URL, Store: k.path, Spend: true})
	if !good {
		k.recordLoss(t, p.Ended(t))
		return
	}
	// The time of the kill is random. A request of the killed process may still reach
	// the gateway.
	if a, ended := p.EndsWithin(life); ended {
		k.recordLoss(t, a)
		return
	}
	p.Kill(t)
	after := readRecord(t, k.path)
	require.GreaterOrEqual(t, after.Generation, before.Generation)
	if !after.AttemptAt.IsZero() {
		k.interrupted++
	}
	if !k.live(t, after) {
		assert.False(t, after.AttemptAt.IsZero(), "a refresh was under way")
	}
}

// recordLoss checks that the next process reports a lost session with its reason, and
// begins a new session.
func (k *killTest) recordLoss(t *testing.T, a multiproc.Answer) {
	t.Helper()
	require.Equal(t, tokensource.RefreshRejected, a.Reason, "%+v", a)
	require.True(t, a.OutcomeUnknown, "%+v", a)
	k.lost++
	k.signOn(t)
}

// live reports whether the gateway accepts the stored refresh token.
func (k *killTest) live(t *testing.T, r stored) bool {
	t.Helper()
	info, known := k.srv.Inspect(r.RefreshToken)
	require.True(t, known)
	return info.Live
}

func (k *killTest) run(t *testing.T) {
	t.Helper()
	seed := time.Now().UnixNano()
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	for range kills {
		k.round(t, time.Duration(random.Int64N(int64(longestLife))))
	}
	t.Logf("seed %d: %d kills, %d of them in a refresh, %d refreshes, %d sessions lost",
		seed, kills, k.interrupted, k.srv.Stats().Refreshes, k.lost)
	assert.Positive(t, k.interrupted, "some kills fell into a refresh")
	assert.Greater(t, k.srv.Stats().Refreshes, kills/2)
}

// A process that refreshes as fast as it can is killed, over and over. The record that
// it leaves is always complete. With reusable refresh tokens the session is never
// lost.
func TestFile_KilledWhileItRefreshes(t *testing.T) {
	t.Run("reusable tokens", func(t *testing.T) {
		t.Parallel()
		k := newKillTest(t, true)
		k.run(t)
		assert.Zero(t, k.lost)
		assert.Equal(t, 1, k.srv.Count(agstest.SignOn))
	})
	// With single-use tokens a session is lost only if the kill falls between the
	// gateway's response and the save, and the next process reports it.
	t.Run("tokens good once", func(t *testing.T) {
		t.Parallel()
		k := newKillTest(t, false)
		k.run(t)
		assert.Equal(t, 1+k.lost, k.srv.Count(agstest.SignOn))
		assert.Equal(t, 1, k.srv.Stats().Devices)
	})
}
