-- A record and all epochs that bear on it, as of one moment.
--
-- KEYS: epochs, record
-- Reply: position; epochs of session, subject, client, tenant and everything; record. Or nothing.
local record = redis.call('GET', KEYS[2])
if not record then
    return {}
end
local is_json, it = pcall(cjson.decode, record)
if not is_json or type(it) ~= 'table' then
    return {}
end
local found = redis.call('HMGET', KEYS[1], 'position', 's:' .. tostring(it.sid),
    'u:' .. tostring(it.sub), 'c:' .. tostring(it.client), 't:' .. tostring(it.tenant), 'g')
found[7] = record
return found
