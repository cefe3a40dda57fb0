-- Moves messages to the archive, which has a page of them: from now on the archive ends behind them and the inbox does not
-- have them. Nothing happens if one of them was acknowledged or the device connected since the move began, or another move
-- began. So no message is in both or in neither.
-- KEYS[1] inboxes:{user}  KEYS[2] inbox:{user}:device
-- ARGV[1] device id  ARGV[2] when it was added, ms  ARGV[3] id of the move  ARGV[4] id of its last message
-- ARGV[5] number of its messages
-- Returns 1 if they moved.
local device = ARGV[1]
local known, lease, move, archive =
  unpack(redis.call('HMGET', KEYS[1], 'd' .. device, 'n' .. device, 'm' .. device, 'a' .. device))
if not known or string.match(known, '^%d+:(%d+):') ~= ARGV[2] or move ~= ARGV[3] then
  return 0
end
local time = redis.call('TIME')
if lease and tonumber(string.match(lease, '%d+$')) > time[1] * 1000 then
  return 0
end
local moved = redis.call('XRANGE', KEYS[2], '-', ARGV[4], 'COUNT', ARGV[5] + 1)
if #moved ~= tonumber(ARGV[5]) then
  return 0
end
for _, entry in ipairs(moved) do
  redis.call('XDEL', KEYS[2], entry[1])
end
if redis.call('XLEN', KEYS[2]) == 0 then
  redis.call('DEL', KEYS[2])
end
local from = string.match(archive or moved[1][1], '^%d+')
redis.call('HSET', KEYS[1], 'a' .. device, from .. ':' .. ARGV[4])
redis.call('HDEL', KEYS[1], 'm' .. device)
return 1
