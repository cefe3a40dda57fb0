-- Lets one reader store what it reads from now on, unless the person is being changed. Marks of changes that were lost
-- with their process are removed.
-- KEYS[1] account-facts:<userId>   ARGV[1] id of the lease  ARGV[2] how long it lives, ms
-- Returns 1 if the reader may store, 0 if there is a change.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  if string.sub(fields[i], 1, 7) == 'change-' then
    if tonumber(fields[i + 1]) > now then
      return 0
    end
    redis.call('HDEL', KEYS[1], fields[i])
  end
end
redis.call('HSET', KEYS[1], 'lease', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
