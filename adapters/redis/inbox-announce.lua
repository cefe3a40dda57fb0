-- Sends an event to the connected devices of a user. It is not stored.
-- KEYS[1] inboxes:{user}
-- ARGV[1] time in place of that of Redis, ms, or empty  ARGV[2] user id  ARGV[3] event  ARGV[4] its payload, JSON
-- ARGV[5] the only device that gets it, or empty  ARGV[6] a device that does not get it, or empty
-- Returns the number of devices.
local time = redis.call('TIME')
local now = tonumber(ARGV[1]) or time[1] * 1000 + math.floor(time[2] / 1000)
local fields = redis.call('HGETALL', KEYS[1])
local told = 0
for i = 1, #fields, 2 do
  local device = string.match(fields[i], '^n(%d+)$')
  if device and (ARGV[5] == '' or device == ARGV[5]) and device ~= ARGV[6] then
    local node, connection, ends = string.match(fields[i + 1], '^([^:]+):([^:]+):(%d+)$')
    if tonumber(ends) > now then
      redis.call('PUBLISH', 'node:' .. node, table.concat({ 'e', ARGV[2], device, connection, ARGV[3], ARGV[4] }, '\0'))
      told = told + 1
    end
  end
end
return told
