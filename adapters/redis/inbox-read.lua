-- Reads entries of an inbox, oldest first, as many as there is room for and at least one.
-- KEYS[1] inbox:{user}:device   ARGV[1] first id  ARGV[2] last id  ARGV[3] most entries  ARGV[4] most bytes
-- Returns ids and entries by turns.
local found, bytes, from = {}, 0, ARGV[1]
local left = tonumber(ARGV[3])
while left > 0 do
  -- few at a time, because each may have 128 KiB
  local page = redis.call('XRANGE', KEYS[1], from, ARGV[2], 'COUNT', math.min(left, 16))
  for _, entry in ipairs(page) do
    bytes = bytes + #entry[2][2]
    if bytes > tonumber(ARGV[4]) and #found > 0 then
      return found
    end
    found[#found + 1] = entry[1]
    found[#found + 1] = entry[2][2]
  end
  if #page < math.min(left, 16) then
    return found
  end
  left = left - #page
  from = '(' .. page[#page][1]
end
return found
