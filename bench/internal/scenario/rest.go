package scenario

import (
	"context"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/agsauth/agsauth/bench/internal/endpoint"
	"github.com/agsauth/agsauth/bench/internal/impl"
)

// atRest creates many caches with default settings, each of which gets a token of its
// own and is then idle. A token is a string of 400 bytes, which are subtracted.
func atRest(c impl.Implementation, quick bool) (Result, error) {
	const tokenBytes = 400
	sources := 100_000
	if quick {
		sources = 20_000
	}
	if c.Name == impl.FloorName || c.Name == "ghinstallation" {
		// The floor has a timer per instance; ghinstallation makes its own calls.
		return Result{}, nil
	}
	padding := strings.Repeat("x", tokenBytes)
	issued := int64(0)
	fetch := func(context.Context) (string, time.Time, error) {
		issued++
		expires := time.Now().Add(time.Hour)
		name := padding + strconv.FormatInt(issued, 10) + endpoint.NewToken(issued, expires)
		return strings.Clone(name[len(name)-tokenBytes:]), expires, nil
	}
	instances := make([]impl.Instance, sources)
	before, routines := heapNow(), runtime.NumGoroutine()
	for i := range instances {
		in, err := c.New(impl.Setup{Fetch: fetch})
		if err != nil {
			return Result{}, err
		}
		if _, err := in.Get(context.Background()); err != nil {
			return Result{}, err
		}
		instances[i] = in
	}
	awaitGoroutines(routines)
	after := heapNow()
	own := sizeClass(tokenBytes)
	r := Result{Figures: map[string]float64{
		"bytes_each": float64(after-before)/float64(sources) - own,
		"goroutines": float64(runtime.NumGoroutine() - routines), "sources": float64(sources),
	}}
	for _, in := range instances {
		in.Close()
	}
	runtime.KeepAlive(instances)
	return r, nil
}

// awaitGoroutines waits until the goroutines of the refreshes have ended.
func awaitGoroutines(routines int) {
	for range 200 {
		if runtime.NumGoroutine() <= routines {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func heapNow() uint64 {
	debug.FreeOSMemory() // collects twice, which also empties pools
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// sizeClass returns how many bytes the allocator uses for n bytes without pointers.
func sizeClass(n int) float64 {
	const many = 1000
	held := make([][]byte, many)
	before := heapNow()
	for i := range held {
		held[i] = make([]byte, n)
	}
	after := heapNow()
	runtime.KeepAlive(held)
	return float64(after-before) / many
}
