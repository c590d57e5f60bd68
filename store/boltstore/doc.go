// Package boltstore stores the sessions of many keys in one file, for a program on one
// machine that has thousands of them, or a million. It needs no server. The file is that of
// an embedded database, go.etcd.io/bbolt.
//
//	db, err := boltstore.Open("/var/lib/myservice/sessions.db", boltstore.Options{})
//	…
//	defer db.Close()
//	session, err := tokensource.New(tokensource.Config{Refresher: gateway, Store: db.Store("customer-1")})
//
// For a few sessions, or for processes that share one, use a file for each: see store.File.
// For several hosts use package redisstore.
//
// # Guarantees
//
// A [Store] has the guarantees of package store: a record is complete, Save is a
// compare-and-swap, fs.ErrNotExist means that nothing is stored, and no error contains a
// part of the record. What a Save has acknowledged survives a process that is killed at
// any instant, and, on a disk that does what fsync says, a failure of the power.
//
// Each record has a checksum, since bbolt has none of what it stores: Load reports one that
// was changed on disk as damaged, and a tokensource.Source then sets it aside.
//
// A file that is damaged elsewhere is an error of [Open] or of the methods that need the
// damaged part. It is never replaced. Open reads only the beginning of the file and the list
// of its free parts, so that it takes no longer for a million sessions; to read all of it,
// stop the program and use the command of bbolt, "bbolt check".
//
// # One process
//
// One process at a time can use the file; bbolt locks it. The error of Open for another one
// Is [ErrInUse], after [Options.Timeout]. A process that dies releases the file at once.
// The locks are those of the operating system; on network file systems use another store.
//
// Lock therefore needs no file. It excludes the Stores of one key in this process, so that
// of several Sources of one session one refreshes and the others load the new tokens.
//
// # A thousand Saves at once
//
// Saves, Deletes and SetAsides that come while a transaction is synced to disk are the next
// transaction together. So a lone Save takes two syncs, a thousand at once take a few more,
// and Saves become no slower than the disk. If a context ends while its Save waits for the
// next transaction, nothing is changed.
//
// Load reads a memory map of the file and waits for no Save of another Store.
//
// # Files
//
// The file has mode 0600, and a missing folder is created with mode 0700. Open refuses a
// file that is a link, and a folder that anybody can write; the group of a folder is
// trusted. If others have permissions to the file, Open removes them, and adds a notice: see
// [Store.Notices]. On Windows, where the mode of a file does not describe access, only the
// access rights of the folder protect it.
//
// The file grows as needed, and does not shrink; space that is free is used again. To
// shrink it, stop the program and use "bbolt compact". To copy it stop the program too.
//
// The records are not encrypted. To encrypt them wrap each Store in a store.Sealed, with the
// key as its Name.
//
// The buckets of the file are "records", with a value for each key: a byte 1, the version
// (8 bytes), a CRC-32C (4 bytes), and the record; "aside", with what was set aside, under
// the keys "<suffix>.<a number>.<key>"; and "agsauth", with the version of this layout.
//
// # Cost
//
// A Store takes some 50 bytes, and the DB nothing for a session that is not in use. The
// pages of the file that were read are in the memory of the process, as far as the system
// has room: they count as resident, but it drops them first.
package boltstore
