-- Records that the provider accepted a send. Its code becomes valid and its lifetime begins. Repeats change nothing.
-- The time is that of Redis, with which the code is checked, so that no clock of a process shortens or lengthens its life.
-- KEYS[1] verification:{subject}:purpose  KEYS[2] otp:{subject}:purpose
-- ARGV[1] send  ARGV[2] time in place of that of Redis, ms, or empty  ARGV[3] lifetime of the code in seconds
-- ARGV[4] id of the message at the provider
-- Returns the time of the first such record, ms.
local send = ARGV[1]
if redis.call('HGET', KEYS[1], 'state:' .. send) == 'sent' then
  return redis.call('HGET', KEYS[1], 'sentAt:' .. send)
end
local time = redis.call('TIME')
local now = tonumber(ARGV[2]) or time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 'state:' .. send, 'sent', 'sentAt:' .. send, now, 'providerId:' .. send, ARGV[4],
  'expiresAt:' .. send, now + tonumber(ARGV[3]) * 1000)
redis.call('HDEL', KEYS[1], 'encrypted:' .. send)
local current = tonumber(redis.call('HGET', KEYS[1], 'current') or '0')
if tonumber(send) > current then
  redis.call('HSET', KEYS[1], 'current', send)
  if not redis.call('HGET', KEYS[1], 'verified') then
    redis.call('SET', KEYS[2], redis.call('HGET', KEYS[1], 'hash:' .. send), 'EX', ARGV[3])
  end
end
return now
