-- Begins to move the oldest messages of an inbox to the archive. They stay in the inbox until `inbox-move-finish`.
-- KEYS[1] inboxes:{user}  KEYS[2] inbox:{user}:device
-- ARGV[1] device id  ARGV[2] when it was added, ms  ARGV[3] messages taken before this instant move, ms
-- ARGV[4] id of the move  ARGV[5] most messages  ARGV[6] most bytes, unless one message has more
-- Returns the id of an earlier move that did not finish, or '', then ids and entries by turns, oldest first; nothing if the
-- device is gone, connected or suspended, or nothing is that old.
local device = ARGV[1]
local known, suspended, lease, move =
  unpack(redis.call('HMGET', KEYS[1], 'd' .. device, 's' .. device, 'n' .. device, 'm' .. device))
if not known or suspended or string.match(known, '^%d+:(%d+):') ~= ARGV[2] then
  return {}
end
local time = redis.call('TIME')
if lease and tonumber(string.match(lease, '%d+$')) > time[1] * 1000 then
  return {}
end
local old = redis.call('XRANGE', KEYS[2], '-', '(' .. ARGV[3] .. '-0', 'COUNT', ARGV[5])
if #old == 0 then
  return {}
end
redis.call('HSET', KEYS[1], 'm' .. device, ARGV[4])
local answer, bytes = { move or '' }, 0
for _, entry in ipairs(old) do
  bytes = bytes + #entry[2][2]
  if bytes > tonumber(ARGV[6]) and #answer > 1 then
    break
  end
  answer[#answer + 1] = entry[1]
  answer[#answer + 1] = entry[2][2]
end
return answer
