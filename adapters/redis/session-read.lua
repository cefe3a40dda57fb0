-- Reads a session and records activity on it when that is due, which restarts its idle timeout, up to its absolute end. An
-- ended session is not recreated. The time is that of Redis, so that no clock of a process shortens or lengthens a session.
-- KEYS[1] session:<id>
-- ARGV[1] time in place of that of Redis, ms, or empty  ARGV[2] how old recorded activity gets, ms; empty to record none
-- ARGV[3] 1 to return the state of the refresh tokens as well
-- Returns the time of the read, ms, and the fields in the order below; nothing if there is no session.
local fields = redis.call('HMGET', KEYS[1], 'userId', 'generation', 'createdAt', 'authenticatedAt', 'lastActivityAt',
  'idleMs', 'endsAt', 'ip', 'userAgent', 'deviceId', 'mac')
if not fields[1] then
  return {}
end
local time = redis.call('TIME')
local now = tonumber(ARGV[1]) or time[1] * 1000 + math.floor(time[2] / 1000)
local due, active, idle, ends = tonumber(ARGV[2]), tonumber(fields[5]), tonumber(fields[6]), tonumber(fields[7])
if due and active and idle and ends and now - active >= due then
  fields[5] = now
  redis.call('HSET', KEYS[1], 'lastActivityAt', now)
  redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', math.min(now + idle, ends)))
end
if ARGV[3] == '1' then
  local tokens = redis.call('HMGET', KEYS[1], 'refresh', 'previous', 'successor', 'rotatedAt', 'tokensMac')
  return { now, fields, tokens }
end
return { now, unpack(fields) }
