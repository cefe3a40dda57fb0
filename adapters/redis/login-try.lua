-- Counts an attempt at a log-in before its code is compared, in one atomic step, so parallel attempts never exceed the
-- limit. Attempts count the same whether or not the log-in belongs to an account. An attempt of another user, or one at a
-- code for another purpose, counts nothing: it gets the answer for an unknown id.
-- KEYS[1] login:{id}   ARGV[1] purpose  ARGV[2] user, or empty if the code itself proves who it is
-- Returns the number of attempts, the fields of the log-in, and 1 if it has expired by the time of Redis, which no clock
-- of a process shortens; or nothing if it does not exist.
local purpose, user = unpack(redis.call('HMGET', KEYS[1], 'purpose', 'userId'))
if redis.call('EXISTS', KEYS[1]) == 0 or (purpose or ARGV[1]) ~= ARGV[1] then
  return {}
end
if ARGV[2] ~= '' and user ~= ARGV[2] then
  return {}
end
local tries = redis.call('HINCRBY', KEYS[1], 'tries', 1)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local expired = tonumber(redis.call('HGET', KEYS[1], 'expiresAt')) <= now
return { tries, redis.call('HGETALL', KEYS[1]), expired and 1 or 0 }
