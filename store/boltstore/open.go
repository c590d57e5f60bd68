package boltstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

const (
	defaultTimeout = time.Second
	// layout is the version of the buckets and their values, which bucketMeta has.
	layout = "1"

	fileMode   = 0o600
	folderMode = 0o700
)

const (
	bucketMeta    = "agsauth"
	bucketRecords = "records"
	bucketAside   = "aside"
	keyLayout     = "layout"
)

// buckets are the buckets of a file.
type buckets struct{ meta, records, aside *bbolt.Bucket }

func bucketsOf(tx *bbolt.Tx) buckets {
	return buckets{tx.Bucket([]byte(bucketMeta)), tx.Bucket([]byte(bucketRecords)), tx.Bucket([]byte(bucketAside))}
}

// Open opens the file at path, or creates it. A missing folder is created with mode 0700,
// and the file with mode 0600. A file of the user's to which others have permissions gets
// mode 0600, and [DB.Store]'s Notices say so.
//
// One process can use the file at a time. If it is open already, Open waits for
// [Options.Timeout], and then its error Is [ErrInUse].
//
// Open never replaces a file: if it is damaged, empty or another program's, Open returns
// an error and leaves it as it is.
func Open(path string, opts Options) (*DB, error) {
	db, err := open(path, opts)
	if err != nil {
		return nil, fmt.Errorf("boltstore: open %s: %w", path, err)
	}
	return db, nil
}

func open(path string, opts Options) (*DB, error) {
	if path == "" {
		return nil, errors.New("no path is given")
	}
	notice, err := prepare(path)
	if err != nil {
		return nil, err
	}
	bolt, err := openBolt(path, opts)
	if err != nil {
		return nil, err
	}
	last, err := inspect(bolt)
	if err != nil {
		return nil, errors.Join(err, guarded(bolt.Close))
	}
	db := &DB{bolt: bolt, writer: startWriter(bolt, last)}
	if notice != nil {
		db.notices = []error{notice}
	}
	return db, nil
}

// prepare makes sure that there is a file that may be used. notice is what it repaired.
func prepare(path string) (notice, err error) {
	if err := os.MkdirAll(filepath.Dir(path), folderMode); err != nil {
		return nil, err
	}
	if err := checkFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(path); err != nil {
			return nil, err
		}
		info, err = os.Lstat(path)
	}
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a regular file, but a link, a folder or the like")
	case info.Size() == 0:
		return nil, fmt.Errorf("it is empty: %w", errFile)
	case !hasModes || info.Mode().Perm()&0o077 == 0:
		return nil, nil
	}
	if err := os.Chmod(path, fileMode); err != nil {
		return nil, fmt.Errorf("others may read it: %w", err)
	}
	return fmt.Errorf("boltstore: the mode of %s was %#o and is %#o now, so that others cannot read it", path, info.Mode().Perm(), fileMode), nil
}

// hasModes is whether the mode of a file says who has access to it.
const hasModes = runtime.GOOS != "windows" && runtime.GOOS != "plan9"

// checkFolder refuses a folder in which anybody can replace the file.
func checkFolder(folder string) error {
	info, err := os.Stat(folder)
	if err != nil {
		return err
	}
	if hasModes && info.Mode().Perm()&0o002 != 0 {
		return fmt.Errorf("anybody can write the folder %s: use another one, or remove that permission", folder)
	}
	return nil
}

// create creates the file with its buckets. It appears at path at once, so that a process
// that dies leaves none that is incomplete.
func create(path string) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	temp := file.Name()
	defer func() { _ = os.Remove(temp) }()
	if err := file.Close(); err != nil {
		return err
	}
	bolt, err := bbolt.Open(temp, fileMode, boltOptions(Options{}))
	if err != nil {
		return err
	}
	if err := errors.Join(bolt.Update(createBuckets), bolt.Close()); err != nil {
		return err
	}
	// A link does not replace the file of another process, which has just created it.
	err = os.Link(temp, path)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		err = os.Rename(temp, path) // where there are no links
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return errors.Join(err, syncFolder(filepath.Dir(path)))
}

func createBuckets(tx *bbolt.Tx) error {
	for _, name := range []string{bucketMeta, bucketRecords, bucketAside} {
		if _, err := tx.CreateBucket([]byte(name)); err != nil {
			return err
		}
	}
	return bucketsOf(tx).meta.Put([]byte(keyLayout), []byte(layout))
}

// syncFolder syncs a folder, so that a new file in it survives a crash of the machine.
// Some systems cannot, and return an error.
func syncFolder(folder string) error {
	dir, err := os.Open(filepath.Clean(folder))
	if err != nil {
		return err
	}
	_ = dir.Sync()
	return dir.Close()
}

func boltOptions(opts Options) *bbolt.Options {
	timeout := opts.Timeout
	switch {
	case timeout == 0:
		timeout = defaultTimeout
	case timeout < 0:
		timeout = 1 // bbolt tries once; 0 would wait for ever
	}
	return &bbolt.Options{Timeout: timeout, FreelistType: bbolt.FreelistMapType, NoStatistics: true, MaxSize: opts.maxSize}
}

// openBolt opens a file that exists.
func openBolt(path string, opts Options) (bolt *bbolt.DB, err error) {
	options := boltOptions(opts)
	var file *os.File
	options.OpenFile = func(name string, flag int, mode os.FileMode) (*os.File, error) {
		var err error
		// Never create it: a file that was removed since is an error.
		file, err = os.OpenFile(filepath.Clean(name), flag&^os.O_CREATE, mode)
		return file, err
	}
	err = guarded(func() error {
		bolt, err = bbolt.Open(path, fileMode, options)
		return err
	})
	switch {
	case err == nil:
		return bolt, nil
	case errors.Is(err, berrors.ErrTimeout):
		return nil, ErrInUse
	case isOfSystem(err):
		return nil, err
	case errors.Is(err, errFile):
		// bbolt has panicked. Its memory map stays, and keeps a lock that is not
		// released, also when the file is closed.
		return nil, errors.Join(errFile, unlock(file), file.Close())
	default:
		return nil, fmt.Errorf("%w (%w)", errFile, err)
	}
}

// isOfSystem reports whether err is one of the operating system, and says nothing about
// what is in the file.
func isOfSystem(err error) bool {
	_, ofPath := errors.AsType[*fs.PathError](err)
	_, ofCall := errors.AsType[*os.SyscallError](err)
	_, isNumber := errors.AsType[syscall.Errno](err)
	return ofPath || ofCall || isNumber
}

// inspect checks the buckets of a file, and returns the last version in it.
func inspect(bolt *bbolt.DB) (last uint64, err error) {
	err = guarded(func() error {
		return bolt.View(func(tx *bbolt.Tx) error {
			info, err := os.Stat(bolt.Path())
			if err != nil {
				return err
			}
			b := bucketsOf(tx)
			switch {
			case info.Size() < tx.Size():
				return fmt.Errorf("its end is missing: %w", errFile)
			case b.meta == nil || b.records == nil || b.aside == nil:
				return errForeign
			case string(b.meta.Get([]byte(keyLayout))) != layout:
				return errNewFile
			}
			last = b.records.Sequence()
			return nil
		})
	})
	return last, err
}
