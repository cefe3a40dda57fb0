-- Counts messages of a device that left its archive, notes those that it will never get, and that the archive is empty.
-- KEYS[1] inboxes:{user}
-- ARGV[1] device id  ARGV[2] messages  ARGV[3] their bytes  ARGV[4] state of the archive that was found empty, or empty
-- ARGV[5] when the first message of a gap was taken, ms, or empty  ARGV[6] the last one  ARGV[7] their number
-- ARGV[8] e (expired) or o (overflow)
-- ARGV[9] last message of a page that expired, or empty: a page counts once, and only if the archive ends behind it
-- Returns 1, or 0 if there is no such device or the page does not count.
local device = ARGV[1]
local known, count, bytes, archive, gap, expired = unpack(redis.call('HMGET', KEYS[1],
  'd' .. device, 'c' .. device, 'b' .. device, 'a' .. device, 'g' .. device, 'e' .. device))
if not known then
  return 0
end
-- Returns whether a message is later than another one.
local function is_later(id, than)
  local ms, sequence = string.match(id, '^(%d+)-(%d+)$')
  local other_ms, other_sequence = string.match(than, '(%d+)-(%d+)$')
  ms, other_ms = tonumber(ms), tonumber(other_ms)
  return ms > other_ms or ms == other_ms and tonumber(sequence) > tonumber(other_sequence)
end
if ARGV[9] ~= '' then
  if not archive or is_later(ARGV[9], archive) or expired and not is_later(ARGV[9], expired) then
    return 0
  end
  redis.call('HSET', KEYS[1], 'e' .. device, ARGV[9])
end
local left = math.max(0, (tonumber(count) or 0) - tonumber(ARGV[2]))
if left == 0 then
  redis.call('HDEL', KEYS[1], 'c' .. device, 'b' .. device)
else
  redis.call('HSET', KEYS[1], 'c' .. device, left,
    'b' .. device, math.max(0, (tonumber(bytes) or 0) - tonumber(ARGV[3])))
end
-- a run that moves messages changes the state, so an archive that got pages since is not taken for empty
if archive and archive == ARGV[4] then
  redis.call('HDEL', KEYS[1], 'a' .. device)
end
if ARGV[5] ~= '' then
  local from, to, number, reason = string.match(gap or '', '^(%d+):(%d+):(%d+):(%a)$')
  redis.call('HSET', KEYS[1], 'g' .. device, string.format('%.0f:%.0f:%d:%s',
    math.min(tonumber(from or ARGV[5]), tonumber(ARGV[5])), math.max(tonumber(to or ARGV[6]), tonumber(ARGV[6])),
    (number or 0) + tonumber(ARGV[7]), reason == 'o' and 'o' or ARGV[8]))
end
return 1
