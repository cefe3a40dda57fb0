-- Returns 1 if an attempt of a limit is in progress. One that began too long ago was lost with its process, and counts.
-- KEYS[1] ratelimit:{key}:name   ARGV[1] prefix of attempts in progress  ARGV[2] longest duration of an attempt, ms
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], now - ARGV[2], '+inf')) do
  if string.sub(id, 1, #ARGV[1]) == ARGV[1] then
    return 1
  end
end
return 0
