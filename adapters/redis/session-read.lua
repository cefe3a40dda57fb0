-- Reads a session and records activity on it when that is due, which restarts its idle timeout, up to its absolute end. An
-- ended session is not recreated. The time is that of Redis, so that no clock of a process shortens or lengthens a session.
-- KEYS[1] session:<id>
-- ARGV[1] time in place of that of Redis, ms, or empty  ARGV[2] how old recorded activity gets, ms; empty to record none
-- Returns the time of the read, ms, and the fields in the order below; nothing if there is no session.
local fields = redis.call('HMGET', KEYS[1], 'userId', 'generation', 'createdAt', 'authenticatedAt', 'lastActivityAt',
  'idleMs', 'endsAt', 'ip', 'userAgent', 'roles', 'deviceId')
if not fields[1] then
  return {}
end
local time = redis.call('TIME')
local now = tonumber(ARGV[1]) or time[1] * 1000 + math.floor(time[2] / 1000)
local due = tonumber(ARGV[2])
if due and now - tonumber(fields[5]) >= due then
  fields[5] = now
  redis.call('HSET', KEYS[1], 'lastActivityAt', now)
  redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', math.min(now + tonumber(fields[6]), tonumber(fields[7]))))
end
return { now, unpack(fields) }
