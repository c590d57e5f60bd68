// Package redisstore stores a session in Redis or Valkey, so that several hosts can share
// it. It needs Redis 6.2 or later, or any Valkey: one server, Sentinel or a cluster.
//
//	client := redis.NewClient(&redis.Options{Addr: "redis.example:6379", TLSConfig: tls})
//	shared, err := redisstore.New(redisstore.Config{Client: client, Name: "customer-1"})
//	…
//	session, err := tokensource.New(tokensource.Config{Refresher: gateway, Store: shared})
//
// A [Store] has the guarantees of package store: a record is complete, Save is a
// compare-and-swap, fs.ErrNotExist means that nothing is stored, and no error contains a
// part of the record. Its Lock prevents several processes from refreshing the session at
// the same time: one calls the gateway, and the others load the new tokens.
//
// Errors of the server begin with the server's code, so that redis.HasErrorPrefix works.
// Their texts, and those of errors of the client, are this package's own, since server
// and client may quote a part of the record.
//
// # Many sessions
//
// A [Family] makes the Stores of the many sessions of one program. They share the scripts,
// the settings and one subscription, and [Family.LoadAll] loads their records in pipelines:
//
//	family, err := redisstore.NewFamily(redisstore.FamilyConfig{Client: client})
//	…
//	defer family.Close()
//	session, err := tokensource.New(tokensource.Config{Refresher: gateway, Store: family.Store("customer-1")})
//
// [Shares] divide the rate of a gateway between the processes that use it.
//
// # Keys
//
// The keys of a session begin with "agsauth:{NAME}:". The braces are a hash tag, so that
// a cluster stores all of them on one node.
//
//	record      a hash of data, the record, and version, a random word
//	lock        the lock token of the holder, while the lock is held
//	released    the lock token of the last holder, for the length of a lease
//	aside:…     a damaged record that was set aside; it stays until you remove it
//
// The key "agsauth:{NAME}:shares" is a string, the shares of the gateway NAME: see [Shares].
//
// The channel "agsauth:{NAME}:unlocked" notifies of releases. The record has no time to
// live, since a session must survive any pause; its expiry times are in the record. If
// another client sets a time to live, the next Save or SetAside removes it.
//
// The record is not encrypted: not in the memory of the server, its files and backups,
// and not for clients that may read the key or use MONITOR. To encrypt it wrap the
// Store in a store.Sealed.
//
// The logger of go-redis writes to standard error by default, and may quote an answer
// that it cannot parse. It belongs to the whole program, so this package does not change
// it: see redis.SetLogger, and Disable of its package logging.
//
// # Limits of a lease
//
// The lock is a lease: its holder renews it until unlock, and if the holder dies, it
// expires after [Config.Lease]. A lease has three limits.
//
// It does not stop a holder that was suspended. A process that does not run for longer
// than the lease, for example in a virtual machine that is migrated, may continue with a
// request to the gateway while another process holds the lock, and both use the same
// refresh token. A gateway that accepts each refresh token once rejects the second
// request, and may end the session. The record stays consistent, since Save is refused
// for a process that has not loaded the newest record. The next rejection reports that
// the outcome is unknown (OutcomeUnknown of tokensource.LoginRequiredError), and unlock
// returns [ErrLeaseLost]. Only fencing in the gateway itself could prevent this.
//
// It may be lost in a failover. Replication is asynchronous: a replica that becomes the
// primary may lack the lock, so that there are two holders, or the newest record, so
// that a used refresh token is sent again. WAIT and min-replicas-to-write make the
// latter less likely. Redlock does not help: it does not store the record, and does not
// stop a suspended holder either. A tokensource.Source handles both cases: when the
// gateway rejects a token, it looks for a newer one in the store before the session ends.
//
// It is measured by the clock of the server. If that clock jumps ahead, leases expire
// early.
//
// # Configuration of the server
//
// Persistence decides what a restart of the server loses. With "appendonly yes" and the
// default "appendfsync everysec" a crash loses up to a second of writes, possibly the
// newest tokens, and with them a session whose refresh tokens can be used once. With
// "appendfsync always" it loses nothing. Without persistence a restart loses the
// records: a running Source saves its own again, and one that starts later must log in.
// If refresh tokens can be used once, running Sources may lose the session as well,
// namely if one with older tokens saves first.
//
// Use "maxmemory-policy noeviction". The volatile policies work too, since the record
// has no time to live, but may evict the lock. The other policies may evict the record,
// which has the effect of a restart without persistence. A server whose memory is full
// refuses Lock and Save, and the tokens stay in the memory of the process.
//
// A user with only the necessary rights, for one session (use * as NAME for all):
//
//	ACL SETUSER agsauth on >PASSWORD resetkeys ~agsauth:{NAME}:* resetchannels &agsauth:{NAME}:* -@all +eval +evalsha +get +set +del +exists +rename +pexpire +pttl +persist +hget +hmget +hset +hstrlen +pubsub|numsub +publish +subscribe +unsubscribe
//
// In a cluster the client itself needs a few more:
//
//	ACL SETUSER agsauth +cluster|slots +cluster|shards +command +ping +readonly
//
// [Shares] need one more, and the keys "agsauth:{NAME}:*" with the name of the gateway:
//
//	ACL SETUSER agsauth +time
//
// Without +subscribe, +publish or the channel, Lock polls every
// [Config.PollInterval] and is only slower. Only a Family needs +unsubscribe; without it,
// it connects again and again, and its Locks poll meanwhile. Without +persist a record that is set aside
// keeps its time to live. [Store.Check] finds all other missing rights. The first
// [Store.Lock] finds those that are needed to save the session, before a login whose
// result could not be saved.
//
// # Cost
//
// Lock, Load, Save and unlock run one script each. While Lock waits, it uses a
// connection for notifications of releases, and polls ten times less often than without
// them. The Locks of a Family share that connection, on which each one that waits has
// its channel; it stays until [Family.Close]. After a release the waiting processes try at random times, spread over 4 ms for
// each, and not all at once.
package redisstore
