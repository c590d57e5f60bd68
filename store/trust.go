package store

import (
	"fmt"
	"io/fs"
	"slices"
)

// superuser is the user who may do everything.
const superuser = 0

// attributes are what the system tells of a file besides its mode.
type attributes struct {
	known  bool // false where files have no owner in this sense, as on Windows
	owner  int
	group  int
	linked bool // it has several names: hard links
}

// A folder is what is known of one on the way to a record.
type folder struct {
	attributes

	mode fs.FileMode
}

// writableOnlyBy reports whether nobody but users can make, replace or remove files
// in the folder. An access list of the system shows in the mode as rights of the
// group.
func (d folder) writableOnlyBy(users ...int) bool {
	return d.mode.Perm()&0o022 == 0 && slices.Contains(users, d.owner)
}

// holds reports whether nobody but users can put something else in the place of a
// folder within it. In a sticky one, such as /tmp, only its owner and the owner of
// what is within can.
func (d folder) holds(within folder, owner int, users ...int) bool {
	return d.writableOnlyBy(append(users, owner)...) ||
		d.mode&fs.ModeSticky != 0 && slices.Contains(users, d.owner) && slices.Contains(users, within.owner)
}

// rules say what may be done with a record's folder and with the files in it.
type rules struct {
	// shared is set when others can write the folder. Then links in it are not
	// followed, and its files must belong to one of owners.
	shared bool
	owners []int
	// heir is to have the files that root makes in the folder, if it is known.
	heir attributes
}

// rulesFor returns the rules for the last folder of the way to a record, for a user.
//
// The user and root are trusted. So is, by root alone, the owner of the record's
// folder, if everything on the way belongs to root or to that owner: this is a
// service's folder in which somebody works as root. In a folder that everybody can
// write, or that anybody could have put there, a file of another user may be a trap.
func rulesFor(way []folder, user int) rules {
	if len(way) == 0 {
		return rules{}
	}
	last := way[len(way)-1]
	r := rules{shared: !last.writableOnlyBy(superuser, user), owners: []int{superuser, user}}
	if user != superuser || last.mode.Perm()&0o002 != 0 {
		return r
	}
	for i, d := range way[:len(way)-1] {
		if !d.holds(way[i+1], last.owner, superuser, user) {
			return r
		}
	}
	r.owners = append(r.owners, last.owner)
	r.heir = last.attributes
	return r
}

// admit returns an error if a file is not to be used under these rules.
func (r rules) admit(a attributes) error {
	if !r.shared || !a.known || slices.Contains(r.owners, a.owner) {
		return nil
	}
	return fmt.Errorf("it belongs to user %d, in a folder that others can write: run as that user, remove it, "+
		"or use a folder that others cannot write", a.owner)
}
