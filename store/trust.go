package store

import (
	"fmt"
	"io/fs"
	"slices"
)

// superuser is the user ID of root.
const superuser = 0

// attributes describe a file beyond its mode.
type attributes struct {
	known  bool // false where files have no owner of this kind, as on Windows
	owner  int
	group  int
	linked bool // it has more than one hard link
}

// A folder is a folder on the path to a record.
type folder struct {
	attributes

	mode fs.FileMode
}

// writableOnlyBy reports whether only users can create, replace or remove files in the
// folder. A POSIX access control list shows in the mode as permissions of the group.
func (d folder) writableOnlyBy(users ...int) bool {
	return d.mode.Perm()&0o022 == 0 && slices.Contains(users, d.owner)
}

// protects reports whether only users and owner can replace the folder child of d. In a
// sticky folder, such as /tmp, only the owners of the folder and of the child can.
func (d folder) protects(child folder, owner int, users ...int) bool {
	return d.writableOnlyBy(append(users, owner)...) ||
		d.mode&fs.ModeSticky != 0 && slices.Contains(users, d.owner) && slices.Contains(users, child.owner)
}

// rules are the rules for a record's folder and the files in it.
type rules struct {
	// shared is set if others can write the folder. Then links in it are not
	// followed, and its files must belong to one of owners.
	shared bool
	owners []int
	// newOwner is the owner of the files that root creates in the folder, if known.
	newOwner attributes
}

// rulesFor returns the rules for the last one of folders, which are the path to a
// record.
//
// The user and root are trusted. Root also trusts the owner of the record's folder, if
// all folders on the path belong to root or to that owner: then it is the folder of a
// service. It does not trust the owner of a world-writable folder, or of one that
// anybody could have created: a file of another user there may be an attack.
func rulesFor(folders []folder, user int) rules {
	if len(folders) == 0 {
		return rules{}
	}
	last := folders[len(folders)-1]
	r := rules{shared: !last.writableOnlyBy(superuser, user), owners: []int{superuser, user}}
	if user != superuser || last.mode.Perm()&0o002 != 0 {
		return r
	}
	for i, d := range folders[:len(folders)-1] {
		if !d.protects(folders[i+1], last.owner, superuser, user) {
			return r
		}
	}
	r.owners = append(r.owners, last.owner)
	r.newOwner = last.attributes
	return r
}

// checkOwner returns an error if the rules do not allow the owner of a file.
func (r rules) checkOwner(a attributes) error {
	if !r.shared || !a.known || slices.Contains(r.owners, a.owner) {
		return nil
	}
	return fmt.Errorf("it belongs to user %d, in a folder that others can write: run as that user, remove it, "+
		"or use a folder that others cannot write", a.owner)
}
