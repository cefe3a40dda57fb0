-- Notes when the person of a session that still lives has proven who they are; never brings a dead one back.
-- KEYS[1] session:<id>   ARGV[1] that instant, ms
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HSET', KEYS[1], 'authenticatedAt', ARGV[1])
end
return 0
