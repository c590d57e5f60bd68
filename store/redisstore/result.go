package redisstore

import "slices"

// A status is the first word of the result of a script.
type status string

const (
	statusRecord   status = "record" // followed by the version and the data
	statusNothing  status = "nothing"
	statusInvalid  status = "invalid" // what is stored is not a record
	statusLarge    status = "large"
	statusSaved    status = "saved"
	statusConflict status = "conflict"
	statusDeleted  status = "deleted"
	statusAside    status = "aside"
	statusHeld     status = "held"
	statusBusy     status = "busy" // followed by the milliseconds that are left of the lease
	statusLost     status = "lost"
	statusReleased status = "released"
	statusDenied   status = "denied" // followed by the commands that the user may not run
	statusAllowed  status = "allowed"
)

// A result is the result of a script.
type result struct {
	status status
	values []string
}

// problem returns the error of a result that the caller cannot use.
func (r result) problem() error {
	switch {
	case r.status == statusInvalid:
		return errInvalid
	case r.status == statusLarge:
		return errTooLarge
	case r.status == statusDenied && len(r.values) > 0 && !slices.ContainsFunc(r.values, isNoCommand):
		return missingRights(r.values)
	}
	return errResult
}

func isNoCommand(word string) bool { return !isCommand(word) }
