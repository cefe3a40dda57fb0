-- Begins a change of a person: what is kept is removed, and nobody may store what was read before.
-- KEYS[1] account-facts:<userId>   ARGV[1] mark of the change  ARGV[2] how long the mark lives, ms
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HDEL', KEYS[1], 'facts', 'lease')
redis.call('HSET', KEYS[1], ARGV[1], now + ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 0
