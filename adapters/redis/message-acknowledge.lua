-- Removes messages from the inbox of a device. A message is counted as removed once, however often it is acknowledged.
-- KEYS[1] inboxes:{user}  KEYS[2] inbox:{user}:device   ARGV[1] device id   then message ids
-- Returns the state of the archive, and the ids that the stream does not have.
local unknown, known, bytes = {}, {}, 0
for i = 2, #ARGV do
  local entry = redis.call('XRANGE', KEYS[2], ARGV[i], ARGV[i])[1]
  -- deleted at once, so that an id that is given twice counts once
  if entry and redis.call('XDEL', KEYS[2], ARGV[i]) == 1 then
    known[#known + 1] = ARGV[i]
    bytes = bytes + #entry[2][2] - (string.match(entry[2][2], '^%S+ %S+ %S+ %S+ %S+ ()') or 1) + 1
  else
    unknown[#unknown + 1] = ARGV[i]
  end
end
local archive = redis.call('HGET', KEYS[1], 'a' .. ARGV[1]) or ''
if #known > 0 then
  local emptied = redis.call('XLEN', KEYS[2]) == 0
  if emptied then
    redis.call('DEL', KEYS[2])
  end
  if emptied and archive == '' then
    redis.call('HDEL', KEYS[1], 'c' .. ARGV[1], 'b' .. ARGV[1])
  else
    local count = redis.call('HINCRBY', KEYS[1], 'c' .. ARGV[1], -#known)
    local size = redis.call('HINCRBY', KEYS[1], 'b' .. ARGV[1], -bytes)
    if count < 0 or size < 0 then
      redis.call('HSET', KEYS[1], 'c' .. ARGV[1], math.max(count, 0), 'b' .. ARGV[1], math.max(size, 0))
    end
  end
end
return { archive, unknown }
