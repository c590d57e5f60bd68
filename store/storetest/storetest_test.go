package storetest_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
	"github.com/agsauth/agsauth/store/storetest"
)

// broken is a store that the suite is to find fault with, and the checks that do.
type broken struct {
	checks []string
	breed  breed
}

func allBroken() map[string]broken {
	all := map[string]broken{}
	for _, some := range []map[string]broken{brokenRecords(), brokenTogether(), brokenLocks(), brokenAsides()} {
		maps.Copy(all, some)
	}
	return all
}

// underTest is the environment variable that names the broken store that a process
// of this test binary is to check.
const underTest = "STORETEST_TEST_STORE"

// sound names the store that has nothing wrong with it.
const sound = "sound"

// TestRun_Broken checks one store: in a process of its own, since it is to fail.
func TestRun_Broken(t *testing.T) {
	switch name := os.Getenv(underTest); name {
	case "":
		t.Skip("for a process of its own")
	case sound:
		storetest.Run(t, same(mutant{}).fresh)
	default:
		storetest.Run(t, allBroken()[name].breed.fresh)
	}
}

// check runs some checks, or all, on a store in a process of its own, and returns
// how each went: PASS, FAIL or SKIP.
func check(t *testing.T, name string, checks ...string) map[string]string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	which := "^TestRun_Broken$"
	if len(checks) > 0 {
		which += "/^(" + strings.Join(checks, "|") + ")$"
	}
	args := []string{"-test.v", "-test.run=" + which}
	if name == sound { // nothing is waited for in vain: see patience
		args = append(args, "-test.timeout=10m")
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), underTest+"="+name, "GORACE=atexit_sleep_ms=0")
	out, err := cmd.CombinedOutput()
	outcomes := map[string]string{}
	for _, line := range regexp.MustCompile(`(?m)^    --- (\w+): TestRun_Broken/(\w+) `).FindAllStringSubmatch(string(out), -1) {
		outcomes[line[2]] = line[1]
	}
	failed := slices.Contains(slices.Collect(maps.Values(outcomes)), "FAIL")
	assert.Equal(t, failed, err != nil, "%v\n%s", err, out)
	assert.NotContains(t, string(out), "DATA RACE")
	return outcomes
}

// A suite that finds no fault with a store that has one is worth nothing. Each of
// these stores is broken in one way, and fails the checks that are about that.
func TestRun_FindsFault(t *testing.T) {
	for name, b := range allBroken() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := map[string]string{}
			for _, c := range b.checks {
				want[c] = "FAIL"
			}
			assert.Equal(t, want, check(t, name, b.checks...))
		})
	}
}

// There is no check that finds no fault with any of them, and none that finds one
// with a sound store.
func TestRun_EachCheckCanFail(t *testing.T) {
	can := map[string]string{}
	for _, b := range allBroken() {
		for _, c := range b.checks {
			can[c] = "PASS"
		}
	}
	assert.Equal(t, can, check(t, sound))
}

// plain is a store without a lock, that sets nothing aside.
type plain struct{ storetest.Store }

// unable is one that is put around a plain store: it has all methods, and can no
// more than what is inside.
type unable struct{ storetest.Store }

func (unable) Lock(context.Context) (func() error, error) { return nil, errors.ErrUnsupported }
func (unable) SetAside(context.Context, string) error     { return errors.ErrUnsupported }

// What a store need not have is not asked for.
func TestRun_StoresThatCanDoLess(t *testing.T) {
	for name, less := range map[string]func(storetest.Store) storetest.Store{
		"plain":  func(s storetest.Store) storetest.Store { return plain{s} },
		"unable": func(s storetest.Store) storetest.Store { return unable{s} },
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(testing.TB) storetest.Opener {
				var m store.Memory
				return func() storetest.Store { return less(m.Peer()) }
			})
		})
	}
}
