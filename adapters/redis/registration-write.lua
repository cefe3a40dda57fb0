-- Stores and publishes the status of a registration unless a newer one is stored. It removes the workflow input,
-- because the workflow has it.
-- KEYS[1] registration:{id}   ARGV[1] version  ARGV[2] status, JSON  ARGV[3] lifetime in seconds
-- ARGV[4] token hash; without one, a registration that is not stored any more stays so
local version = tonumber(redis.call('HGET', KEYS[1], 'version') or '-1')
if version >= tonumber(ARGV[1]) or (version < 0 and ARGV[4] == '') then
  return 0
end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'status', ARGV[2])
if ARGV[4] ~= '' then
  redis.call('HSET', KEYS[1], 'token', ARGV[4])
end
redis.call('HDEL', KEYS[1], 'start')
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('PUBLISH', KEYS[1], ARGV[1])
return 1
