-- Begins or resumes the reading of an inbox by its device. With a process it also takes the lease, and the connection that
-- had it is told that it was replaced: of parallel connections of a device the last one stays.
-- KEYS[1] inboxes:{user}
-- ARGV[1] time in place of that of Redis, ms, or empty  ARGV[2] user id  ARGV[3] device id
-- ARGV[4] when the device was added, ms, or empty  ARGV[5] id of the process, empty for no lease  ARGV[6] id of the connection
-- ARGV[7] life of a lease, ms
-- Returns nothing if there is no such device; otherwise the id of the last entry, the state of the archive, the gap, the
-- number of messages that wait, and 1 if it was suspended.
local time = redis.call('TIME')
local now = tonumber(ARGV[1]) or time[1] * 1000 + math.floor(time[2] / 1000)
local user, device, node = ARGV[2], ARGV[3], ARGV[5]
local inboxes = {}
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  inboxes[fields[i]] = fields[i + 1]
end
local known = inboxes['d' .. device]
if not known or ARGV[4] ~= '' and string.match(known, '^%d+:(%d+):') ~= ARGV[4] then
  return {}
end
redis.call('HDEL', KEYS[1], 's' .. device, 'w' .. device)
if node ~= '' then
  local online = false
  for field, value in pairs(inboxes) do
    online = online or string.match(field, '^n%d+$') and tonumber(string.match(value, '%d+$')) > now
  end
  local holder, connection, ends = string.match(inboxes['n' .. device] or '', '^([^:]+):([^:]+):(%d+)$')
  if holder and connection ~= ARGV[6] and tonumber(ends) > now then
    redis.call('PUBLISH', 'node:' .. holder, table.concat({ 'x', user, device, connection, 'replaced' }, '\0'))
  end
  redis.call('HSET', KEYS[1], 'n' .. device, string.format('%s:%s:%.0f', node, ARGV[6], now + tonumber(ARGV[7])))
  if not online then
    redis.call('PUBLISH', 'presence:' .. user, 'online')
  end
end
return {
  inboxes['l' .. device] or '',
  inboxes['a' .. device] or '',
  inboxes['g' .. device] or '',
  inboxes['c' .. device] or '0',
  inboxes['s' .. device] and 1 or 0,
}
