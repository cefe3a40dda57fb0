-- Ends the reservation of a link for a device that was refused, so that a corrected one can be added.
-- A reservation that another process has made since stays.
-- KEYS[1] link:{id}   ARGV[1] hash of the device  ARGV[2] time of the reservation, ms
local state, taker, taken_at = unpack(redis.call('HMGET', KEYS[1], 'state', 'taker', 'takenAt'))
if state == 'approved' and taker == ARGV[1] and taken_at == ARGV[2] then
  redis.call('HDEL', KEYS[1], 'taker', 'takenAt')
end
