-- Appends a batch of audit events with sequence numbers that are common to all processes. Repeats of a batch are
-- skipped, and so are repeats of an event with `once`. Each event is hash-chained to the previous one. When the stream
-- is full, events are dropped and counted; they still consume a sequence number, so that the gap is visible.
-- KEYS: stream, head, once, producer. ARGV: batch number, now (ms), maximum length, maximum length for minor events,
-- then for each event: id, once, minor, mac, event.
-- Returns: events appended, events dropped, and after a full stream has space again the number dropped until then.
local onceSeconds = 86400
local last = tonumber(redis.call('GET', KEYS[4]) or '0')
if tonumber(ARGV[1]) <= last then return { 0, 0, 0 } end
redis.call('SET', KEYS[4], ARGV[1], 'EX', onceSeconds)

local now = tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - onceSeconds * 1000)
local entries = redis.call('XLEN', KEYS[1])
local chain = redis.call('HGET', KEYS[2], 'chain') or ''
local appended, dropped = 0, 0
for i = 5, #ARGV, 5 do
  local id, once, minor, mac, event = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  if once == '0' or redis.call('ZADD', KEYS[3], 'NX', now, id) == 1 then
    local sequence = redis.call('HINCRBY', KEYS[2], 'sequence', 1)
    local bound = tonumber(minor == '1' and ARGV[4] or ARGV[3])
    if entries < bound then
      chain = redis.sha1hex(chain .. ':' .. sequence .. ':' .. mac)
      redis.call('XADD', KEYS[1], '*', 'event', event, 'sequence', sequence, 'chain', chain)
      entries = entries + 1
      appended = appended + 1
    else
      dropped = dropped + 1
    end
  end
end
redis.call('HSET', KEYS[2], 'chain', chain)

local before = tonumber(redis.call('HGET', KEYS[2], 'dropped') or '0')
if dropped > 0 then
  redis.call('HINCRBY', KEYS[2], 'dropped', dropped)
  return { appended, dropped, 0 }
end
if before > 0 and appended > 0 then redis.call('HSET', KEYS[2], 'dropped', 0) end
return { appended, 0, appended > 0 and before or 0 }
