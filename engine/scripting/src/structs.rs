//! The `struct` library: values packed into bytes by a format, as Roberto Ierusalimschy's library of that
//! name does it (version 0.2, with the checks Redis added).

use mlua::{Lua, MultiValue, Table, Value};

use crate::lua_args::{Fault, LuaArgs, function, to_i64};

/// Largest integer, in bytes.
const MAX_INTEGER_BYTES: usize = 32;

/// Builds the library.
pub(crate) fn library(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("pack", function(lua, "pack", pack)?)?;
    table.raw_set("unpack", function(lua, "unpack", unpack)?)?;
    table.raw_set("size", function(lua, "size", size)?)?;
    Ok(table)
}

/// A format, read option by option.
struct Format {
    text: Vec<u8>,
    at: usize,
    big_endian: bool,
    align: usize,
}

impl Format {
    fn new(args: &LuaArgs) -> Result<Self, Fault> {
        let mut text = args.string(0)?;
        // As a C string, it ends at the first NUL.
        if let Some(end) = text.iter().position(|byte| *byte == 0) {
            text.truncate(end);
        }
        Ok(Self { text, at: 0, big_endian: false, align: 1 })
    }

    /// The next option and its size.
    fn next(&mut self) -> Result<Option<(u8, usize)>, Fault> {
        let Some(&option) = self.text.get(self.at) else { return Ok(None) };
        self.at += 1;
        let size = match option {
            b'B' | b'b' | b'x' => 1,
            b'H' | b'h' => 2,
            b'f' => 4,
            b'L' | b'l' | b'T' | b'd' => 8,
            b'c' => self.number(1)?,
            b'i' | b'I' => {
                let size = self.number(4)?;
                if size > MAX_INTEGER_BYTES {
                    return Err(Fault::new(format!(
                        "integral size {size} is larger than limit of {MAX_INTEGER_BYTES}"
                    )));
                }
                size
            }
            _ => 0,
        };
        Ok(Some((option, size)))
    }

    fn number(&mut self, default: usize) -> Result<usize, Fault> {
        let mut number = None;
        while let Some(digit) = self.text.get(self.at).filter(|byte| byte.is_ascii_digit()) {
            let value = number.unwrap_or(0usize) * 10 + usize::from(digit - b'0');
            if value > i32::MAX as usize {
                return Err(Fault::new("integral size overflow"));
            }
            number = Some(value);
            self.at += 1;
        }
        Ok(number.unwrap_or(default))
    }

    /// Bytes that are left out before an option of this size.
    fn padding(&self, position: usize, option: u8, size: usize) -> usize {
        if size == 0 || option == b'c' {
            return 0;
        }
        let size = size.min(self.align);
        // Sizes that are no power of two align as oddly as in C.
        size.wrapping_sub(position & size.wrapping_sub(1)) & size.wrapping_sub(1)
    }

    /// An option that only changes how others are read.
    fn control(&mut self, option: u8, args: &LuaArgs) -> Result<(), Fault> {
        match option {
            b' ' => {}
            b'>' => self.big_endian = true,
            b'<' => self.big_endian = false,
            b'!' => {
                let align = self.number(8)?;
                if !align.is_power_of_two() && align != 0 {
                    return Err(Fault::new(format!("alignment {align} is not a power of 2")));
                }
                self.align = align;
            }
            other => return Err(args.fault(0, &format!("invalid format option '{}'", other as char))),
        }
        Ok(())
    }

    /// Puts little-endian bytes into the order asked for.
    fn ordered<'a>(&self, bytes: &'a mut [u8]) -> &'a [u8] {
        if self.big_endian {
            bytes.reverse();
        }
        bytes
    }
}

fn pack(lua: &Lua, args: LuaArgs) -> Result<MultiValue, Fault> {
    let mut format = Format::new(&args)?;
    let mut out: Vec<u8> = Vec::new();
    let mut next = 1;
    while let Some((option, size)) = format.next()? {
        let padding = format.padding(out.len(), option, size);
        out.resize(out.len() + padding, 0);
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let number = number_at(&args, next)?;
                let value = to_u64(number);
                let mut bytes = [0; MAX_INTEGER_BYTES];
                bytes[..8].copy_from_slice(&value.to_le_bytes());
                out.extend_from_slice(format.ordered(&mut bytes[..size]));
                next += 1;
            }
            b'x' => out.push(0),
            b'f' => {
                let mut bytes = (number_at(&args, next)? as f32).to_le_bytes();
                out.extend_from_slice(format.ordered(&mut bytes));
                next += 1;
            }
            b'd' => {
                let mut bytes = number_at(&args, next)?.to_le_bytes();
                out.extend_from_slice(format.ordered(&mut bytes));
                next += 1;
            }
            b'c' | b's' => {
                let text = args.string(next).map_err(|_| missing(&args, next, "string"))?;
                next += 1;
                let size = if size == 0 { text.len() } else { size };
                if text.len() < size {
                    return Err(args.fault(next, "string too short"));
                }
                out.extend_from_slice(&text[..size]);
                if option == b's' {
                    out.push(0);
                }
            }
            other => format.control(other, &args)?,
        }
    }
    Ok(MultiValue::from_iter([Value::String(lua.create_string(&out)?)]))
}

/// A C cast to an unsigned 64-bit integer, as compilers for x86 make it.
fn to_u64(number: f64) -> u64 {
    const HALF: f64 = 9_223_372_036_854_775_808.0;
    match number < HALF {
        true => to_i64(number) as u64,
        false => to_i64(number - HALF) as u64 ^ (1 << 63),
    }
}

fn number_at(args: &LuaArgs, index: usize) -> Result<f64, Fault> {
    args.number(index).map_err(|_| missing(args, index, "number"))
}

/// A missing argument counts as nil here.
fn missing(args: &LuaArgs, index: usize, expected: &str) -> Fault {
    match args.get(index) {
        Some(_) => args.wrong_type(index, expected),
        None => args.fault(index, &format!("{expected} expected, got nil")),
    }
}

fn unpack(lua: &Lua, args: LuaArgs) -> Result<MultiValue, Fault> {
    let mut format = Format::new(&args)?;
    let data = args.string(1)?;
    let position = match args.get(2) {
        None | Some(Value::Nil) => 1,
        Some(_) => args.integer(2)?,
    };
    if position == 0 {
        return Err(args.fault(2, "offset must be 1 or greater"));
    }
    // A negative one counts as far beyond the end, as in C.
    let mut at = (position as usize).wrapping_sub(1);
    let mut values = MultiValue::new();
    let fits = |at: usize, size: usize| match size <= data.len() && at <= data.len() - size {
        true => Ok(()),
        false => Err(args.fault(1, "data string too short")),
    };
    while let Some((option, mut size)) = format.next()? {
        at = at.wrapping_add(format.padding(at, option, size));
        fits(at, size)?;
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let value = integer(&data[at..at + size], format.big_endian);
                values.push_back(Value::Number(match option.is_ascii_lowercase() {
                    true => signed(value, size) as f64,
                    false => value as f64,
                }));
            }
            b'x' => {}
            b'f' => {
                let bits = integer(&data[at..at + 4], format.big_endian) as u32;
                values.push_back(Value::Number(f64::from(f32::from_bits(bits))));
            }
            b'd' => {
                let bits = integer(&data[at..at + 8], format.big_endian);
                values.push_back(Value::Number(f64::from_bits(bits)));
            }
            b'c' => {
                if size == 0 {
                    size = match values.pop_back().as_ref().and_then(crate::lua_args::as_number) {
                        Some(number) if number.is_nan() => usize::MAX,
                        Some(number) => to_u64(number) as usize,
                        None => return Err(Fault::new("format 'c0' needs a previous size")),
                    };
                    fits(at, size)?;
                }
                values.push_back(Value::String(lua.create_string(&data[at..at + size])?));
            }
            b's' => {
                let rest = &data[at..];
                let Some(length) = rest.iter().position(|byte| *byte == 0) else {
                    return Err(Fault::new("unfinished string in data"));
                };
                values.push_back(Value::String(lua.create_string(&rest[..length])?));
                size = length + 1;
            }
            other => format.control(other, &args)?,
        }
        at += size;
    }
    values.push_back(Value::Integer(at as i64 + 1));
    Ok(values)
}

fn integer(bytes: &[u8], big_endian: bool) -> u64 {
    let step = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
    match big_endian {
        true => bytes.iter().fold(0, step),
        false => bytes.iter().rev().fold(0, step),
    }
}

fn signed(value: u64, size: usize) -> i64 {
    let mask = u64::MAX.wrapping_shl((size as u32 * 8).wrapping_sub(1));
    (if value & mask != 0 { value | mask } else { value }) as i64
}

fn size(_: &Lua, args: LuaArgs) -> Result<MultiValue, Fault> {
    let mut format = Format::new(&args)?;
    let mut position = 0usize;
    while let Some((option, size)) = format.next()? {
        position += format.padding(position, option, size);
        if option == b's' {
            return Err(args.fault(0, "option 's' has no fixed size"));
        }
        if option == b'c' && size == 0 {
            return Err(args.fault(0, "option 'c0' has no fixed size"));
        }
        if !option.is_ascii_alphanumeric() {
            format.control(option, &args)?;
        }
        position += size;
    }
    Ok(MultiValue::from_iter([Value::Integer(position as i64)]))
}
