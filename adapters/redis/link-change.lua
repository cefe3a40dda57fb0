-- Changes the state of a link, if it is in a state that allows it, has not expired and its fields have these values. So
-- of several changes at once the first one wins, on whichever process they arrive. Publishes the new state.
-- KEYS[1] link:{id}   ARGV[1] time, ms; 0 to change one that has expired
-- ARGV[2] states, each between commas  ARGV[3] new state
-- ARGV[4] number of fields to compare; then these fields and their values; then fields to set and their values
-- Returns 1 if it was changed.
local state, expires_at = unpack(redis.call('HMGET', KEYS[1], 'state', 'expiresAt'))
if not state or not string.find(ARGV[2], ',' .. state .. ',', 1, true) then
  return 0
end
if tonumber(ARGV[1]) >= tonumber(expires_at) then
  return 0
end
local compared = 4 + 2 * tonumber(ARGV[4])
for i = 5, compared, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) ~= ARGV[i + 1] then
    return 0
  end
end
redis.call('HSET', KEYS[1], 'state', ARGV[3], unpack(ARGV, compared + 1))
redis.call('PUBLISH', KEYS[1], ARGV[3])
return 1
