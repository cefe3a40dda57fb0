-- Sliding window over a sorted set of instants. A refused try is not counted and does not move the time.
-- KEYS[1] ratelimit:{key}:action   ARGV[1] now, ms  ARGV[2] window, ms  ARGV[3] limit  ARGV[4] name of this try
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1] - ARGV[2])
local used = redis.call('ZCARD', KEYS[1])
local allowed = 0
if used < tonumber(ARGV[3]) then
  redis.call('ZADD', KEYS[1], ARGV[1], ARGV[4])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  used = used + 1
  allowed = 1
end
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return { allowed, used, oldest[2] or ARGV[1] }
