package vectors_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

const folder = "../../testdata/vectors"

// files returns the vectors, by the name of their file without its extension.
func files(tb testing.TB) map[string]vectorFile {
	tb.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.json"))
	require.NoError(tb, err)
	require.NotEmpty(tb, paths)
	all := map[string]vectorFile{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		require.NoError(tb, err)
		var f vectorFile
		require.NoError(tb, decode(data, &f), path)
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		require.Equal(tb, name, f.Topic)
		require.NotEmpty(tb, f.About, path)
		all[name] = f
	}
	return all
}

func TestVectors(t *testing.T) {
	all := files(t)
	for _, topic := range slices.Sorted(maps.Keys(all)) {
		f := all[topic]
		t.Run(topic, func(t *testing.T) {
			seen := map[string]bool{}
			for _, v := range f.Vectors {
				assert.False(t, seen[v.Name], "names are unique")
				seen[v.Name] = true
				t.Run(v.Name, func(t *testing.T) {
					require.NoError(t, v.check())
					synctest.Test(t, func(t *testing.T) {
						differences, violations := runVector(t, &v, maxFirings)
						for _, diff := range append(differences, violations...) {
							t.Error(diff)
						}
						if t.Failed() {
							t.Log("the rule: " + v.Rule)
						}
					})
				})
			}
		})
	}
}
