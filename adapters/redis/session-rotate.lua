-- Puts a new refresh token in the place of the one that is presented, in one atomic step.
-- The token before comes to the same successor for a short grace, as long as nobody has used that: two tabs that refresh at
-- once, and a client whose answer was lost, go on. Any other token of the session is stolen or was: the session ends.
-- KEYS[1] session:<id>
-- ARGV[1] SHA-256 of the presented token  ARGV[2] that of its successor  ARGV[3] the successor, sealed
-- ARGV[4] now, ms  ARGV[5] grace, ms  ARGV[6] roles of the person now
-- Answers what happened and, sealed, the token to go on with.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return { 'ended' }
end
local current, previous, successor, rotatedAt, idle, ends =
  unpack(redis.call('HMGET', KEYS[1], 'refresh', 'previous', 'successor', 'rotatedAt', 'idleMs', 'endsAt'))
if current == ARGV[1] then
  redis.call('HSET', KEYS[1], 'refresh', ARGV[2], 'previous', ARGV[1], 'successor', ARGV[3], 'rotatedAt', ARGV[4],
    'lastActivityAt', ARGV[4], 'roles', ARGV[6])
  redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', math.min(tonumber(ARGV[4]) + tonumber(idle), tonumber(ends))))
  return { 'rotated', ARGV[3] }
end
if previous == ARGV[1] and tonumber(ARGV[4]) - tonumber(rotatedAt) <= tonumber(ARGV[5]) then
  return { 'repeated', successor }
end
redis.call('DEL', KEYS[1])
return { 'reused' }
