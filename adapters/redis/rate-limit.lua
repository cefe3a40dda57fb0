-- Sliding windows over one sorted set of instants. A refused try is not counted and does not move the time; a try that
-- comes again by its name is counted once.
-- Several tries may be taken at once, to be used a little later: they are counted at the end of that time. Of the last ones
-- there are few at once, so that those who share a limit share them.
-- KEYS[1] ratelimit:{key}:name   ARGV[1] now, ms  ARGV[2] name of this try  ARGV[3] tries at most  ARGV[4] time to use them, ms
-- then, by window: its limit, its length in ms
-- Answers 1 when it is allowed, 2 when it was counted before; how many tries were taken; then, by window: the tries in it,
-- and the instant of that whose leaving makes room.
local now = tonumber(ARGV[1])
local instant = now + tonumber(ARGV[4])
local longest = 0
for i = 5, #ARGV, 2 do
  longest = math.max(longest, tonumber(ARGV[i + 1]))
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - longest)

local allowed = 2
local taken = 0
if not redis.call('ZSCORE', KEYS[1], ARGV[2]) then
  local room = math.huge
  for i = 5, #ARGV, 2 do
    room = math.min(room, tonumber(ARGV[i]) - redis.call('ZCOUNT', KEYS[1], '(' .. (now - ARGV[i + 1]), '+inf'))
  end
  allowed = 0
  if room >= 1 then
    allowed = 1
    taken = math.max(1, math.min(tonumber(ARGV[3]), math.floor(room / 32)))
    redis.call('ZADD', KEYS[1], instant, ARGV[2])
    for i = 2, taken do
      redis.call('ZADD', KEYS[1], instant, ARGV[2] .. ':' .. i)
    end
    redis.call('PEXPIRE', KEYS[1], longest + tonumber(ARGV[4]))
  end
end

local answer = { allowed, taken }
for i = 5, #ARGV, 2 do
  local used = redis.call('ZCOUNT', KEYS[1], '(' .. (now - ARGV[i + 1]), '+inf')
  local rank = math.max(0, math.min(used, tonumber(ARGV[i])) - 1)
  local leaving = redis.call('ZREVRANGE', KEYS[1], rank, rank, 'WITHSCORES')
  answer[#answer + 1] = used
  answer[#answer + 1] = leaving[2] or ARGV[1]
end
return answer
