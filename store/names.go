package store

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

const (
	// maxName is the length limit of a file name on common file systems, in the
	// units of nameLength.
	maxName = 255
	// lockSuffix is what the lock file adds to the name of the record.
	lockSuffix = "lock"
	// A temporary file ends in a number of up to numberLength digits and temporaryEnd.
	temporaryEnd = ".tmp"
	numberLength = 10
)

// lockName returns the name of the lock file of a record. It is never shortened:
// scripts and older versions must use the same lock file.
func lockName(name string) string { return name + "." + lockSuffix }

// guardName returns the name of the file that is locked while a record is replaced.
func guardName(name string) string { return hiddenName(name, ".guard") }

// backupName returns the name of the copy of the previous record, made while a
// record is written in place.
func backupName(name string) string { return hiddenName(name, ".kept") }

func hiddenName(name, end string) string { return "." + shorten(name, len(".")+len(end)) + end }

// temporaryStart returns the names of a record's temporary files up to the number.
func temporaryStart(name string) string {
	return "." + shorten(name, len("..")+numberLength+len(temporaryEnd)) + "."
}

// isTemporary reports whether file is the name of a temporary file of the record
// name. Files of other records, such as ".name.5.1.tmp" of "name.5", are not.
func isTemporary(file, name string) bool {
	number, ok := strings.CutPrefix(file, temporaryStart(name))
	if !ok {
		return false
	}
	number, ok = strings.CutSuffix(number, temporaryEnd)
	return ok && number != "" && strings.Trim(number, "0123456789") == ""
}

// asideName returns the name of a record that is set aside.
func asideName(name, suffix string) string { return shorten(name, len(".")+len(suffix)) + "." + suffix }

// shorten replaces the end of a name by a hash of the whole name, if the name and
// extra more characters would exceed maxName.
func shorten(name string, extra int) string {
	if nameLength(name)+extra <= maxName {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	hash := "~" + hex.EncodeToString(sum[:16])
	begin := name
	for nameLength(begin)+len(hash)+extra > maxName {
		_, size := utf8.DecodeLastRuneInString(begin)
		begin = begin[:len(begin)-size]
	}
	return begin + hash
}

// checkName refuses a record whose lock file would have too long a name.
func checkName(path string) error {
	if nameLength(lockName(filepath.Base(path))) > maxName {
		return errLongName
	}
	return nil
}
