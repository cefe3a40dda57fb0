-- Stores facts for the reader that has the lease: no change has begun since it took it, and no later reader has taken it.
-- KEYS[1] account-facts:<userId>   ARGV[1] id of the lease  ARGV[2] the facts, encrypted  ARGV[3] how long they live, ms
-- Returns 1 if they are stored.
if redis.call('HGET', KEYS[1], 'lease') ~= ARGV[1] then
  return 0
end
redis.call('HDEL', KEYS[1], 'lease')
redis.call('HSET', KEYS[1], 'facts', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
