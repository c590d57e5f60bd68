package store

import "io/fs"

// SetFault makes each step that f takes on the disk ask fault first, and have its
// error. The steps are those of stepError.
func (f *File) SetFault(fault func(step, path string) error) { f.fault = fault }

// The steps that the tests make fail.
const (
	StepCreate = stepCreate
	StepOwner  = stepOwner
	StepRename = stepRename
	StepRemove = stepRemove
	StepLock   = stepLock
	StepHead   = stepHead
	StepBody   = stepBody
	StepBegin  = stepBegin
)

// Folder is a folder on the way to a record.
type Folder struct {
	Owner int
	Mode  fs.FileMode
}

// RulesFor is rulesFor, for the folders of a way.
func RulesFor(way []Folder, user int) (shared bool, owners []int, heir int) {
	var folders []folder
	for _, f := range way {
		folders = append(folders, folder{attributes{known: true, owner: f.Owner}, f.Mode})
	}
	r := rulesFor(folders, user)
	return r.shared, r.owners, r.heir.owner
}

// TemporaryStart is how the names of a record's temporary files begin.
func TemporaryStart(name string) string { return temporaryStart(name) }
