package store

import "io/fs"

// SetFault makes f call fault before each step on disk. If it returns an error, the
// step fails with that error. The steps are those of stepError.
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

// Folder is a folder on the path to a record.
type Folder struct {
	Owner int
	Mode  fs.FileMode
}

// RulesFor is rulesFor.
func RulesFor(path []Folder, user int) (shared bool, owners []int, newOwner int) {
	var folders []folder
	for _, f := range path {
		folders = append(folders, folder{attributes{known: true, owner: f.Owner}, f.Mode})
	}
	r := rulesFor(folders, user)
	return r.shared, r.owners, r.newOwner.owner
}

// TemporaryStart is temporaryStart.
func TemporaryStart(name string) string { return temporaryStart(name) }
