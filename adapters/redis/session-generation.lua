-- Begins a new generation of the sessions of a user: those of earlier generations are no longer valid, except one that may
-- be kept. A session that is kept again needs what it needed before, so a repeat changes nothing for it.
-- KEYS[1] user:<id>   ARGV[1] id of the session that is kept; may be empty
-- Returns the new generation.
local before = tonumber(redis.call('HGET', KEYS[1], 'generation') or '0')
if ARGV[1] == '' then
  redis.call('HDEL', KEYS[1], 'kept', 'keptFrom')
elseif redis.call('HGET', KEYS[1], 'kept') ~= ARGV[1] then
  redis.call('HSET', KEYS[1], 'kept', ARGV[1], 'keptFrom', before)
end
return redis.call('HINCRBY', KEYS[1], 'generation', 1)
