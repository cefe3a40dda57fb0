-- Sets the roles of a session. An ended session is not recreated.
-- KEYS[1] session:<id>   ARGV[1] roles, separated by commas
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HSET', KEYS[1], 'roles', ARGV[1])
end
return 0
