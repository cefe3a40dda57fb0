-- Ends a wake-up, but not a later one of the same device.
-- KEYS[1] wake-up:<userId>:<deviceId>   ARGV[1] id of the wake-up
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
