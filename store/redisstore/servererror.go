package redisstore

import (
	"errors"
	"slices"
	"strings"
)

// A serverError is an error that the server returned, in this package's own words. The
// server's text is not used: servers quote arguments, and after a broken connection a
// part of the record may look like an error. Error begins with the server's code, so
// that redis.HasErrorPrefix(err, "NOPERM ") works.
type serverError struct {
	code string // empty if it is unknown to codeText
	text string
}

func (e serverError) Error() string { return e.text }

// RedisError implements redis.Error.
func (serverError) RedisError() {}

const (
	codeGeneral  = "ERR"
	codeDenied   = "NOPERM"
	unknownError = "an error that this package does not know"
)

// newServerError translates the server's text of an error.
func newServerError(text string) serverError {
	text = scriptCause(text)
	if isScriptDenial(text) {
		return denial(text)
	}
	code, rest, _ := strings.Cut(text, " ")
	switch code {
	case codeGeneral:
		return serverError{code, codeGeneral + " " + generalText(rest)}
	case codeDenied:
		return denial(rest)
	}
	if known := codeText(code); known != "" {
		return serverError{code, code + " " + known}
	}
	if strings.HasPrefix(text, "Unknown Redis command") { // without a code in scripts of Redis 6.2
		return serverError{codeGeneral, codeGeneral + " unknown command called from script"}
	}
	return serverError{"", unknownError}
}

// scriptCause returns the error that ended a script, without the text that Redis before
// 7.0 puts before it:
//
//	ERR Error running script (call to f_1234): @user_script:7: @user_script: 7: -READONLY You can't …
func scriptCause(text string) string {
	cause := text
	if strings.HasPrefix(text, "ERR Error running script (call to ") {
		_, cause, _ = strings.Cut(text, "): ")
	}
	for {
		position, found := strings.CutPrefix(cause, "@user_script:")
		if !found {
			return strings.TrimPrefix(cause, "-")
		}
		position = strings.TrimLeft(strings.TrimPrefix(position, " "), "0123456789")
		if cause, found = strings.CutPrefix(position, ": "); !found {
			return ""
		}
	}
}

// isScriptDenial reports whether text denies a right to a script. Such texts have no
// code before Redis 7.0, and the general one since.
func isScriptDenial(text string) bool {
	text = strings.TrimPrefix(text, codeGeneral+" ")
	return strings.HasPrefix(text, "The user executing the script can't ") || strings.HasPrefix(text, "ACL failure in script")
}

// denial returns the error of a denied right.
func denial(text string) serverError {
	action := "to do this"
	lower := strings.ToLower(text)
	switch {
	case strings.Contains(lower, "channel"):
		action = "to use the session's channel"
	case strings.Contains(lower, "key"):
		action = "to use one of the session's keys"
	case strings.Contains(lower, "command") && quotedCommand(text) != "":
		action = "to run the command " + quotedCommand(text)
	case strings.Contains(lower, "command"):
		action = "to run one of the commands (Store.Check tells which)"
	}
	return serverError{codeDenied, codeDenied + " the user has no permission " + action}
}

// missingRights returns the error of commands that the user may not run, or that the
// server does not know.
func missingRights(commands []string) serverError {
	return serverError{codeDenied, codeDenied + " the user has no permission to run, or the server does not know: " + strings.Join(commands, ", ")}
}

// generalText translates the text of an error with the general code.
func generalText(text string) string {
	lower := strings.ToLower(text)
	switch {
	case strings.HasPrefix(lower, "unknown command"):
		return strings.TrimRight("unknown command "+quotedCommand(text), " ")
	case strings.HasPrefix(lower, "unknown redis command"):
		return "unknown command called from script"
	case strings.HasPrefix(lower, "max number of clients reached"):
		return "max number of clients reached"
	case strings.HasPrefix(lower, "db index is out of range"), strings.HasPrefix(lower, "invalid db index"):
		return "DB index is out of range"
	case strings.HasPrefix(lower, "auth "), strings.HasPrefix(lower, "client sent auth"):
		return "a password was sent, and the server has none configured"
	}
	return unknownError
}

// quotedCommand returns the first quoted word of text if it is a command that this
// package uses, and otherwise "".
func quotedCommand(text string) string {
	begin := strings.IndexAny(text, "'`\"")
	if begin < 0 {
		return ""
	}
	word, _, _ := strings.Cut(text[begin+1:], text[begin:begin+1])
	if word = strings.ToUpper(word); isCommand(word) {
		return word
	}
	return ""
}

// isCommand reports whether word is a command that this package uses.
func isCommand(word string) bool {
	return slices.Contains([]string{
		"EVAL", "EVALSHA", "GET", "SET", "DEL", "EXISTS", "RENAME", "PEXPIRE", "PERSIST", "PTTL",
		"HGET", "HMGET", "HSET", "HSTRLEN", "PUBSUB", "PUBLISH", "SUBSCRIBE", "TIME",
	}, word)
}

// codeText returns the meaning of an error's code, or "" if it is unknown.
func codeText(code string) string {
	switch code {
	case "READONLY":
		return "You can't write against a read only replica: the server is one, or was made one"
	case "OOM":
		return "command not allowed when used memory > 'maxmemory': the server's memory is full"
	case "MISCONF":
		return "the server can't persist to disk, and refuses writes until it can"
	case "NOREPLICAS":
		return "Not enough good replicas to write"
	case "LOADING":
		return "the server is loading the dataset in memory"
	case "BUSY":
		return "the server is busy running a script"
	case "MASTERDOWN":
		return "the link of this replica with its primary is down"
	case "CLUSTERDOWN":
		return "the cluster is down"
	case "TRYAGAIN":
		return "the session's keys are being moved to another node"
	case "MOVED", "ASK":
		return "the session's keys are on another node: a cluster needs a client for clusters"
	case "CROSSSLOT":
		return "the session's keys don't hash to the same slot"
	case "NOAUTH":
		return "authentication required"
	case "WRONGPASS":
		return "invalid username-password pair or user is disabled"
	case "DENIED":
		return "the server is running in protected mode"
	case "WRONGTYPE":
		return "a key of the session holds the wrong kind of value"
	case "NOSCRIPT":
		return "the server has no matching script"
	case "NOPROTO":
		return "unsupported protocol version"
	case "EXECABORT":
		return "the server discarded a transaction"
	}
	return ""
}

// isRefusal reports whether err means for certain that the server did not run the
// command. The general code does not: proxies use it when the outcome is unknown.
func isRefusal(err error) bool {
	e, ok := errors.AsType[serverError](err)
	return ok && e.code != "" && e.code != codeGeneral
}

// isDenied reports whether err means that the user lacks a right.
func isDenied(err error) bool {
	e, ok := errors.AsType[serverError](err)
	return ok && e.code == codeDenied
}
