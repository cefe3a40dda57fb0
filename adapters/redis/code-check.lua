-- Compares the entered code with the codes that the user may have received, each at most ARGV[2] times.
-- An attempt is counted before the comparison, in the same atomic step, so parallel attempts cannot exceed the limit.
-- Two codes may be valid at once: the newest one that was sent, and a newer one that a provider may have.
-- A code that has expired, or that may not be checked yet, is not compared and loses no attempt.
-- The time is that of Redis, so that no clock of a process shortens a code or a wait.
-- KEYS[1] verification:{subject}:purpose  KEYS[2] otp:{subject}:purpose
-- ARGV[1] keyed hashes of the entered code, by each key, separated by blanks  ARGV[2] attempts per code  ARGV[3] time in place of that of Redis, ms, or empty  ARGV[4…] wait after each attempt, ms
-- Returns the outcome, the attempts left, the send of a correct code, and after `early` how long to wait, ms.
local function number(field)
  return tonumber(redis.call('HGET', KEYS[1], field) or '0')
end

local function isEntered(hash)
  return string.find(' ' .. ARGV[1] .. ' ', ' ' .. hash .. ' ', 1, true) ~= nil
end

local time = redis.call('TIME')
local max = tonumber(ARGV[2])
local now = tonumber(ARGV[3]) or time[1] * 1000 + math.floor(time[2] / 1000)
local verified = redis.call('HGET', KEYS[1], 'verified')
if verified then
  if redis.call('HINCRBY', KEYS[1], 'checks:after', 1) > max and not isEntered(verified) then
    return { 'exhausted', 0 }
  end
  if isEntered(verified) then
    return { 'already', 0, number('verifiedSend') }
  end
  return { 'wrong', 0 }
end

local latest, current = number('latest'), number('current')
if latest == 0 then
  return { 'none', 0 }
end

local candidates, left, exhausted, waitMs = {}, 0, false, nil
local function candidate(send, hash)
  local checks, expiresAt = number('checks:' .. send), number('expiresAt:' .. send)
  if not hash or (expiresAt > 0 and expiresAt <= now) then
    return
  end
  if checks >= max then
    exhausted = true
    return
  end
  local early = checks > 0 and number('checkedAt:' .. send) + tonumber(ARGV[3 + checks] or '0') - now or 0
  if early > 0 then
    waitMs = math.min(waitMs or early, early)
    left = math.max(left, max - checks)
    return
  end
  redis.call('HSET', KEYS[1], 'checks:' .. send, checks + 1, 'checkedAt:' .. send, now)
  left = math.max(left, max - checks - 1)
  candidates[#candidates + 1] = { hash = hash, send = send }
end

if current > 0 then
  candidate(current, redis.call('GET', KEYS[2]))
end
if latest > current then
  candidate(latest, redis.call('HGET', KEYS[1], 'hash:' .. latest))
end

if #candidates == 0 and waitMs then
  return { 'early', left, 0, waitMs }
end
if #candidates == 0 then
  return { exhausted and 'exhausted' or 'expired', 0 }
end
for _, code in ipairs(candidates) do
  if isEntered(code.hash) then
    redis.call('HSET', KEYS[1], 'verified', code.hash, 'verifiedSend', code.send, 'verifiedAt', now)
    redis.call('DEL', KEYS[2])
    return { 'verified', left, code.send }
  end
end
return { 'wrong', left }
