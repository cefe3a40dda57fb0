-- Records when the user of a session last authenticated. An ended session is not recreated.
-- KEYS[1] session:<id>   ARGV[1] time of the authentication, ms
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HSET', KEYS[1], 'authenticatedAt', ARGV[1])
end
return 0
