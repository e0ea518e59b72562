-- The part of the sandbox that is best said in Lua: read-only tables, and guards around functions of the
-- standard library. Called once per interpreter with the functions it needs of Rust.
--
-- A read-only table is an empty proxy before the real one. Whatever looks at tables without metamethods
-- (next, pairs, rawget, …) is taught to look behind the proxy. The chunk's name begins error positions
-- inside guards; `convert` and the handler of the outermost error take that off again.

local convert, max_pattern = ...

local error, type, select, tostring = error, type, select, tostring
local next, pairs, rawget, rawset = next, pairs, rawget, rawset
local getmetatable, setmetatable = getmetatable, setmetatable
local pcall, xpcall, loadstring = pcall, xpcall, loadstring
local find, match, gmatch, gsub, byte = string.find, string.match, string.gmatch, string.gsub, string.byte
local concat = table.concat
local resume = coroutine.resume

local READONLY = 'Attempt to modify a readonly table'
local behind = setmetatable({}, { __mode = 'k' })

local function refuse()
  error(READONLY, 2)
end

local function freeze(table, index)
  local proxy = {}
  behind[proxy] = table
  return setmetatable(proxy, { __index = index or table, __newindex = refuse })
end

local function settle(ok, ...)
  if ok then
    return true, ...
  end
  return false, (convert((...)))
end

local function settle_text(ok, ...)
  if ok then
    return true, ...
  end
  local failure = convert((...))
  if type(failure) == 'table' then
    local text = failure.err
    if type(text) == 'string' or type(text) == 'number' then
      failure = text
    end
  end
  return false, failure
end

local guarded = {}

function guarded.pcall(...)
  return settle_text(pcall(...))
end

function guarded.xpcall(body, handler)
  return xpcall(body, function(failure)
    return handler(convert(failure))
  end)
end

function guarded.next(table, ...)
  local real = behind[table]
  if real then
    return next(real, ...)
  end
  return next(table, ...)
end

function guarded.pairs(...)
  local real = behind[(...)]
  if not real then
    return pairs(...)
  end
  return function(_, key)
    return next(real, key)
  end, (...), nil
end

function guarded.rawget(table, ...)
  return rawget(behind[table] or table, ...)
end

function guarded.rawset(table, ...)
  if behind[table] then
    error(READONLY, 0)
  end
  return rawset(table, ...)
end

function guarded.getmetatable(...)
  local real = behind[(...)]
  if real then
    return nil
  end
  return getmetatable(...)
end

function guarded.setmetatable(table, ...)
  if behind[table] then
    error(READONLY, 0)
  end
  return setmetatable(table, ...)
end

-- Compiled code is never loaded: what the interpreter does with it is not safe.
local function compile(text, name)
  if byte(text, 1) == 27 then
    local shown = match(name, '^[=@](.*)$') or '[string "' .. match(name, '^[^\n]*') .. '"]'
    return nil, shown .. ":1: unexpected symbol near 'char(27)'"
  end
  return loadstring(text, name)
end

function guarded.loadstring(...)
  local text, name = ...
  if type(text) ~= 'string' then
    return loadstring(...)
  end
  return compile(text, type(name) == 'string' and name or text)
end

local load = load
function guarded.load(...)
  local reader, name = ...
  if type(reader) ~= 'function' then
    return load(...)
  end
  local pieces = {}
  while true do
    local ok, piece = pcall(reader)
    if not ok then
      return nil, (convert(piece))
    elseif piece == nil or piece == '' then
      break
    elseif type(piece) ~= 'string' and type(piece) ~= 'number' then
      return nil, 'reader function must return a string'
    end
    pieces[#pieces + 1] = piece
  end
  return compile(concat(pieces), type(name) == 'string' and name or '=(load)')
end

-- The pattern matcher recurses once an item.
local function check(pattern)
  if type(pattern) == 'string' and #pattern > max_pattern then
    error('pattern too complex', 3)
  end
end

local patterns = {
  find = function(...)
    check((select(2, ...)))
    return find(...)
  end,
  match = function(...)
    check((select(2, ...)))
    return match(...)
  end,
  gmatch = function(...)
    check((select(2, ...)))
    return gmatch(...)
  end,
  gsub = function(...)
    check((select(2, ...)))
    return gsub(...)
  end,
}

local function copy(from, names)
  local into = {}
  if names then
    for name in gmatch(names, '%S+') do
      into[name] = from[name]
    end
  else
    for name, value in next, from do
      into[name] = value
    end
  end
  return into
end

local globals = copy(_G, [[
  _VERSION assert collectgarbage error gcinfo ipairs rawequal select tonumber tostring type unpack
]])
for name, value in next, guarded do
  globals[name] = value
end

local strings = copy(string)
for name, value in next, patterns do
  strings[name] = value
end
strings.gfind = strings.gmatch
local texts = getmetatable('')
texts.__index = strings
texts.__metatable = freeze({ __index = freeze(strings) })
globals.string = freeze(strings)

globals.table = freeze(copy(table))
globals.os = freeze({ clock = os.clock })
local coroutines = copy(coroutine)
function coroutines.resume(...)
  return settle(resume(...))
end
globals.coroutine = freeze(coroutines)

local function missing(_, name)
  error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
end
setmetatable(globals, { __index = missing })

-- What functions of libraries see while their library is loaded.
local loading = setmetatable({}, { __index = missing })

local phases = { __index = globals, __newindex = refuse, __metatable = freeze({}) }
local environment = setmetatable({}, phases)
globals._G = environment
loading._G = environment
behind[environment] = globals

return {
  globals = globals,
  loading = loading,
  environment = environment,
  freeze = freeze,
  -- As freeze, but a field that is not there is an error.
  freeze_strictly = function(table)
    return freeze(setmetatable(table, { __index = missing }))
  end,
  math = copy(math),
  -- Chooses what scripts see from now on.
  phase = function(is_loading)
    phases.__index = is_loading and loading or globals
    behind[environment] = phases.__index
  end,
  bind = function(body, names, values)
    return function()
      return body(names, values)
    end
  end,
}
