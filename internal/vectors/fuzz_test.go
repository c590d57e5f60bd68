package vectors_test

import (
	"encoding/binary"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// FuzzVectors runs every input that decodes. It ignores the expectations, and checks
// that the run ends and that the runner reports no violation: no expired token is
// served, refreshes do not overlap, no secret is disclosed, no call outlives Close.
func FuzzVectors(f *testing.F) {
	all := files(f)
	for _, topic := range slices.Sorted(maps.Keys(all)) {
		for _, v := range all[topic].Vectors {
			data, err := json.Marshal(v)
			require.NoError(f, err)
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var v vector
		if len(data) > 1<<14 || decode(data, &v) != nil || v.runnable() != nil {
			t.Skip()
		}
		synctest.Test(t, func(t *testing.T) {
			_, violations := runVector(t, &v, 200)
			require.Empty(t, violations)
		})
	})
}

// FuzzSteps runs the steps of all vectors in any order.
func FuzzSteps(f *testing.F) {
	var settings []given
	var steps []step
	all := files(f)
	for _, topic := range slices.Sorted(maps.Keys(all)) {
		for _, v := range all[topic].Vectors {
			settings = append(settings, v.Given)
			steps = append(steps, v.Steps...)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		seed := make([]byte, 2*20)
		for i := range seed {
			seed[i] = byte(random.Uint32())
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		number := func() (n int) {
			n, data = int(binary.BigEndian.Uint16(data)), data[2:]
			return n
		}
		if len(data) < 4 {
			t.Skip()
		}
		v := vector{Name: "any order", Rule: "none", From: "nowhere", Given: settings[number()%len(settings)]}
		for len(data) >= 2 && len(v.Steps) < 40 {
			v.Steps = append(v.Steps, steps[number()%len(steps)])
		}
		if v.runnable() != nil {
			t.Skip()
		}
		synctest.Test(t, func(t *testing.T) {
			_, violations := runVector(t, &v, 200)
			require.Empty(t, violations)
		})
	})
}
