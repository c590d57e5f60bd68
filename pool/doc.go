// Package pool keeps very many sessions alive in one process: one per user, device or
// subscriber, each with a key of the program's choice.
//
//	gate := tokensource.NewGate(tokensource.GateConfig{PerSecond: 200, Concurrent: 64})
//	sessions, err := pool.New(pool.Config{
//		Refresher: gateway, // an *ags.Client
//		Gate:      gate,
//		Store:     func(key string) tokensource.Store { return family.Store(key) }, // of a redisstore.Family
//	})
//	…
//	go sessions.Run(ctx)
//	err = sessions.Warm(ctx, keys)
//	…
//	token, err := sessions.Session("subscriber-1").TokenContext(ctx)
//	…
//	err = sessions.Drain(shutdownCtx)
//
// A [Session] has the methods of a [tokensource.Source]. [Pool.Keyed] is one source of
// tokens for an HTTP client that all sessions share; it takes the key from the context.
//
// # One scheduler
//
// [Pool.Run] is one goroutine for all sessions. It has a queue of when something is due for
// which session, and waits for the first. What it starts goes through the Gate, so that it
// is never more than the gateway can take. While nothing is under way there is no other
// goroutine and no timer, whatever the number of sessions.
//
// Which tokens it keeps fresh is a choice, [KeepAlive]. With [Sessions], the default, a
// session that nobody uses is refreshed only ahead of the expiry of its refresh token, which
// is the largest saving there is: with tokens of an hour and refresh tokens of two days,
// about a fortieth of the refreshes.
//
// If sessions began together their tokens expire together, and there may be more of them
// than the Gate lets start in the time. Run therefore counts what expires in each second to
// come. When what comes would not fit into four fifths of the Gate's rate it refreshes
// sessions ahead of time, those that expire first first, as late as it can. If it fits it
// refreshes nothing early.
//
// # Memory
//
// A session is resident, in memory, or dormant. Without a Store all are resident for as long
// as the Pool, because memory has the only copy. With a Store, Run evicts a session that was
// idle for IdleAfter, or that is the longest idle one of more than MaxResident. It evicts only
// sessions that are saved and have nothing under way. What stays of a dormant one is its key
// and when something is due for it next. Then, or when it is used, it is loaded from the
// store again. A key never has two live Sources: who asks for a session that is just being
// evicted waits until its Source is closed, and gets the next one.
//
// # Start and end
//
// A restart refreshes nothing because it is a restart. [Pool.Warm] loads what is stored, and
// what is not due stays as it is. Warm is optional: without it each session is loaded when it
// is used first, but Run does not know of sessions that nobody has used.
//
// [Pool.Drain] begins nothing new, waits for what is under way, saves what is not saved, and
// closes the Pool.
//
// # One session does not hurt another
//
// A store that fails for a key, a Login that hangs, and a callback that panics concern the
// callers of that key only. A hanging Login counts against the concurrent calls of the Gate
// for a while; see [tokensource.Gate].
package pool
