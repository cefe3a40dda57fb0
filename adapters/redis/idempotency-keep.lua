-- Stores the answer of the use of an idempotency key and starts its life. The first answer stays. A key that was
-- forgotten, or that another request has reserved since, is not written.
-- KEYS[1] idempotency:<hash>   ARGV[1] minted values of that use, encrypted  ARGV[2] answer, encrypted
-- ARGV[3] lifetime in seconds
-- Returns the stored answer, or nothing if it was not written.
if redis.call('HGET', KEYS[1], 'minted') ~= ARGV[1] then
  return false
end
if redis.call('HSETNX', KEYS[1], 'answer', ARGV[2]) == 1 then
  redis.call('EXPIRE', KEYS[1], ARGV[3])
end
return redis.call('HGET', KEYS[1], 'answer')
