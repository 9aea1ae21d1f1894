-- Adds changes to the log and sets the epochs of their targets, if nothing is missing before them.
--
-- KEYS: epochs, log
-- ARGV: the change before these, the last of these, how many entries are kept;
--       then for each change: its number, the field of its target, the epoch, the entry
if redis.call('HGET', KEYS[1], 'position') ~= ARGV[1] then
    return 0
end
for at = 4, #ARGV, 4 do
    redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], ARGV[at] .. '-0', 'e', ARGV[at + 3])
    redis.call('HSET', KEYS[1], ARGV[at + 1], ARGV[at + 2])
end
redis.call('HSET', KEYS[1], 'position', ARGV[2])
return 1
