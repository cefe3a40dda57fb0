-- Undoes a send that no provider accepted. Nobody received its code, so the code must not be valid.
-- KEYS[1] verification:{subject}:purpose   ARGV[1] send
local send = ARGV[1]
if redis.call('HGET', KEYS[1], 'state:' .. send) == 'sent' then
  return 0
end
for _, field in ipairs({ 'hash:', 'encrypted:', 'state:', 'startedAt:', 'checks:', 'checkedAt:' }) do
  redis.call('HDEL', KEYS[1], field .. send)
end
if redis.call('HGET', KEYS[1], 'latest') == send then
  local before = tonumber(send) - 1
  while before > 0 and redis.call('HEXISTS', KEYS[1], 'hash:' .. before) == 0 do
    before = before - 1
  end
  if before > 0 then
    redis.call('HSET', KEYS[1], 'latest', before)
  else
    redis.call('HDEL', KEYS[1], 'latest')
  end
end
return 1
