-- Forgets an idempotency key that has no answer, so that it can be used with another body.
-- KEYS[1] idempotency:<hash>
if redis.call('HEXISTS', KEYS[1], 'answer') == 0 then
  redis.call('DEL', KEYS[1])
end
