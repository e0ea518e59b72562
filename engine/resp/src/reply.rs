//! Replies, written straight into a client's output buffer in the protocol version it asked for.
//!
//! The callers say what a reply *is* (a map, a double, a null); this module knows how each version spells
//! it. RESP2 has no maps, sets, doubles, booleans or pushes: they become arrays and strings there.

use crate::encode::{bulk, header};
use crate::number::write_f64;

/// The protocol version of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// The version every connection begins with.
    #[default]
    Resp2,
    /// After `HELLO 3`.
    Resp3,
}

/// Where the header of an array or map goes whose length is not known yet.
#[derive(Debug)]
#[must_use = "the reply lacks its header until it is put there"]
pub struct Deferred(usize);

/// Writes replies into a buffer.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
    protocol: Protocol,
}

impl<'a> Writer<'a> {
    /// A writer that appends to `out`.
    pub fn new(out: &'a mut Vec<u8>, protocol: Protocol) -> Self {
        Self { out, protocol }
    }

    /// The protocol version in force.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// `+OK`.
    pub fn ok(&mut self) {
        self.raw(b"+OK\r\n");
    }

    /// A simple string; must not contain line ends.
    pub fn simple(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// An error line, code first: `ERR syntax error`. Line ends in it become spaces.
    pub fn error(&mut self, text: &str) {
        self.out.push(b'-');
        self.out.extend(text.bytes().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
        self.raw(b"\r\n");
    }

    /// An integer.
    pub fn int(&mut self, value: i64) {
        self.line(b':', itoa::Buffer::new().format(value).as_bytes());
    }

    /// A bulk string.
    pub fn bulk(&mut self, bytes: &[u8]) {
        bulk(self.out, bytes);
    }

    /// An integer as a bulk string.
    pub fn bulk_int(&mut self, value: i64) {
        self.bulk(itoa::Buffer::new().format(value).as_bytes());
    }

    /// The absence of a value.
    pub fn null(&mut self) {
        match self.protocol {
            Protocol::Resp2 => self.raw(b"$-1\r\n"),
            Protocol::Resp3 => self.raw(b"_\r\n"),
        }
    }

    /// The absence of an array.
    pub fn null_array(&mut self) {
        match self.protocol {
            Protocol::Resp2 => self.raw(b"*-1\r\n"),
            Protocol::Resp3 => self.raw(b"_\r\n"),
        }
    }

    /// Begins an array of `length` elements, which must follow.
    pub fn array(&mut self, length: usize) {
        header(self.out, b'*', length);
    }

    /// Begins a map of `length` pairs.
    pub fn map(&mut self, length: usize) {
        match self.protocol {
            Protocol::Resp2 => header(self.out, b'*', length * 2),
            Protocol::Resp3 => header(self.out, b'%', length),
        }
    }

    /// Begins a set of `length` elements.
    pub fn set(&mut self, length: usize) {
        match self.protocol {
            Protocol::Resp2 => header(self.out, b'*', length),
            Protocol::Resp3 => header(self.out, b'~', length),
        }
    }

    /// Begins an array or map whose length will be known once its elements are written.
    pub fn deferred(&mut self) -> Deferred {
        Deferred(self.out.len())
    }

    /// Puts the header of an array of `length` elements before what was written since.
    pub fn finish_array(&mut self, begun: Deferred, length: usize) {
        self.finish_with(begun, |writer| writer.array(length));
    }

    /// Puts the header of a map of `length` pairs before what was written since.
    pub fn finish_map(&mut self, begun: Deferred, length: usize) {
        self.finish_with(begun, |writer| writer.map(length));
    }

    /// Puts what `write` writes before what was written since.
    pub fn finish_with(&mut self, Deferred(at): Deferred, write: impl FnOnce(&mut Writer<'_>)) {
        let mut header = Vec::with_capacity(24);
        write(&mut Writer::new(&mut header, self.protocol));
        self.out.splice(at..at, header);
    }

    /// Begins out-of-band data of `length` elements.
    pub fn push(&mut self, length: usize) {
        match self.protocol {
            Protocol::Resp2 => header(self.out, b'*', length),
            Protocol::Resp3 => header(self.out, b'>', length),
        }
    }

    /// A floating point number.
    pub fn double(&mut self, value: f64) {
        let mut text = Vec::with_capacity(24);
        write_f64(&mut text, value);
        match self.protocol {
            Protocol::Resp2 => self.bulk(&text),
            Protocol::Resp3 => self.line(b',', &text),
        }
    }

    /// A truth value: an integer in RESP2.
    pub fn boolean(&mut self, value: bool) {
        match (self.protocol, value) {
            (Protocol::Resp2, _) => self.int(i64::from(value)),
            (Protocol::Resp3, true) => self.raw(b"#t\r\n"),
            (Protocol::Resp3, false) => self.raw(b"#f\r\n"),
        }
    }

    /// Text for people, with its format (`txt` or `mkd`): a bulk string in RESP2.
    pub fn verbatim(&mut self, format: &str, text: &[u8]) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => {
                header(self.out, b'=', text.len() + format.len() + 1);
                self.raw(format.as_bytes());
                self.raw(b":");
                self.raw(text);
                self.raw(b"\r\n");
            }
        }
    }

    /// An integer of any size, as its digits: a bulk string in RESP2.
    pub fn big_number(&mut self, digits: &str) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(digits.as_bytes()),
            Protocol::Resp3 => self.line(b'(', digits.as_bytes()),
        }
    }

    /// Bytes that are a reply already.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        self.out.push(kind);
        self.out.extend_from_slice(text);
        self.out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(protocol: Protocol, write: impl Fn(&mut Writer<'_>)) -> String {
        let mut out = Vec::new();
        write(&mut Writer::new(&mut out, protocol));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_version_spells_its_own() {
        let all = |w: &mut Writer<'_>| {
            w.null();
            w.map(1);
            w.bulk(b"k");
            w.double(1.5);
            w.boolean(true);
            w.verbatim("txt", b"hi");
            w.push(0);
            w.set(0);
            w.big_number("123");
        };
        assert_eq!(
            written(Protocol::Resp2, all),
            "$-1\r\n*2\r\n$1\r\nk\r\n$3\r\n1.5\r\n:1\r\n$2\r\nhi\r\n*0\r\n*0\r\n$3\r\n123\r\n"
        );
        assert_eq!(
            written(Protocol::Resp3, all),
            "_\r\n%1\r\n$1\r\nk\r\n,1.5\r\n#t\r\n=6\r\ntxt:hi\r\n>0\r\n~0\r\n(123\r\n"
        );
    }

    #[test]
    fn a_length_may_come_after_its_elements() {
        let nested = |w: &mut Writer<'_>| {
            let outer = w.deferred();
            w.int(1);
            let inner = w.deferred();
            w.finish_array(inner, 0);
            w.finish_map(outer, 1);
        };
        assert_eq!(written(Protocol::Resp2, nested), "*2\r\n:1\r\n*0\r\n");
        assert_eq!(written(Protocol::Resp3, nested), "%1\r\n:1\r\n*0\r\n");
    }

    #[test]
    fn an_error_stays_on_its_line() {
        assert_eq!(written(Protocol::Resp2, |w| w.error("ERR a\r\nb")), "-ERR a  b\r\n");
    }
}
