-- Ends a session of an earlier generation. One that began later, with the new credentials, stays.
-- KEYS[1] session:<id>   ARGV[1] generation
-- Returns 1 if it was ended, 0 if there is none, 2 if it stays.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
if tonumber(redis.call('HGET', KEYS[1], 'generation') or '0') >= tonumber(ARGV[1]) then
  return 2
end
return redis.call('DEL', KEYS[1])
