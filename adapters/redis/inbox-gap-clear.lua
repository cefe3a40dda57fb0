-- Removes a gap that the device was told. What was added to it meanwhile stays.
-- KEYS[1] inboxes:{user}   ARGV[1] device id  ARGV[2] end of the gap as it was told, ms  ARGV[3] its number of messages
local from, to, count, reason =
  string.match(redis.call('HGET', KEYS[1], 'g' .. ARGV[1]) or '', '^(%d+):(%d+):(%d+):(%a)$')
if not from then
  return 0
end
local left = tonumber(count) - tonumber(ARGV[3])
if left <= 0 then
  redis.call('HDEL', KEYS[1], 'g' .. ARGV[1])
else
  redis.call('HSET', KEYS[1], 'g' .. ARGV[1], string.format('%s:%s:%d:%s', ARGV[2], to, left, reason))
end
return 1
