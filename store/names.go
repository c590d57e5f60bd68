package store

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

const (
	// maxName is how long the name of a file can be on common file systems, in the
	// units that nameLength counts.
	maxName = 255
	// lockSuffix names the file that Lock holds, behind the record's own name.
	lockSuffix = "lock"
	// temporaryEnd is how the name of a temporary file ends, behind a number of
	// up to numberLength digits.
	temporaryEnd = ".tmp"
	numberLength = 10
)

// lockName returns the name of the lock file of a record. It is the one name that is
// never shortened, so that older versions, and scripts, share the lock.
func lockName(name string) string { return name + "." + lockSuffix }

// guardName returns the name of the file that is locked while a record is replaced.
func guardName(name string) string { return hiddenName(name, ".guard") }

// keptName returns the name of the file that keeps the predecessor of a record while
// that is written in place.
func keptName(name string) string { return hiddenName(name, ".kept") }

func hiddenName(name, end string) string { return "." + fit(name, len(".")+len(end)) + end }

// temporaryStart returns how the names of a record's temporary files begin, up to
// the number.
func temporaryStart(name string) string {
	return "." + fit(name, len("..")+numberLength+len(temporaryEnd)) + "."
}

// isTemporary reports whether file is the name of a temporary file of the record
// name. It must not take another record's for ours: between "name.5" and its number
// there is a dot.
func isTemporary(file, name string) bool {
	number, ok := strings.CutPrefix(file, temporaryStart(name))
	if !ok {
		return false
	}
	number, ok = strings.CutSuffix(number, temporaryEnd)
	return ok && number != "" && strings.Trim(number, "0123456789") == ""
}

// asideName returns the name under which a record is set aside.
func asideName(name, suffix string) string { return fit(name, len(".")+len(suffix)) + "." + suffix }

// fit returns name if it leaves room in a file's name for so many more characters,
// or else its beginning, and a hash of all of it in place of the rest.
func fit(name string, room int) string {
	if nameLength(name)+room <= maxName {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	hash := "~" + hex.EncodeToString(sum[:16])
	begin := name
	for nameLength(begin)+len(hash)+room > maxName {
		_, size := utf8.DecodeLastRuneInString(begin)
		begin = begin[:len(begin)-size]
	}
	return begin + hash
}

// checkName refuses a record whose lock file cannot have a name: either everything
// works with a record, or nothing.
func checkName(path string) error {
	if nameLength(lockName(filepath.Base(path))) > maxName {
		return errLongName
	}
	return nil
}
