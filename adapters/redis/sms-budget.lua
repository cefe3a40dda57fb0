-- Adds an amount to the cost of a day, unless that exceeds the limit.
-- KEYS[1] ratelimit:{cost}:day   ARGV[1] amount  ARGV[2] limit  ARGV[3] lifetime in seconds
local spent = tonumber(redis.call('GET', KEYS[1]) or '0')
if spent + tonumber(ARGV[1]) > tonumber(ARGV[2]) then
  return 0
end
redis.call('INCRBY', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
