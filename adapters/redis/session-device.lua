-- Makes a session one of a device and gives it a new refresh token, in one atomic step. A session of the same device gets
-- another token, as in a repeat. For a short grace period the previous token returns the same successor, as in a rotation.
-- KEYS[1] session:<id>
-- ARGV[1] device id  ARGV[2] SHA-256 of the new token  ARGV[3] the new token, encrypted  ARGV[4] now, ms
-- Returns `bound`, `ended`, or `other` for a session of another device.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 'ended'
end
local device, current = unpack(redis.call('HMGET', KEYS[1], 'deviceId', 'refresh'))
if device and device ~= ARGV[1] then
  return 'other'
end
redis.call('HSET', KEYS[1], 'deviceId', ARGV[1], 'refresh', ARGV[2], 'previous', current, 'successor', ARGV[3],
  'rotatedAt', ARGV[4])
return 'bound'
