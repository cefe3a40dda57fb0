-- Notes activity on a session that still lives; never brings a dead one back.
-- KEYS[1] session:<id>   ARGV[1] now, ms
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HSET', KEYS[1], 'lastActivityAt', ARGV[1])
end
return 0
