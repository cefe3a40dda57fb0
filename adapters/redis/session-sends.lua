-- Stores the sends of a session unless newer ones are there, and prolongs its record and that of its codes.
-- KEYS[1] verification-session:{id}  KEYS[2] verification:{id}:verify
-- ARGV[1] version  ARGV[2] what is published, JSON  ARGV[3] kept until, ms
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
if tonumber(redis.call('HGET', KEYS[1], 'version') or '-1') >= tonumber(ARGV[1]) then
  return 0
end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'published', ARGV[2])
for _, key in ipairs(KEYS) do
  redis.call('PEXPIREAT', key, ARGV[3])
end
return 1
