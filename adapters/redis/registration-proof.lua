-- Stores the proof of a step that the workflow learns later, unless the workflow wants to be told at once, or the
-- registration is not stored any more. The first proof stays. Returns whether the workflow will learn it.
-- KEYS[1] registration:{id}   ARGV[1] step, a field  ARGV[2] proof, JSON
if redis.call('HEXISTS', KEYS[1], 'status') == 0 or redis.call('HEXISTS', KEYS[1], 'told') == 1 then
  return 0
end
if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 1 then
  redis.call('PUBLISH', KEYS[1], ARGV[1])
end
return 1
