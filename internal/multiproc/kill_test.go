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
	// longestLife is how long a spender lives at most before it is killed:
	// some refreshes.
	longestLife = 80 * time.Millisecond
)

// stored is what these tests read of a record.
type stored struct {
	Generation   int64     `json:"generation"`
	AccessToken  string    `json:"access_token"`
	RefreshToken string    `json:"refresh_token"`
	AttemptAt    time.Time `json:"attempt_at"`
}

// readRecord reads what is in the file, which has to be whole.
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

// killer kills spenders of one session, one after the other.
type killer struct {
	srv  *agstest.Server
	path string
	// lost is how many sessions ended because a kill fell between the gateway's
	// answer and the save; interrupted, how many kills fell into a refresh.
	lost, interrupted int
}

func newKiller(t *testing.T, reusable bool) *killer {
	t.Helper()
	k := &killer{path: recordPath(t), srv: agstest.NewServer(agstest.Config{
		AccessLifetime: time.Second, ReusableRefreshTokens: reusable,
	})}
	t.Cleanup(k.srv.Close)
	k.signOn(t)
	return k
}

func (k *killer) signOn(t *testing.T) {
	t.Helper()
	p := multiproc.Start(t, multiproc.Spec{Name: "human", Gateway: k.srv.URL, Store: k.path})
	p.SignOn(t)
	p.Close(t)
}

// round starts a spender, kills it some time later, and looks at what it has left.
func (k *killer) round(t *testing.T, life time.Duration) {
	t.Helper()
	before := readRecord(t, k.path)
	good := k.live(t, before)
	p := multiproc.Start(t, multiproc.Spec{Name: "spender", Gateway: k.srv.URL, Store: k.path, Spend: true})
	if !good {
		k.lose(t, p.Ended(t))
		return
	}
	// What is random here is the instant. A request of the process killed before
	// may have reached the gateway only now.
	if a, ended := p.EndsWithin(life); ended {
		k.lose(t, a)
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

// lose notes that what a kill has left could not be gone on with, which the next
// process is told the reason of, and begins a new session.
func (k *killer) lose(t *testing.T, a multiproc.Answer) {
	t.Helper()
	require.Equal(t, tokensource.RefreshRejected, a.Reason, "%+v", a)
	require.True(t, a.OutcomeUnknown, "%+v", a)
	k.lost++
	k.signOn(t)
}

// live reports whether the gateway would take the stored refresh token.
func (k *killer) live(t *testing.T, r stored) bool {
	t.Helper()
	info, known := k.srv.Inspect(r.RefreshToken)
	require.True(t, known)
	return info.Live
}

func (k *killer) run(t *testing.T) {
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

// A process that spends its refresh token as fast as it can is killed, over and
// over: what it leaves is always whole, and where refresh tokens are good more than
// once it is always good.
func TestFile_KilledWhileItRefreshes(t *testing.T) {
	t.Run("reusable tokens", func(t *testing.T) {
		t.Parallel()
		k := newKiller(t, true)
		k.run(t)
		assert.Zero(t, k.lost)
		assert.Equal(t, 1, k.srv.Count(agstest.SignOn))
	})
	// Where they are good once, a session is lost only if the kill fell between the
	// gateway's answer and the save; and then whoever comes next is told so.
	t.Run("tokens good once", func(t *testing.T) {
		t.Parallel()
		k := newKiller(t, false)
		k.run(t)
		assert.Equal(t, 1+k.lost, k.srv.Count(agstest.SignOn))
		assert.Equal(t, 1, k.srv.Stats().Devices)
	})
}
