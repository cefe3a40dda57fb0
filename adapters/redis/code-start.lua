-- Stores the code of a send once. A repeat returns the first code and the current state. The time is that of Redis.
-- KEYS[1] verification:{subject}:purpose
-- ARGV[1] send  ARGV[2] keyed hash  ARGV[3] encrypted code  ARGV[4] time in place of that of Redis, ms, or empty
-- ARGV[5] lifetime in seconds
local send = ARGV[1]
if redis.call('HEXISTS', KEYS[1], 'hash:' .. send) == 0 then
  local time = redis.call('TIME')
  local now = tonumber(ARGV[4]) or time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('HSET', KEYS[1], 'hash:' .. send, ARGV[2], 'encrypted:' .. send, ARGV[3], 'state:' .. send, 'new',
    'startedAt:' .. send, now, 'checks:' .. send, 0)
  local latest = tonumber(redis.call('HGET', KEYS[1], 'latest') or '0')
  if tonumber(send) > latest then
    redis.call('HSET', KEYS[1], 'latest', send)
  end
end
redis.call('EXPIRE', KEYS[1], ARGV[5])
local state = redis.call('HGET', KEYS[1], 'state:' .. send)
if state == 'new' then
  redis.call('HSET', KEYS[1], 'state:' .. send, 'started')
end
return { state, redis.call('HGET', KEYS[1], 'encrypted:' .. send), redis.call('HGET', KEYS[1], 'startedAt:' .. send),
  redis.call('HGET', KEYS[1], 'sentAt:' .. send), redis.call('HGET', KEYS[1], 'providerId:' .. send) }
