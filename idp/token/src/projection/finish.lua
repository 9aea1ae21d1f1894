-- Says as of which change the epochs are complete, if all of them are of the one who says so.
--
-- KEYS: epochs
-- ARGV: who filled it, the change
if redis.call('HGET', KEYS[1], 'filled_by') ~= ARGV[1] then
    return 0
end
redis.call('HDEL', KEYS[1], 'filled_by')
redis.call('HSET', KEYS[1], 'position', ARGV[2])
return 1
