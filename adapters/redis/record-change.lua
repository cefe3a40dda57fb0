-- Changes an authenticated record if it is still the one that was read. An ended record is not recreated.
-- KEYS[1] session:<id> or user:<id>
-- ARGV[1] the MAC that was read; empty where there was no record  ARGV[2] that of the refresh tokens, or * for any
-- ARGV[3] when the record expires, ms, or empty to leave it  ARGV[4…] fields and values; an empty value removes the field
-- Returns 1 if it was changed, 0 if the record is another one by now.
local macs = redis.call('HMGET', KEYS[1], 'mac', 'tokensMac')
if (macs[1] or '') ~= ARGV[1] or (ARGV[2] ~= '*' and (macs[2] or '') ~= ARGV[2]) then
  return 0
end
for i = 4, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('HDEL', KEYS[1], ARGV[i])
  else
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  end
end
if ARGV[3] ~= '' then
  redis.call('PEXPIREAT', KEYS[1], ARGV[3])
end
return 1
