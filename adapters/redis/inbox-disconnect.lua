-- Ends the lease of a connection, if it is still the connection of its device.
-- KEYS[1] inboxes:{user}  KEYS[2] inbox:{user}:device
-- ARGV[1] time in place of that of Redis, ms, or empty  ARGV[2] user id  ARGV[3] device id  ARGV[4] id of the process
-- ARGV[5] id of the connection
-- Returns the number of messages that wait, and 1 if the device is to be woken up for them: one of the latest is urgent.
local mine = ARGV[4] .. ':' .. ARGV[5] .. ':'
local inboxes = {}
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  inboxes[fields[i]] = fields[i + 1]
end
local device = ARGV[3]
local held = inboxes['n' .. device]
if not held or string.sub(held, 1, #mine) ~= mine then
  return { 0, 0 }
end
local time = redis.call('TIME')
local now = tonumber(ARGV[1]) or time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HDEL', KEYS[1], 'n' .. device)
redis.call('HSET', KEYS[1], 'seen', string.format('%.0f', now))
local online = false
for field, value in pairs(inboxes) do
  online = online
    or field ~= 'n' .. device and string.match(field, '^n%d+$') and tonumber(string.match(value, '%d+$')) > now
end
if not online then
  redis.call('PUBLISH', 'presence:' .. ARGV[2], 'offline')
end
local waiting = tonumber(inboxes['c' .. device]) or 0
local wake = 0
if waiting > 0 and string.sub(inboxes['d' .. device] or '', -1) == '1' then
  for _, entry in ipairs(redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 8)) do
    if string.match(entry[2][2], '^%S+ %S+ %S+ %d+ 1 ') then
      wake = 1
    end
  end
end
if wake == 1 then
  redis.call('HSET', KEYS[1], 'w' .. device, string.format('%.0f', now))
end
return { waiting, wake }
