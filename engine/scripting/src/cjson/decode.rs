//! JSON as Lua values: a tokenizer that also takes what JSON forbids (hexadecimal, infinities) unless told
//! otherwise, and a recursive reader bounded in depth.

use mlua::{Lua, Value};

use super::Config;
use crate::lua_args::Fault;
use crate::number::read_prefix;

enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    String(Vec<u8>),
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Error(&'static str),
}

impl Token {
    fn name(&self) -> &'static str {
        match self {
            Token::ObjectBegin => "T_OBJ_BEGIN",
            Token::ObjectEnd => "T_OBJ_END",
            Token::ArrayBegin => "T_ARR_BEGIN",
            Token::ArrayEnd => "T_ARR_END",
            Token::String(_) => "T_STRING",
            Token::Number(_) => "T_NUMBER",
            Token::Boolean(_) => "T_BOOLEAN",
            Token::Null => "T_NULL",
            Token::Colon => "T_COLON",
            Token::Comma => "T_COMMA",
            Token::End => "T_END",
            Token::Error(what) => what,
        }
    }
}

/// Reads one document.
pub(super) struct Decoder<'a> {
    lua: &'a Lua,
    text: &'a [u8],
    at: usize,
    /// Where the last token, or what is wrong in it, begins.
    token_at: usize,
    depth: i64,
    config: Config,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(lua: &'a Lua, text: &'a [u8], config: Config) -> Self {
        Self { lua, text, at: 0, token_at: 0, depth: 0, config }
    }

    /// The whole text as one value.
    pub(super) fn document(mut self) -> Result<Value, Fault> {
        if self.text.len() >= 2 && (self.text[0] == 0 || self.text[1] == 0) {
            return Err(Fault::new("JSON parser does not support UTF-16 or UTF-32"));
        }
        let token = self.next();
        let value = self.value(token)?;
        match self.next() {
            Token::End => Ok(value),
            other => Err(self.expected("the end", &other)),
        }
    }

    fn value(&mut self, token: Token) -> Result<Value, Fault> {
        Ok(match token {
            Token::String(text) => Value::String(self.lua.create_string(&text)?),
            Token::Number(number) => Value::Number(number),
            Token::Boolean(on) => Value::Boolean(on),
            Token::Null => Value::NULL,
            Token::ObjectBegin => return self.object(),
            Token::ArrayBegin => return self.array(),
            other => return Err(self.expected("value", &other)),
        })
    }

    fn descend(&mut self) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > self.config.decode_max_depth {
            let (depth, at) = (self.depth, self.at);
            return Err(Fault::new(format!(
                "Found too many nested data structures ({depth}) at character {at}"
            )));
        }
        Ok(())
    }

    fn object(&mut self) -> Result<Value, Fault> {
        self.descend()?;
        let table = self.lua.create_table()?;
        let mut token = self.next();
        if !matches!(token, Token::ObjectEnd) {
            loop {
                let Token::String(key) = token else {
                    return Err(self.expected("object key string", &token));
                };
                token = self.next();
                if !matches!(token, Token::Colon) {
                    return Err(self.expected("colon", &token));
                }
                token = self.next();
                let value = self.value(token)?;
                table.raw_set(self.lua.create_string(&key)?, value)?;
                match self.next() {
                    Token::ObjectEnd => break,
                    Token::Comma => token = self.next(),
                    other => return Err(self.expected("comma or object end", &other)),
                }
            }
        }
        self.depth -= 1;
        Ok(Value::Table(table))
    }

    fn array(&mut self) -> Result<Value, Fault> {
        self.descend()?;
        let table = self.lua.create_table()?;
        let mut token = self.next();
        if !matches!(token, Token::ArrayEnd) {
            for index in 1i64.. {
                let value = self.value(token)?;
                table.raw_set(index, value)?;
                match self.next() {
                    Token::ArrayEnd => break,
                    Token::Comma => token = self.next(),
                    other => return Err(self.expected("comma or array end", &other)),
                }
            }
        }
        self.depth -= 1;
        Ok(Value::Table(table))
    }

    fn expected(&self, what: &str, found: &Token) -> Fault {
        let (found, at) = (found.name(), self.token_at + 1);
        Fault::new(format!("Expected {what} but found {found} at character {at}"))
    }

    fn next(&mut self) -> Token {
        while matches!(self.byte(0), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        self.token_at = self.at;
        let single = match self.byte(0) {
            b'{' => Token::ObjectBegin,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayBegin,
            b']' => Token::ArrayEnd,
            b',' => Token::Comma,
            b':' => Token::Colon,
            0 => return Token::End,
            b'"' => return self.string(),
            b'-' | b'0'..=b'9' => {
                return match self.config.decode_invalid_numbers == 0 && self.is_invalid_number() {
                    true => Token::Error("invalid number"),
                    false => self.number(),
                };
            }
            _ => return self.word(),
        };
        self.at += 1;
        single
    }

    fn word(&mut self) -> Token {
        for (word, token) in
            [("true", Token::Boolean(true)), ("false", Token::Boolean(false)), ("null", Token::Null)]
        {
            if self.text[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return token;
            }
        }
        match self.config.decode_invalid_numbers != 0 && self.is_invalid_number() {
            true => self.number(),
            false => Token::Error("invalid token"),
        }
    }

    /// Whether what stands here is a number that JSON does not know.
    fn is_invalid_number(&self) -> bool {
        if self.byte(0) == b'+' {
            return true;
        }
        let from = usize::from(self.byte(0) == b'-');
        match self.byte(from) {
            b'0' => matches!(self.byte(from + 1), b'x' | b'X' | b'0'..=b'9'),
            0..=b'9' => false,
            _ => {
                let rest = self.text.get(self.at + from..self.at + from + 3).unwrap_or_default();
                rest.eq_ignore_ascii_case(b"inf") || rest.eq_ignore_ascii_case(b"nan")
            }
        }
    }

    fn number(&mut self) -> Token {
        let (value, length) = read_prefix(&self.text[self.at..]);
        if length == 0 {
            return Token::Error("invalid number");
        }
        self.at += length;
        Token::Number(value)
    }

    fn string(&mut self) -> Token {
        let begin = self.at;
        self.at += 1;
        let mut out = Vec::new();
        loop {
            match self.byte(0) {
                b'"' => break,
                0 => return self.wrong("unexpected end of string"),
                b'\\' => {
                    let plain = match self.byte(1) {
                        escaped @ (b'"' | b'\\' | b'/') => escaped,
                        b'b' => 8,
                        b't' => b'\t',
                        b'n' => b'\n',
                        b'f' => 12,
                        b'r' => b'\r',
                        b'u' => match self.unicode_escape() {
                            Some((character, length)) => {
                                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                                self.at += length;
                                continue;
                            }
                            None => return self.wrong("invalid unicode escape code"),
                        },
                        _ => return self.wrong("invalid escape code"),
                    };
                    out.push(plain);
                    self.at += 2;
                }
                byte => {
                    out.push(byte);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        self.token_at = begin;
        Token::String(out)
    }

    fn wrong(&mut self, what: &'static str) -> Token {
        self.token_at = self.at;
        Token::Error(what)
    }

    /// The character of the escape that stands here, and the escape's length.
    fn unicode_escape(&self) -> Option<(char, usize)> {
        let first = self.four_digits(2)?;
        if first & 0xF800 != 0xD800 {
            return Some((char::from_u32(first)?, 6));
        }
        if first & 0x400 != 0 || self.byte(6) != b'\\' || self.byte(7) != b'u' {
            return None;
        }
        let second = self.four_digits(8)?;
        if second & 0xFC00 != 0xDC00 {
            return None;
        }
        Some((char::from_u32((((first & 0x3FF) << 10) | (second & 0x3FF)) + 0x10000)?, 12))
    }

    fn four_digits(&self, from: usize) -> Option<u32> {
        (0..4).try_fold(0, |value, index| Some(value * 16 + (self.byte(from + index) as char).to_digit(16)?))
    }

    /// The byte so far ahead; 0 beyond the end, as after a C string.
    fn byte(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }
}
