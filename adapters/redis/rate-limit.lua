-- Counts an attempt in several limits, in all of them or in none: each is sliding windows over a sorted set of timestamps.
-- A refused attempt is not counted and does not extend the wait. An attempt that is repeated with the same id is counted
-- once. Several attempts may be taken at once for later use; they are counted at the end of the time in which they may be
-- used. The fewer are left, the fewer are taken at once, so that several processes can share the last ones.
-- In a gradual limit, which has one window, attempts leave one by one, as from a leaky bucket: each is dated so that it leaves a
-- fixed time after the one before it, and after now.
-- The time is that of Redis, so that no clock of a process frees or shortens anything.
-- KEYS ratelimit:{key}:name of each limit, on one node   ARGV[1] time in place of that of Redis, ms, or empty
-- ARGV[2] attempt id  ARGV[3] maximum to take  ARGV[4] time in which they may be used, ms
-- then for each limit: time between two that leave a gradual limit, ms, or 0; the number of its windows; the limit of each
-- window and its length in ms
-- Returns the time; then for each limit: 0 if it refuses, 1 if it allows, 2 if the attempt was counted before; the number
-- taken; for each window the attempts in it, and the timestamp of the attempt whose expiry makes the next one possible.
local time = redis.call('TIME')
local now = tonumber(ARGV[1]) or time[1] * 1000 + math.floor(time[2] / 1000)
local id, most, usable = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])

local limits = {}
local at = 5
for index = 1, #KEYS do
  local limit = { spacing = tonumber(ARGV[at]), longest = 0, windows = {} }
  for window = 1, tonumber(ARGV[at + 1]) do
    local max, length = tonumber(ARGV[at + 2 * window]), tonumber(ARGV[at + 2 * window + 1])
    limit.windows[window] = { max = max, length = length }
    limit.longest = math.max(limit.longest, length)
  end
  at = at + 2 + 2 * #limit.windows
  limits[index] = limit
end

local function usedIn(key, window)
  return redis.call('ZCOUNT', key, '(' .. (now - window.length), '+inf')
end

local isRefused = false
for index, key in ipairs(KEYS) do
  local limit = limits[index]
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now - limit.longest)
  limit.isCounted = redis.call('ZSCORE', key, id) ~= false
  limit.room = math.huge
  for _, window in ipairs(limit.windows) do
    limit.room = math.min(limit.room, window.max - usedIn(key, window))
  end
  isRefused = isRefused or (not limit.isCounted and limit.room < 1)
end

local function take(key, limit)
  local instant = now + usable
  if limit.spacing > 0 then
    local latest = redis.call('ZREVRANGE', key, 0, 0, 'WITHSCORES')[2]
    instant = math.max(now, (tonumber(latest) or 0) + limit.longest) + limit.spacing - limit.longest
  end
  local taken = math.max(1, math.min(most, math.floor(limit.room / 32)))
  redis.call('ZADD', key, instant, id)
  for extra = 2, taken do
    redis.call('ZADD', key, instant, id .. ':' .. extra)
  end
  redis.call('PEXPIRE', key, limit.longest + usable)
  return taken
end

local answer = { now }
for index, key in ipairs(KEYS) do
  local limit = limits[index]
  local state = { 2, 0 }
  if not limit.isCounted then
    state = { limit.room >= 1 and 1 or 0, isRefused and 0 or take(key, limit) }
  end
  for _, window in ipairs(limit.windows) do
    local used = usedIn(key, window)
    local rank = math.max(0, math.min(used, window.max) - 1)
    local leaving = redis.call('ZREVRANGE', key, rank, rank, 'WITHSCORES')
    state[#state + 1] = used
    state[#state + 1] = leaving[2] or now
  end
  answer[#answer + 1] = state
end
return answer
