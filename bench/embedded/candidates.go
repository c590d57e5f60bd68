package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	_ "github.com/ncruces/go-sqlite3/driver"
	"go.etcd.io/bbolt"
	_ "modernc.org/sqlite"
)

// A record is a key and the record of its session.
type record struct {
	key  string
	data []byte
}

// A database stores records. save returns when all of them are synced to disk, or none
// is stored.
type database interface {
	save(ctx context.Context, records []record) error
	each(ctx context.Context, use func(record)) error
	close() error
}

// A candidate is one way to store the records of a million sessions.
type candidate struct {
	name, settings string
	open           func(ctx context.Context, dir string) (database, error)
}

func candidates() []candidate {
	return []candidate{
		{"bbolt", "4 KiB pages", openBolt(bbolt.Options{PageSize: 4 << 10})},
		{"bbolt, large pages", "16 KiB pages", openBolt(bbolt.Options{PageSize: 16 << 10})},
		{"bbolt, no free list", "4 KiB pages, the list of free ones built when it opens", openBolt(bbolt.Options{PageSize: 4 << 10, NoFreelistSync: true})},
		{"modernc.org/sqlite", sqliteSettings, openSQLite("sqlite", "file:%s?_pragma=journal_mode(wal)&_pragma=synchronous(full)")},
		{"ncruces/go-sqlite3", sqliteSettings, openSQLite("sqlite3", "file:%s?_pragma=journal_mode(wal)&_pragma=synchronous(full)")},
	}
}

const sqliteSettings = "WAL, synchronous=FULL, one connection, WITHOUT ROWID"

type boltDB struct{ db *bbolt.DB }

const bucket = "records"

func openBolt(options bbolt.Options) func(context.Context, string) (database, error) {
	return func(_ context.Context, dir string) (database, error) {
		options.FreelistType = bbolt.FreelistMapType
		db, err := bbolt.Open(filepath.Join(dir, "db"), 0o600, &options)
		if err != nil {
			return nil, err
		}
		return boltDB{db}, db.Update(func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucketIfNotExists([]byte(bucket))
			return err
		})
	}
}

func (b boltDB) save(_ context.Context, records []record) error {
	return b.db.Update(func(tx *bbolt.Tx) error {
		for _, r := range records {
			if err := tx.Bucket([]byte(bucket)).Put([]byte(r.key), r.data); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b boltDB) each(_ context.Context, use func(record)) error {
	return b.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(bucket)).ForEach(func(k, v []byte) error {
			use(record{string(k), slices.Clone(v)})
			return nil
		})
	})
}

func (b boltDB) close() error { return b.db.Close() }

type sqliteDB struct {
	db *sql.DB
	up *sql.Stmt
}

func openSQLite(driver, address string) func(context.Context, string) (database, error) {
	return func(ctx context.Context, dir string) (database, error) {
		db, err := sql.Open(driver, fmt.Sprintf(address, filepath.Join(dir, "db")))
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(1)
		if _, err := db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS records (key TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID`); err != nil {
			return nil, err
		}
		up, err := db.PrepareContext(ctx, `INSERT INTO records VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET data = excluded.data`)
		return sqliteDB{db, up}, err
	}
}

func (s sqliteDB) save(ctx context.Context, records []record) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	up := tx.StmtContext(ctx, s.up)
	for _, r := range records {
		if _, err := up.ExecContext(ctx, r.key, r.data); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
}

func (s sqliteDB) each(ctx context.Context, use func(record)) error {
	rows, err := s.db.QueryContext(ctx, `SELECT key, data FROM records`)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var r record
		if err := rows.Scan(&r.key, &r.data); err != nil {
			return err
		}
		use(r)
	}
	return rows.Err()
}

func (s sqliteDB) close() error { return errors.Join(s.up.Close(), s.db.Close()) }
