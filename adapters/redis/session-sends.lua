-- Stores the sends of a verification session unless newer ones are stored, and extends the session and its codes.
-- KEYS[1] verification-session:{id}  KEYS[2] verification:{id}:verify
-- ARGV[1] version  ARGV[2] published sends, JSON  ARGV[3] time of removal, ms
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
