-- Counts a message by the device that sends it, and returns what the sender's side has to say about the recipient.
-- The limit is a theoretical arrival time (GCRA, ITU-T I.371), as those of message-send.lua. A refused message is not counted.
-- KEYS[1] message-limit:{user}:device  KEYS[2] inboxes:{user}  KEYS[3] conversation:{user}:recipient
-- ARGV[1] time in place of that of Redis, ms, or empty  ARGV[2] time between two messages, ms  ARGV[3] window, ms
-- Returns how long the limit refuses a message, or 0; until when it is used up; and of what is cached the number of devices
-- of the sender and its decision about the recipient. Times are in ms.
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local spacing, window = tonumber(ARGV[2]), tonumber(ARGV[3])
local used = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now) - now
-- a millisecond is tolerated, because fractions are rounded
local wait = used + spacing - window
if wait > math.min(spacing / 2, 1) then
  return { math.ceil(wait), math.ceil(used) }
end
used = used + spacing
redis.call('SET', KEYS[1], string.format('%.3f', now + used), 'PX', math.ceil(used))
return { 0, math.ceil(used), redis.call('HGET', KEYS[2], 'size'), redis.call('GET', KEYS[3]) }
