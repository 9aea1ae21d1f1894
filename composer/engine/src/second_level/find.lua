-- What lies there of entities of one lookup, and a place for each of which nothing does.
--
-- KEYS: the generation of the lookup, then the entities.
-- ARGV: the run of this server; what makes a new generation and a new place like no other; whether a
-- new generation begins; how many milliseconds a generation and a place live; the bytes of one value
-- and of all together.
-- Answers with the time in milliseconds, and of each entity: what lies there, for how many
-- milliseconds, and whether something had to go that did not belong there.
local run, fresh, begins = ARGV[1], ARGV[2], ARGV[3] == '1'
local generation_life, place_life = ARGV[4], ARGV[5]
local value_max, left_of_all = tonumber(ARGV[6]), tonumber(ARGV[7])

local generation = redis.pcall('GET', KEYS[1])
if begins or type(generation) ~= 'string' or #generation ~= 32 or generation:sub(1, 16) ~= run then
  generation = run .. fresh
end
-- Written in any case: a server that may not be written to is not believed.
redis.call('SET', KEYS[1], generation, 'PX', generation_life)

local place = 'R' .. generation .. fresh
local entities = {}
for number = 2, #KEYS do
  local key = KEYS[number]
  -- One byte more than a value may have tells one that is too long.
  local held = redis.pcall('GETRANGE', key, 0, value_max)
  local life, is_foreign = 0, 0
  if type(held) ~= 'string' then
    held, is_foreign = '', 1
  elseif held ~= '' then
    life = redis.call('PTTL', key)
    local kind = held:sub(1, 1)
    local is_sound = kind == 'V' and #held > 49 and #held <= value_max or kind == 'R' and #held == 49
    if not is_sound or life < 0 then
      held, is_foreign = '', 1
    elseif held:sub(2, 33) ~= generation then
      held = ''
    end
  end
  if held == '' then
    redis.call('SET', key, place, 'PX', place_life)
    held, life = place, tonumber(place_life)
  end
  left_of_all = left_of_all - #held
  if left_of_all < 0 then
    held, life = '', 0
  end
  entities[number - 1] = { held, life, is_foreign }
end

local now = redis.call('TIME')
return { now[1] * 1000 + math.floor(now[2] / 1000), entities }
