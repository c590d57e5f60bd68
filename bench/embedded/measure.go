package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// figures are what one candidate needed.
type figures struct {
	LoadSeconds    float64 // to store all records, 1,000 in a transaction
	SizeMB         float64 // of the files afterwards
	RestartSeconds float64 // to open the database and read all records
	HeapMB         float64 // while the database is open, without the records
	ResidentMB     float64 // at the end, with pages of the file that the kernel may drop
	AnonymousMB    float64 // the part of it that it may not drop
	Steady         latencies
	Herd           latencies // a thousand Saves at once
	SizeAfterMB    float64   // at the end
	WrittenMB      float64   // by the steady Saves
}

type latencies struct {
	Saves         int
	Commits       int
	Seconds       float64
	Median, Worst float64 // ms
	P99           float64
	CPUPercent    float64
}

type plan struct {
	records, size, rate int
	steady              time.Duration
}

// measure measures a candidate in an empty folder.
func measure(ctx context.Context, c candidate, dir string, p plan) (f figures, err error) {
	m := maker{p.size, rand.NewChaCha8([32]byte{1})}
	db, err := c.open(ctx, dir)
	if err != nil {
		return f, err
	}
	began := time.Now()
	for first := 0; first < p.records; first += 1000 {
		var batch []record
		for i := first; i < min(first+1000, p.records); i++ {
			batch = append(batch, m.make(i))
		}
		if err := db.save(ctx, batch); err != nil {
			return f, err
		}
	}
	f.LoadSeconds = time.Since(began).Seconds()
	if err := db.close(); err != nil {
		return f, err
	}
	f.SizeMB = sizeOf(dir)
	before := heapMB()
	if f.RestartSeconds, db, err = restart(ctx, c, dir, p); err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, db.close()) }()
	f.HeapMB = heapMB() - before
	w := startWriter(ctx, db)
	written := writtenMB()
	f.Steady = w.steady(p, m)
	f.WrittenMB = writtenMB() - written
	f.Herd = w.herd(p, m)
	w.stop()
	f.SizeAfterMB = sizeOf(dir)
	f.ResidentMB, f.AnonymousMB = statusMB("VmRSS"), statusMB("RssAnon")
	return f, w.failed()
}

func restart(ctx context.Context, c candidate, dir string, p plan) (seconds float64, db database, err error) {
	began, read := time.Now(), 0
	if db, err = c.open(ctx, dir); err != nil {
		return 0, nil, err
	}
	if err := db.each(ctx, func(r record) { read += len(r.data) }); err != nil {
		return 0, nil, err
	}
	if least := p.records * (p.size - 4); read < least {
		return 0, nil, fmt.Errorf("%d bytes were read, of at least %d", read, least)
	}
	return time.Since(began).Seconds(), db, nil
}

// A writer commits together what was asked for while the previous commit ran.
type writer struct {
	db      database
	work    chan request
	ended   sync.WaitGroup
	mu      sync.Mutex
	commits int
	err     error
}

type request struct {
	record record
	done   chan struct{}
}

func startWriter(ctx context.Context, db database) *writer {
	w := &writer{db: db, work: make(chan request, 10000)}
	w.ended.Go(func() {
		for first := range w.work {
			group := []request{first}
			for more := true; more && len(group) < 1000; {
				select {
				case r, ok := <-w.work:
					if more = ok; ok {
						group = append(group, r)
					}
				default:
					more = false
				}
			}
			w.commit(ctx, group)
		}
	})
	return w
}

func (w *writer) commit(ctx context.Context, group []request) {
	records := make([]record, len(group))
	for i, r := range group {
		records[i] = r.record
	}
	err := w.db.save(ctx, records)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.commits++
	w.err = errors.Join(w.err, err)
	for _, r := range group {
		close(r.done)
	}
}

func (w *writer) stop() { close(w.work); w.ended.Wait() }

func (w *writer) failed() error { w.mu.Lock(); defer w.mu.Unlock(); return w.err }

// steady saves random records at the plan's rate, each when it is due.
func (w *writer) steady(p plan, m maker) latencies {
	saves := int(p.steady.Seconds() * float64(p.rate))
	began := time.Now()
	return w.run(saves, p, m, func(i int) time.Time { return began.Add(time.Duration(i) * time.Second / time.Duration(p.rate)) })
}

// herd saves a thousand records at once.
func (w *writer) herd(p plan, m maker) latencies {
	began := time.Now()
	return w.run(1000, p, m, func(int) time.Time { return began })
}

func (w *writer) run(saves int, p plan, m maker, due func(int) time.Time) latencies {
	records, all := make([]record, saves), make([]float64, saves)
	for i := range records {
		records[i] = m.make(rand.IntN(p.records))
	}
	w.mu.Lock()
	commits := w.commits
	w.mu.Unlock()
	began, cpu := time.Now(), cpuSeconds()
	shift := began.Sub(due(0)) // the records took time to make
	var callers sync.WaitGroup
	for i := range records {
		at := due(i).Add(shift)
		time.Sleep(time.Until(at))
		callers.Go(func() {
			r := request{records[i], make(chan struct{})}
			w.work <- r
			<-r.done
			all[i] = float64(time.Since(at).Microseconds()) / 1000
		})
	}
	callers.Wait()
	seconds := time.Since(began).Seconds()
	slices.Sort(all)
	w.mu.Lock()
	defer w.mu.Unlock()
	return latencies{
		saves, w.commits - commits, seconds, all[saves/2], all[saves-1], all[saves*99/100],
		100 * (cpuSeconds() - cpu) / seconds,
	}
}

func heapMB() float64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return float64(stats.HeapAlloc) / 1e6
}

// sizeOf returns the size of all files, as they lie on disk.
func sizeOf(dir string) (mb float64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if info, infoErr := d.Info(); err == nil && infoErr == nil && !d.IsDir() {
			mb += float64(info.Size()) / 1e6
		}
		return nil
	})
	return mb
}

// statusMB and writtenMB read what Linux knows of this process; elsewhere they are 0.
func statusMB(field string) float64 { return fieldOf("/proc/self/status", field) * 1024 / 1e6 }
func writtenMB() float64            { return fieldOf("/proc/self/io", "write_bytes") / 1e6 }

func fieldOf(path, field string) float64 {
	text, _ := os.ReadFile(path)
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, field+":"); found {
			n, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return n
		}
	}
	return 0
}
