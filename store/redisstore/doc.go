// Package redisstore keeps one session where many hosts can share it: in Redis or
// Valkey. It needs Redis 6.2 or later, or any Valkey; one server, Sentinel or a
// cluster.
//
//	client := redis.NewClient(&redis.Options{Addr: "redis.example:6379", TLSConfig: tls})
//	shared, err := redisstore.New(redisstore.Config{Client: client, Name: "customer-1"})
//	…
//	session, err := tokensource.New(tokensource.Config{Refresher: gateway, Store: shared})
//
// A [Store] makes the promises of package store: a record is whole, nothing is
// overwritten unseen, "nothing stored" is said only when it is so, and no error
// holds any of the record. Errors of the server and of the client are told in this
// package's own words, as a client quotes what it cannot read; a server's begins
// with its code, and redis.HasErrorPrefix works on it. Its Lock keeps a hundred replicas from refreshing one
// session at the same time: one asks the gateway, and the others find it done.
//
// # What is kept
//
// A session's keys begin with "agsauth:{NAME}:". The braces are a hash tag, which
// keeps them on one node of a cluster.
//
//	record      a hash of data, the record as it was saved, and version, a random word
//	lock        there while the lock is held, with the token of its holder
//	released    for the length of a lease, the token of who held it last
//	aside:…     a damaged record that was put out of the way; yours to remove
//
// The channel "agsauth:{NAME}:unlocked" tells of releases. The record has no time
// to live, for a session must outlast any pause; what ends it is recorded in it.
// One that somebody gives it is taken away by the next Save, and from a damaged
// record by SetAside. Delete removes the record.
//
// The bytes are in clear, in the server's memory, in its files and backups, and to
// whoever may read the key or MONITOR. To encrypt them wrap the Store in a
// store.Sealed.
//
// go-redis has a logger, which writes to standard error by default, and may quote an
// answer that it cannot read. It belongs to the whole program, so this package
// leaves it alone: see redis.SetLogger, and Disable of its package logging.
//
// # What a lease can do, and what not
//
// The lock is a lease: it is held until unlock, and is renewed meanwhile; if its
// holder dies it ends by itself after [Config.Lease]. Three things it cannot do.
//
// It cannot hold back a holder that was frozen. A process that stands still for
// longer than the lease, in a virtual machine that was moved, say, does not know
// of it when it thaws, and its request to the gateway is still on its way: then two
// spend one refresh token. Where refresh tokens are good for one use the gateway
// rejects the second, and where it takes that for theft it ends the session. The
// record stays whole: Save is refused to whoever has not seen the newest. The next
// that is rejected says that the outcome is unknown (OutcomeUnknown of
// tokensource.LoginRequiredError), and unlock returns [ErrLeaseLost]. No store can
// do better unless the gateway itself compared numbers.
//
// It does not survive a failover for certain. Replication is asynchronous: a replica
// that takes over may have missed the lock, so that there are two holders; or the
// newest record, so that a spent refresh token is presented. Of the latter WAIT
// and min-replicas-to-write make less, not nothing. Redlock, a lock by majority of
// several servers, is no remedy: it does not keep the record, and a frozen holder
// defeats it as well. A Source lives with both: what the gateway rejects is looked
// for in the store before the session ends.
//
// It is timed by the server's clock. One that jumps ahead ends leases early.
//
// # How the server should be set up
//
// Persistence decides what a restart costs. With "appendonly yes" and the default
// "appendfsync everysec" a crash loses the last second: with luck nothing, else the
// newest pair, and with it a session whose refresh tokens are good for one use.
// With "appendfsync always" it loses nothing that was acknowledged. Without any, a
// restart loses the records; a Source that runs saves its own again, and one that
// starts meanwhile has to sign on. Where refresh tokens are good for one use even
// those that run may lose the session: when one that has an older pair comes first.
//
// "maxmemory-policy noeviction" is the one to choose. The volatile policies are as
// good, as the record has no time to live, though the lock may be evicted; with the
// others the record may be, which is like a restart without persistence. A server
// that is full refuses to lock and to save, and the pair stays in the memory of
// the process that has it.
//
// A user that has no more rights than are needed, for one session (for all of them
// write * for NAME):
//
//	ACL SETUSER agsauth on >PASSWORD resetkeys ~agsauth:{NAME}:* resetchannels &agsauth:{NAME}:* -@all +eval +evalsha +get +set +del +exists +rename +pexpire +pttl +persist +hget +hmget +hset +hstrlen +pubsub|numsub +publish +subscribe
//
// In a cluster the client needs some more, for itself:
//
//	ACL SETUSER agsauth +cluster|slots +cluster|shards +command +ping +readonly
//
// Without +subscribe, +publish or the channel those who wait for the lock look for
// it every [Config.PollInterval], which works as well, only slower. Without
// +persist a damaged record that is set aside keeps a time to live. [Store.Check]
// finds any other right that is missing. The first [Store.Lock] finds those without
// which the session cannot be stored, before a sign-on is spent on it.
//
// # What it costs
//
// Lock, Load, Save and unlock are one script each. One that waits takes a
// connection to be told of the release, and looks a tenth as often as it would
// else. After a release those who wait take their turns at random over 4 ms for each
// of them, and not all at once.
package redisstore
