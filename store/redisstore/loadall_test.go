package redisstore_test

import (
	"context"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store/redisstore"
	"github.com/agsauth/agsauth/store/redisstore/internal/redistest"
)

func loadAll(tb testing.TB, f *redisstore.Family, names ...string) (all []redisstore.Loaded, errs []error) {
	tb.Helper()
	for l, err := range f.LoadAll(tb.Context(), slices.Values(names)) {
		all, errs = append(all, l), append(errs, err)
	}
	return all, errs
}

func TestFamily_LoadAll(t *testing.T) {
	server := redistest.Start(t)
	for name, client := range map[string]redis.UniversalClient{
		"one server": server.Client(),
		"a cluster":  clusterClient(t, redistest.StartCluster(t), ""),
	} {
		t.Run(name, func(t *testing.T) {
			family := openFamilyWithoutPolling(t, client)
			var names []string
			for i := range 700 { // three pipelines
				names = append(names, "session "+strconv.Itoa(i))
				if i%7 > 0 {
					save(t, family.Store(names[i]), "record "+names[i])
				}
			}
			require.NoError(t, client.ScriptFlush(t.Context()).Err())
			all, errs := loadAll(t, family, names...)
			require.Len(t, all, len(names))
			for i, l := range all {
				assert.Equal(t, names[i], l.Name, "in order")
				if i%7 == 0 {
					require.ErrorIs(t, errs[i], fs.ErrNotExist)
					require.NoError(t, l.Store.Save(t.Context(), []byte("first")), "it has loaded that nothing is stored")
					continue
				}
				require.NoError(t, errs[i])
				assert.Equal(t, "record "+names[i], string(l.Data))
			}
			save(t, family.Store("session 0x"), "other")
			require.NoError(t, all[1].Store.Save(t.Context(), []byte("next")), "it has loaded the record")
			require.ErrorIs(t, family.Store(names[2]).Save(t.Context(), []byte("next")), fs.ErrExist)
			save(t, all[2].Store, "next")
		})
	}
}

func TestFamily_LoadAll_EachHasItsError(t *testing.T) {
	server := redistest.Start(t)
	client := server.Client()
	family := openFamilyWithoutPolling(t, client)
	save(t, family.Store("whole"), "record-of-one")
	server.Do("SET", "agsauth:{string}:record", "record-of-two")
	server.Do("HSET", "agsauth:{half}:record", "data", "record-of-three")
	server.Do("HSET", "agsauth:{large}:record", "version", "v", "data", strings.Repeat("x", 1<<20+1))
	all, errs := loadAll(t, family, "string", "", "half", "{}", "large", "whole", "absent")
	require.NoError(t, errs[5])
	assert.Equal(t, "record-of-one", string(all[5].Data))
	require.ErrorIs(t, errs[6], fs.ErrNotExist)
	for i, want := range []string{"WRONGTYPE", "the name of the session is empty", "not a record", "has braces", "larger than"} {
		assertStoreError(t, "load", errs[i])
		require.ErrorContains(t, errs[i], want)
		assert.Nil(t, all[i].Data)
	}
}

func TestFamily_LoadAll_ServerIsDown(t *testing.T) {
	server := redistest.Start(t)
	options := server.Options()
	options.MaxRetries, options.DialerRetries = -1, 1
	family := openFamilyWithoutPolling(t, server.ClientWith(options))
	save(t, family.Store("one"), "record-of-one")
	server.Kill()
	_, errs := loadAll(t, family, "one", "two")
	require.Len(t, errs, 2)
	for _, err := range errs {
		assertStoreError(t, "load", err)
	}
	server.Restart()
	_, errs = loadAll(t, family, "one")
	require.ErrorIs(t, errs[0], fs.ErrNotExist)
}

func TestFamily_LoadAll_Ends(t *testing.T) {
	server := redistest.Start(t)
	family := openFamilyWithoutPolling(t, server.Client())
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	asked := 0
	names := func(yield func(string) bool) {
		for asked = 1; yield("session " + strconv.Itoa(asked)); asked++ {
		}
	}
	for _, err := range family.LoadAll(ctx, names) {
		require.ErrorIs(t, err, fs.ErrNotExist)
		break
	}
	assert.Equal(t, 512, asked, "no more names than the next pipeline needs, too")
	seen := 0
	var last error
	for l, err := range family.LoadAll(ctx, names) {
		seen++
		if last = err; seen == 300 {
			cancel(errCause)
		}
		if seen > 512 {
			assert.Equal(t, redisstore.Loaded{}, l)
		}
	}
	assert.Equal(t, 513, seen, "the results that were there, and the cause")
	assert.Equal(t, errCause, last)
	server.Pause()
	defer server.Resume()
	ctx, stop := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, errCause)
	defer stop()
	for _, err := range family.LoadAll(ctx, names) {
		assert.Equal(t, errCause, err)
	}
}
