-- Stores the first use of an idempotency key, or reads it.
-- KEYS[1] idempotency:<hash>   ARGV[1] hash of the body  ARGV[2] minted values, encrypted  ARGV[3] lifetime in seconds
if redis.call('HSETNX', KEYS[1], 'body', ARGV[1]) == 1 then
  redis.call('HSET', KEYS[1], 'minted', ARGV[2])
  redis.call('EXPIRE', KEYS[1], ARGV[3])
end
return { redis.call('HGET', KEYS[1], 'body'), redis.call('HGET', KEYS[1], 'minted'), redis.call('HGET', KEYS[1], 'answer') }
