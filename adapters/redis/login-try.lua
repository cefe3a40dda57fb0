-- Counts a try at a log-in before its code is compared, in one atomic step: parallel tries never exceed the bound. Every
-- log-in counts alike, whether a code was sent or nobody is behind it.
-- KEYS[1] login:{id}
-- Answers the tries so far and the fields of the log-in; nothing when there is none.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return {}
end
local tries = redis.call('HINCRBY', KEYS[1], 'tries', 1)
return { tries, redis.call('HGETALL', KEYS[1]) }
