-- Adds a beat to the log, if every change before it is there.
--
-- On the way it looks at some epochs of sessions and removes those that nobody can ask for any
-- more: a field of a hash does not expire by itself.
--
-- KEYS: epochs, log
-- ARGV: the change before the beat, how many entries are kept, the entry, the time, how many
--       epochs to look at
if redis.call('HGET', KEYS[1], 'position') ~= ARGV[1] then
    return 0
end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[2], ARGV[1] .. '-*', 'e', ARGV[3])

local from = redis.call('HGET', KEYS[1], 'sweep') or '0'
local page = redis.call('HSCAN', KEYS[1], from, 'MATCH', 's:*', 'COUNT', ARGV[5])
for at = 1, #page[2], 2 do
    local ends_at = string.match(page[2][at + 1], ':(%d+)$')
    if ends_at and tonumber(ends_at) <= tonumber(ARGV[4]) then
        redis.call('HDEL', KEYS[1], page[2][at])
    end
end
if page[1] ~= from then
    redis.call('HSET', KEYS[1], 'sweep', page[1])
end
return 1
