-- Stores a link unless it exists.
-- KEYS[1] link:{id}   ARGV[1] time of its removal, ms; then its fields and their values
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIREAT', KEYS[1], ARGV[1])
return 1
