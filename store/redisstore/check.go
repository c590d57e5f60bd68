package redisstore

import (
	"context"
	"crypto/rand"
)

const (
	// checkFunctions declares check, which tries the commands that a Store needs. If
	// the server denies some, it returns {'denied', …} with their names. If the server
	// refuses writes, it returns the server's error. Otherwise it returns nil.
	//
	// A server checks rights first. So a command with invalid arguments shows whether
	// the user may run it, and changes nothing: a field without a value, NX with XX, a
	// time that is not a number. DEL always succeeds, and needs a key that does not
	// exist. SET is the first command that writes, since a server whose memory is full
	// refuses only the first one of a script.
	//
	// The texts of denials are those of direct calls, of scripts in Redis 7.2 and
	// later, of scripts in 6.2 and 7.0, and, for renamed commands, of all versions.
	// Redis 6.2 puts the position in the script before an error.
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

	// KEYS: the record, the lock, the released token, a key that does not exist.
	checkScript = checkFunctions + `
return check(KEYS[1], KEYS[2], KEYS[4], true) or {'allowed'}`
)

// Check tests whether the user may run every command that a Store needs on the keys of
// the session, and whether the server accepts writes. It changes nothing, and may be
// called at any time, also while the session is in use. It needs only the rights that
// the package documentation lists. If ctx ends first, Check returns the cause.
//
// The error of missing rights names the commands, and redis.HasErrorPrefix(err,
// "NOPERM") is true for it. A command that the server does not know, since it was
// renamed, counts as missing. Check does not test PUBLISH, PUBSUB and SUBSCRIBE, since a
// Store works without them.
//
// The first [Store.Lock], and one after a denied right, test the same, except for RENAME
// and PERSIST, which only SetAside needs. So programs need not call Check; it allows
// them to fail at startup.
func (s *Store) Check(ctx context.Context) error {
	const op = "check"
	if err := checkName(s.name); err != nil {
		return badName(op, err)
	}
	// Nothing is ever stored under this key. SetAside uses keys of this form, so the
	// user has rights to it.
	unused := s.key(keyAside) + "check:" + rand.Text()
	keys := []string{s.key(keyRecord), s.key(keyLock), s.key(keyReleased), unused}
	// Eval tests the right to EVAL. Run uses only EVALSHA if the server has cached the
	// script.
	for _, script := range []runner{s.shared.script.check.Eval, s.shared.script.check.Run} {
		r, err := s.call(ctx, op, script, keys)
		if err != nil {
			return err
		}
		if r.status != statusAllowed {
			return failed(op, r.problem())
		}
	}
	return nil
}
