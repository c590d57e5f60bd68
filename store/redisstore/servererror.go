package redisstore

import (
	"errors"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// A reply is an error that the server answered, told in this package's own words.
// Nothing of the server's text is in it: a server quotes what it complains of, and
// what looks like an error may be a part of the record that a broken connection has
// moved there. The text begins with the error's code, as the server's does, so
// that redis.HasErrorPrefix(err, "NOPERM ") works.
type reply struct {
	code string // empty if it is not one of those that codeText knows
	text string
}

func (r reply) Error() string { return r.text }

// RedisError marks a reply as an error of the server.
func (reply) RedisError() {}

const unknownReply = "an error that this package does not know"

// The codes that decide something.
const (
	codeGeneral = "ERR"
	codeDenied  = "NOPERM"
)

// newReply returns what the server's error text means.
func newReply(text string) reply {
	text = scriptCause(text)
	if isDenial(text) {
		return denial(text)
	}
	code, rest, _ := strings.Cut(text, " ")
	switch code {
	case codeGeneral:
		return reply{code, generalText(rest)}
	case codeDenied:
		return denial(rest)
	}
	if known := codeText(code); known != "" {
		return reply{code, code + " " + known}
	}
	if strings.HasPrefix(text, "Unknown Redis command") { // Redis 6.2 has no code for it in a script
		return reply{codeGeneral, codeGeneral + " unknown command called from script"}
	}
	return reply{"", unknownReply}
}

// scriptCause returns the error that ended a script, without what Redis before 7.0
// writes in front of it:
//
//	ERR Error running script (call to f_1234): @user_script:7: @user_script: 7: -READONLY You can't …
func scriptCause(text string) string {
	cause := text
	if strings.HasPrefix(text, "ERR Error running script (call to ") {
		_, cause, _ = strings.Cut(text, "): ")
	}
	for {
		place, found := strings.CutPrefix(cause, "@user_script:")
		if !found {
			return strings.TrimPrefix(cause, "-")
		}
		place = strings.TrimLeft(strings.TrimPrefix(place, " "), "0123456789")
		if cause, found = strings.CutPrefix(place, ": "); !found {
			return ""
		}
	}
}

// isDenial reports whether text is one by which a server denies a right to a
// script. Before 7.0 it has no code, and from 7.0 on it has the general one.
func isDenial(text string) bool {
	text = strings.TrimPrefix(text, codeGeneral+" ")
	return strings.HasPrefix(text, "The user executing the script can't ") || strings.HasPrefix(text, "ACL failure in script")
}

// denial is the error of a right that the user does not have.
func denial(text string) reply {
	what := "to do this"
	lower := strings.ToLower(text)
	switch {
	case strings.Contains(lower, "channel"):
		what = "to use the session's channel"
	case strings.Contains(lower, "key"):
		what = "to use one of the session's keys"
	case strings.Contains(lower, "command") && quotedCommand(text) != "":
		what = "to run the command " + quotedCommand(text)
	case strings.Contains(lower, "command"):
		what = "to run one of the commands (Store.Check tells which)"
	}
	return reply{codeDenied, codeDenied + " the user has no permission " + what}
}

// missing is the error of commands that the server refuses to this user, or does
// not know.
func missing(commands []string) reply {
	return reply{codeDenied, codeDenied + " the user has no permission to run, or the server does not know: " + strings.Join(commands, ", ")}
}

// generalText tells the meaning of an error of the general code.
func generalText(text string) string {
	lower := strings.ToLower(text)
	meaning := unknownReply
	switch {
	case strings.HasPrefix(lower, "unknown command"):
		meaning = strings.TrimRight("unknown command "+quotedCommand(text), " ")
	case strings.HasPrefix(lower, "unknown redis command"):
		meaning = "unknown command called from script"
	case strings.HasPrefix(lower, "max number of clients reached"):
		meaning = "max number of clients reached"
	case strings.HasPrefix(lower, "db index is out of range"), strings.HasPrefix(lower, "invalid db index"):
		meaning = "DB index is out of range"
	case strings.HasPrefix(lower, "auth "), strings.HasPrefix(lower, "client sent auth"):
		meaning = "a password was sent, and the server has none configured"
	}
	return codeGeneral + " " + meaning
}

// quotedCommand returns what text quotes first, if it is a command that this
// package uses. Of anything else it returns nothing.
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
		"HGET", "HMGET", "HSET", "HSTRLEN", "PUBSUB", "PUBLISH", "SUBSCRIBE",
	}, word)
}

// codeText returns what an error's code means, or nothing of one that is not known.
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

// refused reports whether err is the server's own word that it did not do as it
// was asked. The general code is not enough: proxies use it for what they do not
// know the outcome of.
func refused(err error) bool {
	var r reply
	return errors.As(err, &r) && r.code != "" && r.code != codeGeneral
}

// hasNoRight reports whether err says that the user has no right to do something.
func hasNoRight(err error) bool {
	var r reply
	return errors.As(err, &r) && r.code == codeDenied
}

// fromServer returns the server's error that err is, or wraps.
func fromServer(err error) (reply, bool) {
	var r redis.Error
	if !errors.As(err, &r) {
		return reply{}, false
	}
	return newReply(r.Error()), true
}
