-- Removes messages from the stream of a device that its archive has now. They still wait, so they still count.
-- KEYS[1] inboxes:{user}  KEYS[2] inbox:{user}:device   ARGV[1] device id   then message ids
-- Returns the ids that the stream did not have any more: they were acknowledged meanwhile, so they leave the archive.
local gone = {}
for i = 2, #ARGV do
  if redis.call('XDEL', KEYS[2], ARGV[i]) == 0 then
    gone[#gone + 1] = ARGV[i]
  end
end
if redis.call('XLEN', KEYS[2]) == 0 then
  redis.call('DEL', KEYS[2])
end
local archive = redis.call('HGET', KEYS[1], 'a' .. ARGV[1])
if archive then
  redis.call('HSET', KEYS[1], 'a' .. ARGV[1], (string.gsub(archive, 'o$', 'c')))
end
return gone
