-- Allows to move old messages of a device to MongoDB: it is not connected. From now on its archive may have pages, and no
-- reader that saw it empty before may say so.
-- KEYS[1] inboxes:{user}  KEYS[2] inbox:{user}:device
-- ARGV[1] time in place of that of Redis, ms, or empty  ARGV[2] device id
-- Returns 1, or 0 if the device is gone, connected or suspended, or nothing waits.
local time = redis.call('TIME')
local now = tonumber(ARGV[1]) or time[1] * 1000 + math.floor(time[2] / 1000)
local device, suspended, lease, archive =
  unpack(redis.call('HMGET', KEYS[1], 'd' .. ARGV[2], 's' .. ARGV[2], 'n' .. ARGV[2], 'a' .. ARGV[2]))
if not device or suspended or lease and tonumber(string.match(lease, '%d+$')) > now then
  return 0
end
local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
if not oldest then
  return 0
end
local from, run = string.match(archive or '', '^(%d+):(%d+):')
redis.call('HSET', KEYS[1], 'a' .. ARGV[2],
  string.format('%s:%d:o', from or string.match(oldest[1], '^%d+'), (run or 0) + 1))
return 1
