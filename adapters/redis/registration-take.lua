-- Returns the stored proofs, and notes that the workflow wants to be told of later ones at once. One step, so that each
-- proof is either in the answer or refused by registration-proof.lua.
-- KEYS[1] registration:{id}
if redis.call('HEXISTS', KEYS[1], 'status') == 1 then
  redis.call('HSET', KEYS[1], 'told', '1')
end
return redis.call('HMGET', KEYS[1], 'captcha', 'code')
