-- Rotates the refresh token of a session, in one atomic step. For a short grace period the previous token returns the
-- same successor, as long as the successor is unused. This serves two tabs that refresh at once and a client that lost
-- the response. Any other token of the session means that a token was stolen: the session ends.
-- The time is that of Redis, so that no clock of a process shortens or lengthens the grace period or the session.
-- KEYS[1] session:<id>
-- ARGV[1] SHA-256 of the presented token  ARGV[2] SHA-256 of its successor  ARGV[3] the successor, encrypted
-- ARGV[4] time in place of that of Redis, ms, or empty  ARGV[5] grace period, ms  ARGV[6] current roles of the user
-- Returns the outcome and the encrypted token to use next.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return { 'ended' }
end
local time = redis.call('TIME')
local now = tonumber(ARGV[4]) or time[1] * 1000 + math.floor(time[2] / 1000)
local current, previous, successor, rotatedAt, idle, ends =
  unpack(redis.call('HMGET', KEYS[1], 'refresh', 'previous', 'successor', 'rotatedAt', 'idleMs', 'endsAt'))
if current == ARGV[1] then
  redis.call('HSET', KEYS[1], 'refresh', ARGV[2], 'previous', ARGV[1], 'successor', ARGV[3], 'rotatedAt', now,
    'lastActivityAt', now, 'roles', ARGV[6])
  redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', math.min(now + tonumber(idle), tonumber(ends))))
  return { 'rotated', ARGV[3] }
end
if previous == ARGV[1] and now - tonumber(rotatedAt) <= tonumber(ARGV[5]) then
  return { 'repeated', successor }
end
redis.call('DEL', KEYS[1])
return { 'reused' }
