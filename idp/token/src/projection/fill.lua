-- Sets epochs, as long as nobody else has begun to fill.
--
-- KEYS: epochs
-- ARGV: who fills it; then a field and an epoch for each target
if redis.call('HGET', KEYS[1], 'filled_by') ~= ARGV[1] then
    return 0
end
for at = 2, #ARGV, 2 do
    redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1])
end
return 1
