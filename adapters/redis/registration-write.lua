-- Stores and publishes the status of a registration unless a newer one is stored. It removes the workflow input,
-- because the writing workflow has it.
-- KEYS[1] registration:{id}   ARGV[1] version  ARGV[2] status, JSON  ARGV[3] lifetime in seconds  ARGV[4] token hash
local version = tonumber(redis.call('HGET', KEYS[1], 'version') or '-1')
if version >= tonumber(ARGV[1]) then
  return 0
end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'status', ARGV[2], 'token', ARGV[4])
redis.call('HDEL', KEYS[1], 'start')
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('PUBLISH', KEYS[1], ARGV[1])
return 1
