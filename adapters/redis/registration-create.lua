-- Stores a registration before its first update, unless it exists.
-- KEYS[1] registration:{id}   ARGV[1] version  ARGV[2] status, JSON  ARGV[3] token hash
-- ARGV[4] workflow input, encrypted  ARGV[5] time of its removal, ms
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'status', ARGV[2], 'token', ARGV[3], 'start', ARGV[4])
redis.call('PEXPIREAT', KEYS[1], ARGV[5])
return 1
