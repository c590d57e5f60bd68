package redisstore

import (
	"context"
	"crypto/rand"
)

const (
	// checkFunctions declares check, which tries the commands that a Store needs. If
	// the server denies some, it returns {'denied', …} with their names; if the server
	// refuses writes, the error by which it does; else nothing.
	//
	// A server looks at the rights before all else. So a command that cannot succeed
	// by what it is given shows the right to it, and changes nothing: a field without
	// a value, NX with XX, a time that is no number. DEL succeeds always, and needs a
	// key that is not there. SET is the first command that writes, because a server
	// whose memory is full refuses only the first one of a script.
	//
	// The texts of denials are those of direct calls, of scripts in Redis 7.2 and
	// later, of scripts in 6.2 and 7.0, and, for a command that was renamed, of all
	// versions. Any other error says nothing about rights. Redis 6.2 puts the place
	// in the script before an error.
	checkFunctions = `
local function denied(text)
	for _, words in ipairs({'NOPERM ', 'ACL failure in script', 'The user executing the script can', 'nknown Redis command', 'nknown command'}) do
		if string.find(text, words, 1, true) then
			return true
		end
	end
	return false
end
local function refusal(text)
	text = string.gsub(text, '^@user_script: ?%d+: %-?', '')
	local code = string.match(text, '^(%u+) ')
	if code and code ~= 'ERR' and code ~= 'WRONGTYPE' then
		return {err = text}
	end
end
local function check(record, lock, absent, more)
	local missing, refused = {'denied'}, nil
	local function try(name, ...)
		local reply = redis.pcall(name, ...)
		if type(reply) ~= 'table' or not reply.err then
			return
		end
		if denied(reply.err) then
			missing[#missing + 1] = name
		else
			refused = refused or refusal(reply.err)
		end
	end
	try('HSTRLEN', record, 'data')
	try('HMGET', record, 'version')
	try('HGET', record, 'version')
	try('EXISTS', record)
	try('PTTL', record)
	try('GET', lock)
	try('SET', lock, '', 'NX', 'XX')
	try('HSET', record, 'version', '', 'data')
	try('PEXPIRE', lock, '')
	if absent then
		try('DEL', absent)
	end
	if more then
		try('RENAME', absent, absent)
		try('PERSIST', absent)
	end
	return missing[2] and missing or refused
end
`

	// KEYS: the record, the lock, the token of who held it last, and one that is not
	// there.
	checkScript = checkFunctions + `
return check(KEYS[1], KEYS[2], KEYS[4], true) or {'fine'}`
)

// Check finds out whether the server lets this user run every command that a
// Store needs, on the keys of the session, and whether it takes writes. It changes
// nothing and leaves nothing behind, and may be called at any time, also while the
// session is in use. It needs no right besides those in the package's
// documentation.
//
// The error of a missing right names the commands, and
// redis.HasErrorPrefix(err, "NOPERM") is true of it. PUBLISH, PUBSUB and SUBSCRIBE
// are not looked at, as a Store works without them. A command that the server does
// not know, because it was renamed, counts as missing.
//
// [Store.Lock] looks at the same by itself when a Store is first used, and again
// after a right was found missing, but leaves out RENAME and PERSIST, which only
// SetAside needs. So a program need not call Check; it is for those that want to
// know at their start.
//
// It takes two commands, and returns with the cause of ctx's end when that comes
// first.
func (s *Store) Check(ctx context.Context) error {
	const op = "check"
	// Nothing is ever stored under this key. Its name is one that SetAside uses, as
	// the user may have rights to no others.
	unused := s.names.aside + "check:" + rand.Text()
	keys := []string{s.names.record, s.names.lock, s.names.released, unused}
	// The server may know the script already, so EVAL and EVALSHA are both tried.
	for _, script := range []runner{s.script.check.Eval, s.script.check.Run} {
		a, err := s.ask(ctx, op, script, keys)
		if err != nil {
			return err
		}
		if a.verdict != isFine {
			return a.unexpected(op)
		}
	}
	return nil
}

// denied is the error of an answer that names the commands that were denied.
func (a answer) denied() error {
	for _, command := range a.rest {
		if !isCommand(command) {
			return errAnswer
		}
	}
	if len(a.rest) == 0 {
		return errAnswer
	}
	return missing(a.rest)
}
