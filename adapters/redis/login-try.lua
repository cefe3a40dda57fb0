-- Counts an attempt at a log-in before its code is compared, in one atomic step, so parallel attempts never exceed the
-- limit. Attempts count the same whether or not the log-in belongs to an account.
-- KEYS[1] login:{id}
-- Returns the number of attempts and the fields of the log-in, or nothing if it does not exist.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return {}
end
local tries = redis.call('HINCRBY', KEYS[1], 'tries', 1)
return { tries, redis.call('HGETALL', KEYS[1]) }
