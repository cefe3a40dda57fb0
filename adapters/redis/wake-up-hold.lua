-- Claims the place of the wake-up that a device waits for, or extends the claim of the same wake-up.
-- KEYS[1] wake-up:<userId>:<deviceId>   ARGV[1] id of the wake-up   ARGV[2] seconds
-- Returns 1 if the wake-up has the place, 0 if another one has it.
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
