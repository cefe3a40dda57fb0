-- Records that the user of a session authenticated now, by the time of Redis. An ended session is not recreated.
-- KEYS[1] session:<id>   ARGV[1] time in place of that of Redis, ms, or empty
if redis.call('EXISTS', KEYS[1]) == 1 then
  local time = redis.call('TIME')
  redis.call('HSET', KEYS[1], 'authenticatedAt', tonumber(ARGV[1]) or time[1] * 1000 + math.floor(time[2] / 1000))
end
return 0
