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

	// KEYS: the lock, and the record if the user's rights are to be checked first.
	// ARGV: the token, the lease in milliseconds.
	//
	// SET is tried even if the lock is held. A server that refuses writes then says
	// so at once, and nobody waits for a lock that cannot be taken.
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
	isDenied   verdict = "denied" // followed by the commands that the user may not run
	isFine     verdict = "fine"
)

// An answer is what a script returned.
type answer struct {
	verdict verdict
	rest    []string
}

type scripts struct{ load, save, remove, aside, acquire, renew, release, check *redis.Script }

func newScripts() scripts {
	return scripts{
		load: redis.NewScript(loadScript), save: redis.NewScript(saveScript), remove: redis.NewScript(deleteScript),
		aside: redis.NewScript(asideScript), acquire: redis.NewScript(acquireScript), renew: redis.NewScript(renewScript),
		release: redis.NewScript(releaseScript), check: redis.NewScript(checkScript),
	}
}

// A runner is a method of redis.Script that runs it.
type runner func(ctx context.Context, c redis.Scripter, keys []string, args ...any) *redis.Cmd

// run runs a script. It returns when the client does, which is not when ctx ends.
// Nothing of the client's error is in its own.
func (s *Store) run(ctx context.Context, script runner, keys []string, args ...any) (a answer, err error) {
	defer func() {
		// The client panics at some answers that it cannot read, and here is nobody
		// else to recover.
		if recover() != nil {
			a, err = answer{}, errGarbled
		}
	}()
	words, err := script(ctx, s.client(), keys, args...).StringSlice()
	if err = told(err); hasNoRight(err) {
		s.checked.Store(false)
	}
	switch {
	case err != nil:
		return answer{}, err
	case len(words) == 0:
		return answer{}, errAnswer
	default:
		return answer{verdict(words[0]), words[1:]}, nil
	}
}
