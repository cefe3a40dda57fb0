-- Extends the lease of a connection, if it is still the connection of its device.
-- KEYS[1] inboxes:{user}
-- ARGV[1] time in place of that of Redis, ms, or empty  ARGV[2] device id  ARGV[3] id of the process
-- ARGV[4] id of the connection  ARGV[5] life of a lease, ms
-- Returns 1 if it was extended, 0 if the device has another connection or none.
local held = redis.call('HGET', KEYS[1], 'n' .. ARGV[2])
local mine = ARGV[3] .. ':' .. ARGV[4] .. ':'
if not held or string.sub(held, 1, #mine) ~= mine then
  return 0
end
local time = redis.call('TIME')
local now = tonumber(ARGV[1]) or time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 'n' .. ARGV[2], mine .. string.format('%.0f', now + tonumber(ARGV[5])))
return 1
