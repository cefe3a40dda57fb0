-- Writes the device set of a user as MongoDB has it, unless a later one was written before. Whatever belongs to a device
-- that is gone is deleted, and its process is told. The same id with another instant of addition is another device.
-- KEYS[1] inboxes:{user}  KEYS[2..] inbox:{user}:device of every device that the hash has, as the caller read it
-- ARGV[1] user id  ARGV[2] version; empty if the user has no devices any more
-- ARGV[3] number of devices that the caller read  then their ids, in the order of the keys
-- then for each device of the set: its id, and `registration id:when it was added:1 or 0`
-- Returns 1 if it was written, 0 if a later one or the same was, -1 if the hash has other devices than the caller read.
local inboxes, known = {}, 0
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  inboxes[fields[i]] = fields[i + 1]
  if string.match(fields[i], '^d%d+$') then
    known = known + 1
  end
end
local version = tonumber(ARGV[2])
if version and inboxes.set and tonumber(inboxes.set) >= version then
  return 0
end
local read = tonumber(ARGV[3])
for i = 1, read do
  if not inboxes['d' .. ARGV[3 + i]] then
    return -1
  end
end
if known ~= read then
  return -1
end

local set, size = {}, 0
for i = 4 + read, #ARGV, 2 do
  set[ARGV[i]] = ARGV[i + 1]
  size = size + 1
end
local function age(device)
  return string.match(device, '^%d+:(%d+):')
end
for i = 1, read do
  local device = ARGV[3 + i]
  local now = set[device]
  if not now or age(now) ~= age(inboxes['d' .. device]) then
    local node, connection = string.match(inboxes['n' .. device] or '', '^([^:]+):([^:]+):')
    if node then
      redis.call('PUBLISH', 'node:' .. node, table.concat({ 'x', ARGV[1], device, connection, 'revoked' }, '\0'))
      redis.call('PUBLISH', 'presence:' .. ARGV[1], 'offline')
    end
    for _, kind in ipairs({ 'd', 'l', 'c', 'b', 'n', 'a', 'g', 's', 'w', 'm', 'e' }) do
      redis.call('HDEL', KEYS[1], kind .. device)
    end
    redis.call('DEL', KEYS[1 + i])
  end
end
if not version then
  redis.call('DEL', KEYS[1])
  return 1
end
redis.call('HSET', KEYS[1], 'set', ARGV[2], 'size', size)
for device, value in pairs(set) do
  redis.call('HSET', KEYS[1], 'd' .. device, value)
end
return 1
