-- Stores a message in the inboxes of all devices of a user, once, and tells the processes that they are connected to.
-- This is the path of every message, so it reads each key once and writes it once.
--
-- What it decides, in this order: the device set is known; the send is a repeat; it names the devices that the user has; the
-- user takes messages of the sender; the limits; room in the inboxes. A refused send changes nothing. A blocked sender
-- gets the same answers from the same state, except that nothing reaches the user.
--
-- A limit is a theoretical arrival time (GCRA, ITU-T I.371): one instant for each limit in place of a list of attempts.
-- The limit of the recipient, as a blocked sender uses it up, is counted apart: it takes nothing from others.
--
-- KEYS[1] inboxes:{user}  KEYS[2] sent:{user}:sender:device  KEYS[3] conversation:{user}:sender  KEYS[4..] inbox:{user}:device
-- ARGV[1] time in place of that of Redis, ms, or empty  ARGV[2] user id  ARGV[3] id of the process
-- ARGV[4] device id of the sender if it is of the same user, or empty  ARGV[5] name of the send  ARGV[6] hash of what it sends
-- ARGV[7] code of the conversation as MongoDB has it, or empty  ARGV[8] 1 if it needs an accepted one, or empty
-- ARGV[9] 1 if it is not stored, or empty  ARGV[10] 1 if it wakes devices up, or empty
-- ARGV[11] time between two messages of the device, ms  ARGV[12] of that limit, its window, ms  ARGV[13], ARGV[14] of the user
-- ARGV[15] most messages of an inbox  ARGV[16] most bytes  ARGV[17] sends to remember  ARGV[18] seconds
-- ARGV[19] seconds until a device is woken up again that did not connect
-- ARGV[20] 1 if the answer of PUBLISH does not count all subscribers (Redis Cluster), or empty
-- then for each message: device id, registration id, bytes of the content, entry
-- Returns the outcome and what belongs to it; the adapter lists them.
local first = 21
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local user, node, own, online = ARGV[2], ARGV[3], ARGV[4], ARGV[9] ~= ''

local inboxes = {}
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  inboxes[fields[i]] = fields[i + 1]
end
if not inboxes.set then
  return { 'devices-unknown' }
end

-- Returns the process and the connection of a device, if it is connected.
local function lease(device)
  local held = inboxes['n' .. device]
  if held then
    local holder, connection, ends = string.match(held, '^([^:]+):([^:]+):(%d+)$')
    if tonumber(ends) > now then
      return holder, connection
    end
  end
end

local sent = redis.call('HMGET', KEYS[2], ARGV[5], ' n', ' pair', ' recipient')
if sent[1] then
  local id, hash = string.match(sent[1], '^(%S+) (%S+)$')
  if hash ~= ARGV[6] then
    return { 'clash' }
  end
  -- a write even so: it lets the caller wait until replicas have the message
  redis.call('EXPIRE', KEYS[2], ARGV[18])
  local near = {}
  for i = first, #ARGV, 4 do
    local holder, connection = lease(ARGV[i])
    if holder == node then
      near[#near + 1] = ARGV[i]
      near[#near + 1] = connection
    elseif holder then
      redis.call('PUBLISH', 'node:' .. holder, table.concat({ 'c', user, ARGV[i], connection }, '\0'))
    end
  end
  return { 'duplicate', id, near }
end

local stale, extra, listed = {}, {}, 0
for i = first, #ARGV, 4 do
  local device = inboxes['d' .. ARGV[i]]
  if not device or ARGV[i] == own then
    extra[#extra + 1] = ARGV[i]
  else
    listed = listed + 1
    if string.match(device, '^%d+') ~= ARGV[i + 1] then
      stale[#stale + 1] = ARGV[i]
    end
  end
end
if #stale > 0 then
  return { 'stale', stale }
end
local expected = tonumber(inboxes.size)
if own ~= '' and inboxes['d' .. own] then
  expected = expected - 1
end
if #extra > 0 or listed < expected then
  local names, missing = {}, {}
  for i = first, #ARGV, 4 do
    names[ARGV[i]] = true
  end
  for field in pairs(inboxes) do
    local device = string.match(field, '^d(%d+)$')
    if device and device ~= own and not names[device] then
      missing[#missing + 1] = device
    end
  end
  return { 'mismatched', missing, extra }
end

local code = 'a'
if own == '' then
  code = redis.call('GET', KEYS[3])
  if not code then
    if ARGV[7] == '' then
      return { 'conversation-unknown' }
    end
    code = ARGV[7]
    redis.call('SET', KEYS[3], code, 'EX', ARGV[18])
  end
end
local blocked = string.sub(code, 1, 1) == 'b'
local decided = blocked and string.sub(code, 2) or code
if decided == 'r' or decided == 'n' and ARGV[8] ~= '' then
  return { 'not-accepted' }
end

-- Returns the next arrival time of a limit, and for how long it refuses a message, in ms. A millisecond is tolerated, because
-- fractions are rounded.
local function arrival(stored, spacing, window)
  local at = math.max(tonumber(stored) or 0, now) + spacing
  local wait = at - window - now
  return (string.gsub(string.format('%.3f', at), '%.?0*$', '')), wait > math.min(spacing / 2, 1) and wait or nil
end
local pair, pair_wait = arrival(sent[3], tonumber(ARGV[11]), tonumber(ARGV[12]))
if pair_wait then
  return { 'limited', 'messages-per-pair', math.ceil(pair_wait) }
end
local used = tonumber(inboxes.rt) or 0
if blocked then
  used = math.max(used, tonumber(sent[4]) or 0)
end
local recipient, recipient_wait = arrival(used, tonumber(ARGV[13]), tonumber(ARGV[14]))
if recipient_wait then
  return { 'limited', 'messages-per-recipient', math.ceil(recipient_wait) }
end

local function takes(device, bytes)
  return not inboxes['s' .. device]
    and (tonumber(inboxes['c' .. device]) or 0) < tonumber(ARGV[15])
    and (tonumber(inboxes['b' .. device]) or 0) + bytes <= tonumber(ARGV[16])
end
if not online and first <= #ARGV then
  local full, room = {}, own ~= '' and takes(own, 0)
  for i = first, #ARGV, 4 do
    if takes(ARGV[i], tonumber(ARGV[i + 2])) then
      room = true
    elseif not inboxes['s' .. ARGV[i]] then
      full[#full + 1] = ARGV[i]
      full[#full + 1] = ARGV[i + 2]
    end
  end
  if not room then
    return { 'limited', 'inbox' }
  end
  if #full > 0 and not blocked then
    return { 'full', full }
  end
end

-- ids grow even where the clock goes back, and over sends that are not stored
local last_ms, last_sequence = string.match(inboxes.last or '0-0', '^(%d+)-(%d+)$')
last_ms = tonumber(last_ms)
local ms = math.max(now, last_ms)
local id = string.format('%.0f-%d', ms, ms == last_ms and last_sequence + 1 or 0)

local changed = { 'last', id }
local wake, near = {}, {}
local function change(field, value)
  changed[#changed + 1] = field
  changed[#changed + 1] = value
end

local function store(device, key, bytes, entry)
  redis.call('XADD', key, id, 'm', entry)
  change('l' .. device, id)
  change('c' .. device, (tonumber(inboxes['c' .. device]) or 0) + 1)
  change('b' .. device, (tonumber(inboxes['b' .. device]) or 0) + bytes)
end

-- Counts a message that a suspended device does not get.
local function miss(device)
  local from, count = string.match(inboxes['g' .. device] or '', '^(%d+):%d+:(%d+)')
  change('g' .. device, string.format('%s:%.0f:%d:o', from or string.format('%.0f', ms), ms, (count or 0) + 1))
end

-- Returns whether a process delivers the message to the device.
local function deliver(device, entry)
  local holder, connection = lease(device)
  if not holder then
    return false
  end
  local previous = inboxes['l' .. device] or ''
  if holder == node then
    near[#near + 1] = device
    near[#near + 1] = connection
    near[#near + 1] = previous
    return true
  end
  local parts = online and { 'o', user, device, connection, id, entry }
    or { 'm', user, device, connection, id, previous, entry }
  -- nobody listens: the process died, and its lease has not ended yet
  return redis.call('PUBLISH', 'node:' .. holder, table.concat(parts, '\0')) > 0 or ARGV[20] ~= ''
end

if not blocked then
  change('rt', recipient)
  for i = first, #ARGV, 4 do
    local device = ARGV[i]
    if inboxes['s' .. device] then
      if not online then
        miss(device)
      end
    else
      if not online then
        store(device, KEYS[4 + (i - first) / 4], tonumber(ARGV[i + 2]), ARGV[i + 3])
      end
      if not deliver(device, ARGV[i + 3]) and not online and ARGV[10] ~= '' then
        local woken = tonumber(inboxes['w' .. device]) or 0
        if now - woken >= ARGV[19] * 1000 and string.sub(inboxes['d' .. device], -1) == '1' then
          change('w' .. device, now)
          wake[#wake + 1] = device
        end
      end
    end
  end
end
redis.call('HSET', KEYS[1], unpack(changed))

local count = (tonumber(sent[2]) or 0) + 1
-- a blank, which no name of a send has, keeps these fields apart from the sends
local slot = ' ' .. count % tonumber(ARGV[17])
if count > tonumber(ARGV[17]) then
  redis.call('HDEL', KEYS[2], redis.call('HGET', KEYS[2], slot) or '')
end
local record = { ARGV[5], id .. ' ' .. ARGV[6], slot, ARGV[5], ' n', count, ' pair', pair }
if blocked then
  record[#record + 1] = ' recipient'
  record[#record + 1] = recipient
end
redis.call('HSET', KEYS[2], unpack(record))
redis.call('EXPIRE', KEYS[2], ARGV[18])

local began = decided == 'n'
if began then
  redis.call('SET', KEYS[3], blocked and 'br' or 'r', 'EX', ARGV[18])
end
return { 'stored', id, began and 1 or 0, wake, near }
