package redisstore

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// The scripts run on the server, each as one step. The client may send one twice
// when a connection breaks, so each of them answers the second time as it did
// the first, with nothing done twice.
//
// A read is a script too, for it must not be answered by a replica: one that lags
// behind would show a refresh token that was already spent.
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
return {'strange'}`

	// ARGV: the new version, the new data, and each version that may be replaced,
	// '' for none.
	//
	// HSET keeps a time to live that somebody has given the record. A new hash has
	// none. It is written only after the first HSET has shown that the server takes
	// it: within a script that has written, memory is not refused any more. PERSIST
	// would do as well, but needs a right that users made for earlier versions of
	// this package do not have.
	saveScript = `
local now = redis.call('HGET', KEYS[1], 'version')
if now == ARGV[1] then
	return {'saved'}
end
if now == '' or not now and redis.call('EXISTS', KEYS[1]) == 1 then
	return {'strange'}
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

	// The second key is a new one each time: if it is there, this was done. RENAME
	// keeps a time to live. That it may not be taken away is no reason to leave a
	// damaged record where it is, so PERSIST is by pcall.
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

	// ARGV: the token, the lease in milliseconds.
	acquireScript = `
local holder = redis.call('GET', KEYS[1])
if not holder or holder == ARGV[1] then
	redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
	return {'held'}
end
return {'busy', string.format('%d', redis.call('PTTL', KEYS[1]))}`

	renewScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
	return {'lost'}
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {'held'}`

	// ARGV: the token, how long to remember it in milliseconds, the channel. That
	// nobody may be told is no reason not to release, so that part is by pcall.
	releaseScript = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
	return {redis.call('GET', KEYS[2]) == ARGV[1] and 'released' or 'lost'}
end
redis.call('DEL', KEYS[1])
redis.pcall('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
local told = redis.pcall('PUBSUB', 'NUMSUB', ARGV[3])
redis.pcall('PUBLISH', ARGV[3], told[2] or 1)
return {'released'}`
)

// A verdict is the first word of what a script answers.
type verdict string

const (
	isRecord   verdict = "record" // followed by the version and the data
	isNothing  verdict = "nothing"
	isStrange  verdict = "strange"
	isLarge    verdict = "large"
	isSaved    verdict = "saved"
	isConflict verdict = "conflict"
	isDeleted  verdict = "deleted"
	isAside    verdict = "aside"
	isHeld     verdict = "held"
	isBusy     verdict = "busy" // followed by the milliseconds that the lease has left
	isLost     verdict = "lost"
	isReleased verdict = "released"
)

// An answer is what a script returned.
type answer struct {
	verdict verdict
	rest    []string
}

type scripts struct{ load, save, remove, aside, acquire, renew, release *redis.Script }

func newScripts() scripts {
	return scripts{
		load: redis.NewScript(loadScript), save: redis.NewScript(saveScript), remove: redis.NewScript(deleteScript),
		aside: redis.NewScript(asideScript), acquire: redis.NewScript(acquireScript), renew: redis.NewScript(renewScript),
		release: redis.NewScript(releaseScript),
	}
}

// run runs a script. It returns when the client does, which is not when ctx ends.
func (s *Store) run(ctx context.Context, script *redis.Script, keys []string, args ...any) (answer, error) {
	words, err := script.Run(ctx, s.client(), keys, args...).StringSlice()
	if err != nil {
		return answer{}, err
	}
	if len(words) == 0 {
		return answer{}, errAnswer
	}
	return answer{verdict(words[0]), words[1:]}, nil
}
