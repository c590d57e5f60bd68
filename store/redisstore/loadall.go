package redisstore

import (
	"context"
	"iter"

	"github.com/redis/go-redis/v9"
)

// loadBatch is how many records one pipeline reads. With the largest records of 1 MiB its
// answers take as many MiB, and there are those of two pipelines.
const loadBatch = 256

// Loaded is a result of [Family.LoadAll].
type Loaded struct {
	// Name is the name of the session.
	Name string
	// Store is a Store of the session that has loaded Data: its next Save replaces that
	// record. If there is an error, it has loaded nothing.
	Store *Store
	// Data is the record.
	Data []byte
}

// LoadAll loads the records of many sessions, in pipelines of 256, and yields one result
// for each name, in their order. While the results of one pipeline are used the next one
// is under way, and no further one, so that memory is bounded. LoadAll asks for names by
// as much ahead.
//
// The error is that of the one record, as [Store.Load] returns it: it Is
// [io/fs.ErrNotExist] if nothing is stored. If the server cannot be reached, each record of
// a pipeline has the error, and LoadAll continues with the next ones; to stop, leave the
// loop. If ctx ends, LoadAll yields its cause once, with an empty Loaded, and ends.
//
//	for loaded, err := range family.LoadAll(ctx, names) {
//		…
//	}
func (f *Family) LoadAll(ctx context.Context, names iter.Seq[string]) iter.Seq2[Loaded, error] {
	return func(yield func(Loaded, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel() // of a pipeline whose results nobody wants
		var current <-chan loadedBatch
		for names := range batches(names, loadBatch) {
			next := f.startBatch(ctx, names)
			if current != nil && !yieldBatch(ctx, <-current, yield) {
				return
			}
			current = next
		}
		if current != nil {
			yieldBatch(ctx, <-current, yield)
		}
	}
}

// loadedBatch is the result of one pipeline: a result and an error for each name, or the
// cause of the context's end.
type loadedBatch struct {
	all   []Loaded
	errs  []error
	ended error
}

// startBatch loads the records of names in a new goroutine.
func (f *Family) startBatch(ctx context.Context, names []string) <-chan loadedBatch {
	loaded := make(chan loadedBatch, 1)
	go func() {
		all, errs, ended := f.loadBatch(ctx, names)
		loaded <- loadedBatch{all, errs, ended}
	}()
	return loaded
}

// yieldBatch yields the results of a pipeline, and reports whether to go on.
func yieldBatch(ctx context.Context, b loadedBatch, yield func(Loaded, error) bool) bool {
	if ctx.Err() != nil {
		b.ended = context.Cause(ctx)
	}
	if b.ended != nil {
		yield(Loaded{}, b.ended)
		return false
	}
	for i := range b.all {
		if !yield(b.all[i], b.errs[i]) {
			return false
		}
	}
	return true
}

// batches yields the names in slices of at most size.
func batches(names iter.Seq[string], size int) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		batch := make([]string, 0, size)
		for name := range names {
			batch = append(batch, name)
			if len(batch) < size {
				continue
			}
			if !yield(batch) {
				return
			}
			batch = make([]string, 0, size)
		}
		if len(batch) > 0 {
			yield(batch)
		}
	}
}

// loadBatch loads the records of names. It returns a result and an error for each one; or
// the cause of ctx's end.
func (f *Family) loadBatch(ctx context.Context, names []string) (all []Loaded, errs []error, ended error) {
	const op = "load"
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	all, errs = make([]Loaded, len(names)), make([]error, len(names))
	var keys []string
	var asked []int // the indices of names that are asked for
	for i, name := range names {
		all[i] = Loaded{Name: name, Store: f.Store(name)}
		if err := checkName(name); err != nil {
			errs[i] = badName(op, err)
			continue
		}
		keys, asked = append(keys, all[i].Store.key(keyRecord)), append(asked, i)
	}
	answers, err := await(ctx, nil, func(ctx context.Context) ([]answer, error) { return f.shared.loadKeys(ctx, keys), nil }, nil)
	if err != nil {
		return nil, nil, err
	}
	for n, i := range asked {
		if err := answers[n].err; err != nil {
			errs[i] = failed(op, err)
			continue
		}
		all[i].Data, errs[i] = all[i].Store.loaded(op, answers[n].result)
	}
	return all, errs, nil
}

// answer is the result of one script of a pipeline.
type answer struct {
	result result
	err    error
}

// loadKeys runs the load script for all keys. Those whose server has not cached the script
// are asked for again, with its text. In a cluster the client makes a pipeline for each
// node.
func (sh *shared) loadKeys(ctx context.Context, keys []string) []answer {
	answers := make([]answer, len(keys))
	var missing []int
	for i, cmd := range sh.pipeline(ctx, keys, sh.script.load.EvalSha) {
		if answers[i] = cmd; redis.HasErrorPrefix(cmd.err, "NOSCRIPT") {
			missing = append(missing, i)
		}
	}
	again := make([]string, 0, len(missing))
	for _, i := range missing {
		again = append(again, keys[i])
	}
	for n, cmd := range sh.pipeline(ctx, again, sh.script.load.Eval) {
		answers[missing[n]] = cmd
	}
	return answers
}

// pipeline runs a script for each key, in one round trip.
func (sh *shared) pipeline(ctx context.Context, keys []string, script runner) (answers []answer) {
	if len(keys) == 0 {
		return nil
	}
	answers = make([]answer, len(keys))
	defer func() {
		// The client panics at some results that it cannot parse.
		if recover() != nil {
			for i := range answers {
				answers[i] = answer{err: errGarbled}
			}
		}
	}()
	pipe, cmds := sh.client().Pipeline(), make([]*redis.Cmd, len(keys))
	for i, key := range keys {
		cmds[i] = script(ctx, pipe, []string{key}, maxRecord)
	}
	_, _ = pipe.Exec(ctx) // its error is that of a command
	for i, cmd := range cmds {
		answers[i].result, answers[i].err = sh.decode(cmd)
	}
	return answers
}
