-- Claims a recovery for one use of its token. A recovery that has ended is not created again by the claim.
-- KEYS[1] recovery:id
-- Returns 1 if this call made the claim.
if redis.call('HEXISTS', KEYS[1], 'tokens') == 0 then
  return 0
end
return redis.call('HSETNX', KEYS[1], 'taken', '1')
