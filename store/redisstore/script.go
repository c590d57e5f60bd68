package redisstore

import "github.com/redis/go-redis/v9"

// The server runs each script atomically. The client may send a script twice if a
// connection breaks, so all of them are idempotent.
//
// A read is a script too, since a client may send plain reads to a replica, which may
// have an older record with a used refresh token.
const (
	loadScript = `
if redis.call('HSTRLEN', KEYS[1], 'data') > tonumber(ARGV[1]) then
	return {'large'}
end
local record = redis.call('HMGET', KEYS[1], 'version', 'data')
if record[1] and record[1] ~= '' and record[2] then
	return {'record', record[1], record[2]}
end
if redis.call('EXISTS', KEYS[1]) == 0 then
	return {'nothing'}
end
return {'invalid'}`

	// ARGV: the new version, the new data, and each version that may be replaced, ''
	// for nothing stored.
	//
	// HSET keeps a time to live of the record; a new hash has none. The record is
	// deleted only after the first HSET has succeeded: from then on the server does
	// not refuse memory to the script. PERSIST would do as well, but users that were
	// created for earlier versions of this package may not have the right to it.
	saveScript = `
local now = redis.call('HGET', KEYS[1], 'version')
if now == ARGV[1] then
	return {'saved'}
end
if now == '' or not now and redis.call('EXISTS', KEYS[1]) == 1 then
	return {'invalid'}
end
local function write()
	redis.call('HSET', KEYS[1], 'version', ARGV[1], 'data', ARGV[2])
end
for i = 3, #ARGV do
	if ARGV[i] == (now or '') then
		write()
		if redis.call('PTTL', KEYS[1]) >= 0 then
			redis.call('DEL', KEYS[1])
			write()
		end
		return {'saved'}
	end
end
return {'conflict'}`

	deleteScript = `
redis.call('DEL', KEYS[1])
return {'deleted'}`

	// KEYS: the record, the new key. The new key is random: if it exists, the script
	// has run before. RENAME keeps a time to live. PERSIST uses pcall, since a missing
	// right to it must not prevent that a damaged record is set aside.
	asideScript = `
if redis.call('EXISTS', KEYS[2]) == 1 then
	return {'aside'}
end
if redis.call('EXISTS', KEYS[1]) == 0 then
	return {'nothing'}
end
redis.call('RENAME', KEYS[1], KEYS[2])
redis.pcall('PERSIST', KEYS[2])
return {'aside'}`

	// KEYS: the lock, and the record if the user's rights must be checked first.
	// ARGV: the lock token, the lease in milliseconds.
	//
	// SET is called even if the lock is held: if the server refuses writes, Lock
	// returns an error at once instead of waiting.
	acquireScript = checkFunctions + `
if KEYS[2] then
	local problem = check(KEYS[2], KEYS[1], redis.pcall('EXISTS', KEYS[1]) == 0 and KEYS[1])
	if problem then
		return problem
	end
end
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then
	redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
	return {'held'}
end
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
	return {'held'}
end
return {'busy', string.format('%d', redis.call('PTTL', KEYS[1]))}`

	renewScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
	return {'lost'}
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {'held'}`

	// KEYS: the lock, the released token. ARGV: the lock token, how long to keep it as
	// the released token in milliseconds, the channel. The notification uses pcall,
	// since a missing right to it must not prevent the release.
	releaseScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
	return {redis.call('GET', KEYS[2]) == ARGV[1] and 'released' or 'lost'}
end
redis.call('DEL', KEYS[1])
redis.pcall('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
local waiting = redis.pcall('PUBSUB', 'NUMSUB', ARGV[3])
redis.pcall('PUBLISH', ARGV[3], waiting[2] or 1)
return {'released'}`

	// ARGV: nothing to read the division, or the one to replace and its replacement. The
	// times in a replacement make it unlike every earlier division. The time to live is
	// in milliseconds.
	divideScript = `
local time = redis.call('TIME')
local now = string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000))
local stored = redis.call('GET', KEYS[1]) or ''
if ARGV[1] ~= stored and ARGV[2] ~= stored then
	return {'record', stored, now}
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return {'saved'}`
)

type scripts struct{ load, save, remove, aside, acquire, renew, release, check, divide *redis.Script }

func newScripts() scripts {
	return scripts{
		load: redis.NewScript(loadScript), save: redis.NewScript(saveScript), remove: redis.NewScript(deleteScript),
		aside: redis.NewScript(asideScript), acquire: redis.NewScript(acquireScript), renew: redis.NewScript(renewScript),
		release: redis.NewScript(releaseScript), check: redis.NewScript(checkScript), divide: redis.NewScript(divideScript),
	}
}
