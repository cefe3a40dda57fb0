-- Sliding windows over one sorted set of instants. A refused try is not counted and does not move the time; a try that
-- comes again by its name is counted once.
-- KEYS[1] ratelimit:{key}:name   ARGV[1] now, ms  ARGV[2] name of this try  then, by window: its limit, its length in ms
-- Answers 1 when it is allowed, 2 when it was counted before; then, by window: the tries in it, and the instant of that whose leaving makes room.
local now = tonumber(ARGV[1])
local longest = 0
for i = 3, #ARGV, 2 do
  longest = math.max(longest, tonumber(ARGV[i + 1]))
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - longest)

local allowed = 2
if not redis.call('ZSCORE', KEYS[1], ARGV[2]) then
  allowed = 1
  for i = 3, #ARGV, 2 do
    if redis.call('ZCOUNT', KEYS[1], '(' .. (now - ARGV[i + 1]), '+inf') >= tonumber(ARGV[i]) then
      allowed = 0
    end
  end
  if allowed == 1 then
    redis.call('ZADD', KEYS[1], now, ARGV[2])
    redis.call('PEXPIRE', KEYS[1], longest)
  end
end

local answer = { allowed }
for i = 3, #ARGV, 2 do
  local used = redis.call('ZCOUNT', KEYS[1], '(' .. (now - ARGV[i + 1]), '+inf')
  local rank = math.max(0, math.min(used, tonumber(ARGV[i])) - 1)
  local leaving = redis.call('ZREVRANGE', KEYS[1], rank, rank, 'WITHSCORES')
  answer[#answer + 1] = used
  answer[#answer + 1] = leaving[2] or ARGV[1]
end
return answer
