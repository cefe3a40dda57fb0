-- Reserves an approved link for the device that is being added, so that parallel requests add one device. The reservation
-- of a process that failed ends after a while, for the same device only.
-- KEYS[1] link:{id}   ARGV[1] time, ms  ARGV[2] hash of the device  ARGV[3] longest duration of a reservation, ms
-- Returns 0 if it is not approved or for another device, 1 if it was reserved, and the milliseconds left of a reservation
-- of the same device, negative.
local state, expires_at, taker, taken_at = unpack(redis.call('HMGET', KEYS[1], 'state', 'expiresAt', 'taker', 'takenAt'))
if state ~= 'approved' or tonumber(ARGV[1]) >= tonumber(expires_at) then
  return 0
end
if taker and taker ~= ARGV[2] then
  return 0
end
local left = taken_at and tonumber(taken_at) + tonumber(ARGV[3]) - tonumber(ARGV[1]) or 0
if left > 0 then
  return -left
end
redis.call('HSET', KEYS[1], 'taker', ARGV[2], 'takenAt', ARGV[1])
return 1
