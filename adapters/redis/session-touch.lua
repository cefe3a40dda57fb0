-- Notes activity on a session that still lives, and gives it its idle life again, up to its last end; never brings a dead
-- one back.
-- KEYS[1] session:<id>   ARGV[1] now, ms
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
redis.call('HSET', KEYS[1], 'lastActivityAt', ARGV[1])
local idle, ends = unpack(redis.call('HMGET', KEYS[1], 'idleMs', 'endsAt'))
redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', math.min(tonumber(ARGV[1]) + tonumber(idle), tonumber(ends))))
return 1
