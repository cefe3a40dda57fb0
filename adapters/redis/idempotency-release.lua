-- Forgets the use of an idempotency key, unless another request has reserved the key since.
-- KEYS[1] idempotency:<hash>   ARGV[1] minted values of that use, encrypted   ARGV[2] 1: also if it has an answer
if redis.call('HGET', KEYS[1], 'minted') ~= ARGV[1] then
  return 0
end
if ARGV[2] ~= '1' and redis.call('HEXISTS', KEYS[1], 'answer') == 1 then
  return 0
end
return redis.call('DEL', KEYS[1])
