-- Deletes the oldest messages of an inbox that were taken before an instant, and notes that the device will never get them.
-- KEYS[1] inboxes:{user}  KEYS[2] inbox:{user}:device
-- ARGV[1] device id  ARGV[2] when it was added, ms  ARGV[3] the instant, ms  ARGV[4] most messages
-- Returns the number of messages; 0 if there is no such device.
local device = ARGV[1]
local known, count, bytes, gap = unpack(redis.call('HMGET', KEYS[1], 'd' .. device, 'c' .. device, 'b' .. device, 'g' .. device))
if not known or string.match(known, '^%d+:(%d+):') ~= ARGV[2] then
  return 0
end
local old = redis.call('XRANGE', KEYS[2], '-', '(' .. ARGV[3] .. '-0', 'COUNT', ARGV[4])
if #old == 0 then
  return 0
end
local freed = 0
for _, entry in ipairs(old) do
  freed = freed + #entry[2][2] - string.match(entry[2][2], '^%S+ %S+ %S+ %S+ %S+ ()') + 1
  redis.call('XDEL', KEYS[2], entry[1])
end
if redis.call('XLEN', KEYS[2]) == 0 then
  redis.call('DEL', KEYS[2])
end
local first, last = string.match(old[1][1], '^%d+'), string.match(old[#old][1], '^%d+')
local from, to, number, reason = string.match(gap or '', '^(%d+):(%d+):(%d+):(%a)$')
redis.call('HSET', KEYS[1],
  'c' .. device, math.max(0, (tonumber(count) or 0) - #old),
  'b' .. device, math.max(0, (tonumber(bytes) or 0) - freed),
  'g' .. device, string.format('%.0f:%.0f:%d:%s',
    math.min(tonumber(from or first), tonumber(first)), math.max(tonumber(to or last), tonumber(last)),
    (number or 0) + #old, reason or 'e'))
return #old
