-- Marks an attempt in progress as one that counts. Its time stays.
-- KEYS[1] ratelimit:{key}:name   ARGV[1] attempt id while in progress  ARGV[2] attempt id from then on
local at = redis.call('ZSCORE', KEYS[1], ARGV[1])
if at then
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('ZADD', KEYS[1], at, ARGV[2])
end
return 0
