-- Stores entities, each only where there still lies what was seen before its service was asked.
--
-- KEYS: the entities.
-- ARGV: of each what was seen, what is to lie there, and until when, in milliseconds.
-- Answers for each with 1 for done and 0 for refused.
local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
local done = {}
for number, key in ipairs(KEYS) do
  local seen, value, last = ARGV[number * 3 - 2], ARGV[number * 3 - 1], ARGV[number * 3]
  done[number] = 0
  if tonumber(last) > now_ms and redis.pcall('GETRANGE', key, 0, #seen) == seen then
    redis.call('SET', key, value, 'PXAT', last)
    done[number] = 1
  end
end
return done
