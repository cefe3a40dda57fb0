-- Gives a session that still lives the roles its person has now; never brings a dead one back.
-- KEYS[1] session:<id>   ARGV[1] roles, separated by commas
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HSET', KEYS[1], 'roles', ARGV[1])
end
return 0
