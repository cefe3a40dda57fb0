-- Suspends a device: its inbox is dropped, and the gap counts what it had and everything that it gets from now on. The last
-- device that takes messages is never suspended, so a message that was stored somewhere is never dropped everywhere.
-- KEYS[1] inboxes:{user}  KEYS[2] inbox:{user}:device
-- ARGV[1] time in place of that of Redis, ms, or empty  ARGV[2] user id  ARGV[3] device id  ARGV[4] most messages of an inbox
-- ARGV[5] most bytes  ARGV[6] bytes that it has no room for; empty suspends it whether it has room or not
-- Returns 1 if it was suspended, 0 if not.
local time = redis.call('TIME')
local now = tonumber(ARGV[1]) or time[1] * 1000 + math.floor(time[2] / 1000)
local device = ARGV[3]
local inboxes = {}
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  inboxes[fields[i]] = fields[i + 1]
end
local function takes(other, bytes)
  return not inboxes['s' .. other]
    and (tonumber(inboxes['c' .. other]) or 0) < tonumber(ARGV[4])
    and (tonumber(inboxes['b' .. other]) or 0) + bytes <= tonumber(ARGV[5])
end
if not inboxes['d' .. device] or inboxes['s' .. device] then
  return 0
end
if ARGV[6] ~= '' and takes(device, tonumber(ARGV[6])) then
  return 0
end
local others = false
for field in pairs(inboxes) do
  local other = string.match(field, '^d(%d+)$')
  others = others or (other and other ~= device and takes(other, 0))
end
if not others then
  return 0
end

local count = tonumber(inboxes['c' .. device]) or 0
if count > 0 then
  local archived = string.match(inboxes['a' .. device] or '', '^%d+')
  local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
  local latest = string.match(inboxes['l' .. device] or '', '^%d+')
  local from = archived or oldest and string.match(oldest[1], '^%d+') or latest or string.format('%.0f', now)
  local known_from, known_count = string.match(inboxes['g' .. device] or '', '^(%d+):%d+:(%d+)')
  redis.call('HSET', KEYS[1], 'g' .. device,
    string.format('%s:%s:%d:o', known_from or from, latest or from, count + (known_count or 0)))
end
redis.call('HDEL', KEYS[1], 'l' .. device, 'c' .. device, 'b' .. device, 'w' .. device)
redis.call('HSET', KEYS[1], 's' .. device, string.format('%.0f', now))
redis.call('DEL', KEYS[2])
local node, connection = string.match(inboxes['n' .. device] or '', '^([^:]+):([^:]+):')
if node then
  redis.call('PUBLISH', 'node:' .. node, table.concat({ 'x', ARGV[2], device, connection, 'suspended' }, '\0'))
end
return 1
