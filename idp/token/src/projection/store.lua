-- Writes a record, unless it is older than one of its epochs or nobody knows whether it is.
--
-- KEYS: epochs, record
-- ARGV: the change that the record is built from, the record, seconds to keep it;
--       then the fields of its epochs
local found = redis.call('HMGET', KEYS[1], 'position', unpack(ARGV, 4))
if not found[1] then
    return 0
end
for at = 2, #found do
    local epoch = found[at] and string.match(found[at], '^%d+') or '0'
    if tonumber(epoch) > tonumber(ARGV[1]) then
        return 0
    end
end
redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3])
return 1
