-- Stores whose a refresh token is, in one step with its life, so that none stays for ever.
-- KEYS[1] refresh:<hash>   ARGV[1] session id  ARGV[2] user id  ARGV[3] absolute end of the session, ms  ARGV[4] life, s
redis.call('HSET', KEYS[1], 'sessionId', ARGV[1], 'userId', ARGV[2], 'endsAt', ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[4])
return 0
