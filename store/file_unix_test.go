//go:build unix

package store_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/agsauth/agsauth/store"
)

// Parts that need a system that has limits and users.
const (
	partFull     = "full"      // saves where there is room for little, and says how that went
	partEndless  = "endless"   // saves until it is told to end, or killed
	partReadOnly = "read-only" // saves where it may only read, and says how that went
	partInPlace  = "in place"  // saves in place until it is told to end, or killed
	partUnkept   = "unkept"    // does so where the former record cannot be kept
	partUnlisted = "unlisted"  // saves where it may not read the folder, and says how that went
)

func systemParts() map[string]part {
	return map[string]part{
		partFull: playFull, partEndless: playEndless, partReadOnly: playReadOnly, partUnlisted: playUnlisted,
		partInPlace: playInPlace(mounted), partUnkept: playInPlace(readOnlyFolder),
	}
}

// room is how many bytes a file may have where there is room for little.
const room = 1000

// large is a record that there is no room for then, and that takes a while.
var large = []byte(strings.Repeat("record-two ", 90_000))

func playFull(ctx context.Context, f *store.File, in lines) error {
	if _, err := f.Load(ctx); err != nil {
		return err
	}
	if err := ready(in); err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: room, Max: room}); err != nil {
		return err
	}
	return sayAll(f.Save(ctx, large), f.Save(ctx, []byte("record-three")))
}

func playEndless(ctx context.Context, f *store.File, in lines) error {
	ctx, cancel := context.WithCancel(ctx)
	go func() { _ = in.wait(); cancel() }()
	_, err := f.Load(ctx)
	for err == nil {
		if err = f.Save(ctx, large); err == nil {
			fmt.Println("saved")
		}
	}
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return err
}

func playInPlace(fault func(step, path string) error) part {
	return func(ctx context.Context, f *store.File, in lines) error {
		ctx, cancel := context.WithCancel(ctx)
		go func() { _ = in.wait(); cancel() }()
		f.SetFault(fault)
		_, err := f.Load(ctx)
		for n := 0; err == nil; n++ {
			record := large
			if n%2 == 0 {
				record = long("record-one")
			}
			if err = f.Save(ctx, record); err == nil && n > 0 {
				fmt.Println("saved")
			}
		}
		return err
	}
}

func playReadOnly(ctx context.Context, f *store.File, in lines) error {
	f, err := asNobody(f)
	if err != nil {
		return err
	}
	if err := ready(in); err != nil {
		return err
	}
	data, err := f.Load(ctx)
	if err == nil && string(data) != "record-one" {
		err = errors.New("another record")
	}
	_, lockErr := f.Lock(ctx)
	return sayAll(err, f.Save(ctx, []byte("record-two")), f.Delete(ctx), f.SetAside(ctx, "damaged"), lockErr)
}

func playUnlisted(ctx context.Context, f *store.File, in lines) error {
	f, err := asNobody(f)
	if err != nil {
		return err
	}
	if _, err := f.Load(ctx); err != nil {
		return err
	}
	// Now it may make and replace files in the folder, but neither list nor sync it.
	if err := os.Chmod(".", 0o300); err != nil {
		return err
	}
	unsynced := []error{f.Save(ctx, []byte("record-two")), f.Save(ctx, []byte("record-three"))}
	if err := os.Chmod(".", 0o700); err != nil {
		return err
	}
	if err := ready(in); err != nil {
		return err
	}
	return sayAll(append(unsynced, f.Save(ctx, []byte("record-four")))...)
}

// asNobody makes the process one of a user who may not do everything, and returns
// f for it: by its bare name, since the folders above may be closed to that user.
func asNobody(f *store.File) (*store.File, error) {
	if err := os.Chdir(filepath.Dir(f.Path)); err != nil {
		return nil, err
	}
	f = &store.File{Path: filepath.Base(f.Path)}
	if os.Geteuid() == 0 {
		return f, syscall.Setuid(nobody)
	}
	return f, nil
}

// nobody is the user who has nothing but what it is given.
const nobody = 65534

// sayAll prints errors, a line each: which of the two that mean something for
// the record or of the others that the test waits for it is, and what it says.
func sayAll(errs ...error) error {
	for _, err := range errs {
		class := "other"
		switch {
		case err == nil:
			class = "fine"
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrExist):
			class = "about the record"
		case errors.Is(err, syscall.EFBIG):
			class = "no room"
		case errors.Is(err, errors.ErrUnsupported):
			class = "no locking"
		case errors.Is(err, fs.ErrPermission):
			class = "not permitted"
		}
		fmt.Printf("%s: %v\n", class, err)
	}
	return nil
}

func assertSays(t *testing.T, p *process, want string) {
	t.Helper()
	line := p.hear(t)
	assert.True(t, strings.HasPrefix(line, want+": "), line)
	assert.NotContains(t, line, "record-")
}

func saveOne(t *testing.T) *store.File {
	t.Helper()
	f := &store.File{Path: recordPath(t)}
	require.NoError(t, f.Save(t.Context(), []byte("record-one")))
	return f
}

func assertRecord(t *testing.T, path, want string) {
	t.Helper()
	data, err := (&store.File{Path: path}).Load(t.Context())
	require.NoError(t, err)
	assert.Equal(t, want, string(data))
}

func TestFile_DiskFull(t *testing.T) {
	f := saveOne(t)
	p := start(t, partFull, f.Path)
	p.goOn(t)
	assertSays(t, p, "no room")
	assertSays(t, p, "fine") // a smaller one: what is expected has not changed
	require.NoError(t, p.Wait())
	assertRecord(t, f.Path, "record-three")
	assert.Equal(t, []string{".session.json.guard", "session.json"}, files(t, filepath.Dir(f.Path)), "nothing is left behind")
}

// giveAway gives a folder, and what is in it, to the user that asNobody becomes.
func giveAway(t *testing.T, folder string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	require.NoError(t, os.Chown(folder, nobody, nobody))
	for _, name := range files(t, folder) {
		require.NoError(t, os.Chown(filepath.Join(folder, name), nobody, nobody))
	}
}

func TestFile_ReadOnlyFolder(t *testing.T) {
	f := saveOne(t)
	folder := filepath.Dir(f.Path)
	names := files(t, folder)
	giveAway(t, folder)
	require.NoError(t, os.Chmod(folder, 0o500))
	t.Cleanup(func() { _ = os.Chmod(folder, 0o700) })
	p := start(t, partReadOnly, f.Path)
	p.goOn(t)
	assertSays(t, p, "fine") // Load
	for range 4 {
		assertSays(t, p, "not permitted")
	}
	require.NoError(t, p.Wait())
	assert.Equal(t, names, files(t, folder))
	assertRecord(t, f.Path, "record-one")
}

// A record that is in its place, in a folder that cannot be synced, is saved for all
// who look, but not to be relied on: an error says so, and who saves again may. What
// could not be swept then is swept as soon as it can be.
func TestFile_FolderThatCannotBeSynced(t *testing.T) {
	f := saveOne(t)
	folder := filepath.Dir(f.Path)
	leftover := filepath.Join(folder, ".session.json.123.tmp")
	require.NoError(t, os.WriteFile(leftover, []byte("left over"), 0o600))
	giveAway(t, folder)
	t.Cleanup(func() { _ = os.Chmod(folder, 0o700) })
	p := start(t, partUnlisted, f.Path)
	assertRecord(t, f.Path, "record-three")
	assert.FileExists(t, leftover)
	p.goOn(t)
	for range 2 {
		assertSays(t, p, "not permitted")
	}
	assertSays(t, p, "fine")
	require.NoError(t, p.Wait())
	assertRecord(t, f.Path, "record-four")
	assert.NoFileExists(t, leftover)
}

func TestFile_MadeForThisUserAlone(t *testing.T) {
	old := syscall.Umask(0) // so that nothing is taken from what is asked for
	defer syscall.Umask(old)
	folder := filepath.Join(t.TempDir(), "one", "two")
	f := &store.File{Path: filepath.Join(folder, "session.json")}
	unlock, err := f.Lock(t.Context())
	require.NoError(t, err)
	require.NoError(t, f.Save(t.Context(), []byte("record-one")))
	require.NoError(t, f.Save(t.Context(), []byte("record-two")))
	require.NoError(t, unlock())
	for name, want := range map[string]fs.FileMode{
		filepath.Dir(folder): 0o700, folder: 0o700,
		f.Path: 0o600, f.Path + ".lock": 0o600, filepath.Join(folder, ".session.json.guard"): 0o600,
	} {
		info, err := os.Stat(name)
		require.NoError(t, err)
		assert.Equal(t, want, info.Mode().Perm(), name)
	}
}

func TestFile_NoRegularFile(t *testing.T) {
	pipe := recordPath(t)
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for _, path := range []string{pipe, os.DevNull} {
		t.Run(path, func(t *testing.T) { assertUnusable(t, &store.File{Path: path}) })
	}
}

func TestFile_LinkIsFollowed(t *testing.T) {
	folder := t.TempDir()
	at := func(names ...string) string { return filepath.Join(append([]string{folder}, names...)...) }
	require.NoError(t, os.MkdirAll(at("real", "deep"), 0o700))
	links := map[string]string{ // by the link, what it says
		at("absolute"):          at("real", "session.json"),
		at("relative"):          filepath.Join("real", "session.json"),
		at("twice"):             "relative",
		at("folder"):            "real",
		at("deep"):              filepath.Join("real", "deep"),
		at("real", "deep", "x"): filepath.Join("..", "session.json"),
		at("back"):              "deep" + "/../session.json", // which is not ./session.json
	}
	for link, to := range links {
		require.NoError(t, os.Symlink(to, link))
	}
	paths := []string{
		at("absolute"), at("relative"), at("twice"), at("folder", "session.json"), at("deep", "x"), at("back"),
		folder + "/deep/../session.json", at("real", "session.json"),
	}
	for _, path := range paths {
		f := &store.File{Path: path}
		for _, record := range []string{"record-one", "record-two"} { // the link dangles, and then does not
			require.NoError(t, f.Save(t.Context(), []byte(record)), path)
			assertRecord(t, at("real", "session.json"), record)
			assertRecord(t, path, record)
		}
		require.NoError(t, f.Delete(t.Context()))
		assert.NoFileExists(t, at("real", "session.json"), path)
	}
	for link, to := range links {
		got, err := os.Readlink(link)
		require.NoError(t, err, "is a link still")
		assert.Equal(t, to, got)
	}
	assert.Equal(t, []string{".session.json.guard", "deep"}, files(t, at("real")))
}

func TestFile_LinkIntoAFolderToBeMade(t *testing.T) {
	folder := t.TempDir()
	link := filepath.Join(folder, "session.json")
	require.NoError(t, os.Symlink(filepath.Join("new", "session.json"), link))
	f := &store.File{Path: link}
	_, err := f.Load(t.Context())
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, f.Save(t.Context(), []byte("record-one")))
	assertRecord(t, filepath.Join(folder, "new", "session.json"), "record-one")
}

func TestFile_LinksThatLeadNowhere(t *testing.T) {
	folder := t.TempDir()
	self, gone := filepath.Join(folder, "self"), filepath.Join(folder, "gone")
	require.NoError(t, os.Symlink("self", self))
	assertUnusable(t, &store.File{Path: self})
	assertUnusable(t, &store.File{Path: filepath.Join(self, "session.json")})

	// A disk that is not mounted, say: what is on it, nobody can tell.
	require.NoError(t, os.Symlink("nothing", gone))
	for _, path := range []string{filepath.Join(gone, "session.json"), filepath.Join(gone, "more", "session.json")} {
		assertUnusable(t, &store.File{Path: path})
		link := filepath.Join(folder, "link")
		require.NoError(t, os.Symlink(path, link))
		assertUnusable(t, &store.File{Path: link})
		require.NoError(t, os.Remove(link))
	}
	assert.Equal(t, []string{"gone", "self"}, files(t, folder))

	require.NoError(t, os.Mkdir(filepath.Join(folder, "nothing"), 0o700))
	f := &store.File{Path: filepath.Join(gone, "more", "session.json")}
	_, err := f.Load(t.Context())
	require.ErrorIs(t, err, fs.ErrNotExist, "now it is mounted, and empty")
	require.NoError(t, f.Save(t.Context(), []byte("record-one")))
	assertRecord(t, filepath.Join(folder, "nothing", "more", "session.json"), "record-one")
}

// A folder that is gone is a record that is gone: who has it in memory learns that
// nothing is stored, and stores it again, where the path leads then.
func TestFile_FolderRenamedAway(t *testing.T) {
	root := t.TempDir()
	folder, away := filepath.Join(root, "here"), filepath.Join(root, "away")
	f := &store.File{Path: filepath.Join(folder, "session.json")}
	other := &store.File{Path: f.Path}
	require.NoError(t, f.Save(t.Context(), []byte("record-one")))
	_, err := other.Load(t.Context())
	require.NoError(t, err)
	unlock, err := f.Lock(t.Context())
	require.NoError(t, err)

	require.NoError(t, os.Rename(folder, away))
	require.ErrorIs(t, f.Save(t.Context(), []byte("record-two")), fs.ErrExist, "it is not what was loaded")
	_, err = f.Load(t.Context())
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, f.Save(t.Context(), []byte("record-two")))
	require.NoError(t, unlock(), "of a lock that went with the folder")
	require.ErrorIs(t, other.Save(t.Context(), []byte("record-three")), fs.ErrExist)
	assertRecord(t, f.Path, "record-two")
	assertRecord(t, filepath.Join(away, "session.json"), "record-one")
	info, err := os.Stat(folder)
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o700), info.Mode().Perm())

	// And back: the path leads to the old record again, which nobody overwrites unseen.
	require.NoError(t, os.RemoveAll(folder))
	require.NoError(t, os.Rename(away, folder))
	require.ErrorIs(t, f.Save(t.Context(), []byte("record-three")), fs.ErrExist)
	assertRecord(t, f.Path, "record-one")
}

// freeze stops a process where it is, and returns when it has stopped.
func (p *process) freeze(t *testing.T) {
	t.Helper()
	require.NoError(t, p.Process.Signal(syscall.SIGSTOP))
	var status syscall.WaitStatus
	_, err := syscall.Wait4(p.Process.Pid, &status, syscall.WUNTRACED, nil)
	require.NoError(t, err)
	require.True(t, status.Stopped(), "%v", status)
}

func (p *process) thaw(t *testing.T) {
	t.Helper()
	require.NoError(t, p.Process.Signal(syscall.SIGCONT))
}

// A process that is stopped while it holds the lock keeps others from the lock, for
// as long as they care to wait, and from nothing else.
func TestFile_HolderOfTheLockIsStopped(t *testing.T) {
	f := saveOne(t)
	holder := start(t, partHold, f.Path)
	holder.freeze(t)
	_, err := f.Lock(briefly(t))
	require.Equal(t, context.DeadlineExceeded, err)
	require.NoError(t, f.Save(t.Context(), []byte("record-two")))
	assertRecord(t, f.Path, "record-two")

	holder.thaw(t)
	holder.goOn(t)
	unlock, err := f.Lock(t.Context())
	require.NoError(t, err)
	require.NoError(t, unlock())
	require.NoError(t, holder.Wait())
}

// Two paths to one file are one record, with one lock.
func TestFile_TwoPathsToOneFile(t *testing.T) {
	folder := t.TempDir()
	t.Chdir(folder)
	require.NoError(t, os.Mkdir("real", 0o700))
	require.NoError(t, os.Symlink("real", "folder"))
	require.NoError(t, os.Symlink(filepath.Join("real", "session.json"), "link"))
	f := &store.File{Path: filepath.Join(folder, "real", "session.json")}
	paths := []string{
		"link", "./link", "real/session.json", "folder/session.json", "real/../folder//session.json", filepath.Join(folder, "link"),
	}
	for i, path := range paths {
		other := &store.File{Path: path}
		unlock, err := f.Lock(t.Context())
		require.NoError(t, err)
		_, err = other.Lock(briefly(t))
		require.Equal(t, context.DeadlineExceeded, err, path)
		require.NoError(t, unlock())

		record := fmt.Sprint("record-", i)
		require.NoError(t, f.Save(t.Context(), []byte(record)))
		require.ErrorIs(t, other.Save(t.Context(), []byte("record-other")), fs.ErrExist, path)
		assertRecord(t, path, record)
	}
}
