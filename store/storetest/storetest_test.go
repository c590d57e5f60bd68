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

// brokenStore is a store with a defect, and the checks that must fail.
type brokenStore struct {
	checks  []string
	factory factory
}

func allBroken() map[string]brokenStore {
	all := map[string]brokenStore{}
	for _, some := range []map[string]brokenStore{brokenRecords, brokenConcurrency, brokenLocks, brokenAsides} {
		maps.Copy(all, some)
	}
	return all
}

// underTest is the environment variable with the name of the store that a child process
// checks.
const underTest = "STORETEST_TEST_STORE"

// correct is the name of a store without defects.
const correct = "correct"

// TestRun_Broken checks one store in a child process, since the checks fail.
func TestRun_Broken(t *testing.T) {
	switch name := os.Getenv(underTest); name {
	case "":
		t.Skip("only for a child process")
	case correct:
		storetest.Run(t, same(mutant{}).fresh)
	default:
		storetest.Run(t, allBroken()[name].factory.fresh)
	}
}

// check runs some or all checks on a store in a child process, and returns the result of
// each: PASS, FAIL or SKIP.
func check(t *testing.T, name string, checks ...string) map[string]string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	which := "^TestRun_Broken$"
	if len(checks) > 0 {
		which += "/^(" + strings.Join(checks, "|") + ")$"
	}
	args := []string{"-test.v", "-test.run=" + which}
	if name == correct { // a longer waitLimit, since no check waits for an event that does not happen
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

// Every store with a defect fails the checks of that defect.
func TestRun_FindsDefects(t *testing.T) {
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

// Every check fails for at least one defect, and passes for a correct store.
func TestRun_EachCheckCanFail(t *testing.T) {
	can := map[string]string{}
	for _, b := range allBroken() {
		for _, c := range b.checks {
			can[c] = "PASS"
		}
	}
	assert.Equal(t, can, check(t, correct))
}

// minimal is a store without Lock and SetAside.
type minimal struct{ storetest.Store }

// unsupported is a store whose Lock and SetAside are not supported.
type unsupported struct{ storetest.Store }

func (unsupported) Lock(context.Context) (func() error, error) { return nil, errors.ErrUnsupported }
func (unsupported) SetAside(context.Context, string) error     { return errors.ErrUnsupported }

// Checks of missing methods are skipped.
func TestRun_OptionalMethods(t *testing.T) {
	for name, wrap := range map[string]func(storetest.Store) storetest.Store{
		"minimal":     func(s storetest.Store) storetest.Store { return minimal{s} },
		"unsupported": func(s storetest.Store) storetest.Store { return unsupported{s} },
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(testing.TB) storetest.Opener {
				var m store.Memory
				return func() storetest.Store { return wrap(m.Peer()) }
			})
		})
	}
}
