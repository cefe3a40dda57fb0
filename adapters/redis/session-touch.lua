-- Records activity on a session and restarts its idle timeout, up to its absolute end. An ended session is not
-- recreated.
-- KEYS[1] session:<id>   ARGV[1] now, ms
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
redis.call('HSET', KEYS[1], 'lastActivityAt', ARGV[1])
local idle, ends = unpack(redis.call('HMGET', KEYS[1], 'idleMs', 'endsAt'))
redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', math.min(tonumber(ARGV[1]) + tonumber(idle), tonumber(ends))))
return 1
