-- Forgets every epoch and the log, to begin anew. Without a position nothing here is believed.
--
-- KEYS: epochs, log
-- ARGV: who fills it now
redis.call('UNLINK', KEYS[1], KEYS[2])
redis.call('HSET', KEYS[1], 'filled_by', ARGV[1])
return 1
