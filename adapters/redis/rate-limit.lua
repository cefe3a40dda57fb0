-- Sliding windows over one sorted set of timestamps. A refused attempt is not counted and does not extend the wait. An
-- attempt that is repeated with the same id is counted once. Several attempts may be taken at once for later use; they
-- are counted at the end of the time in which they may be used. The fewer are left, the fewer are taken at once, so
-- that several processes can share the last ones.
-- In a gradual limit, which has one window, attempts leave one by one, as from a leaky bucket: each is dated so that it leaves a
-- fixed time after the one before it, and after now.
-- The time is that of Redis, so that no clock of a process frees or shortens anything.
-- KEYS[1] ratelimit:{key}:name   ARGV[1] time in place of that of Redis, ms, or empty  ARGV[2] attempt id  ARGV[3] maximum to take
-- ARGV[4] time in which they may be used, ms   ARGV[5] time between two that leave a gradual limit, ms, or 0
-- then for each window: its limit, its length in ms
-- Returns 0 if refused, 1 if allowed, 2 if counted before; the number taken; the time; then for each window: the attempts in it,
-- and the timestamp of the attempt whose expiry makes the next one possible.
local time = redis.call('TIME')
local now = tonumber(ARGV[1]) or time[1] * 1000 + math.floor(time[2] / 1000)
local instant = now + tonumber(ARGV[4])
local longest = 0
for i = 6, #ARGV, 2 do
  longest = math.max(longest, tonumber(ARGV[i + 1]))
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - longest)

local allowed = 2
local taken = 0
if not redis.call('ZSCORE', KEYS[1], ARGV[2]) then
  local room = math.huge
  for i = 6, #ARGV, 2 do
    room = math.min(room, tonumber(ARGV[i]) - redis.call('ZCOUNT', KEYS[1], '(' .. (now - ARGV[i + 1]), '+inf'))
  end
  allowed = 0
  if room >= 1 then
    allowed = 1
    local spacing = tonumber(ARGV[5])
    if spacing > 0 then
      local latest = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
      instant = math.max(now, (tonumber(latest) or 0) + longest) + spacing - longest
    end
    taken = math.max(1, math.min(tonumber(ARGV[3]), math.floor(room / 32)))
    redis.call('ZADD', KEYS[1], instant, ARGV[2])
    for i = 2, taken do
      redis.call('ZADD', KEYS[1], instant, ARGV[2] .. ':' .. i)
    end
    redis.call('PEXPIRE', KEYS[1], longest + tonumber(ARGV[4]))
  end
end

local answer = { allowed, taken, now }
for i = 6, #ARGV, 2 do
  local used = redis.call('ZCOUNT', KEYS[1], '(' .. (now - ARGV[i + 1]), '+inf')
  local rank = math.max(0, math.min(used, tonumber(ARGV[i])) - 1)
  local leaving = redis.call('ZREVRANGE', KEYS[1], rank, rank, 'WITHSCORES')
  answer[#answer + 1] = used
  answer[#answer + 1] = leaving[2] or now
end
return answer
