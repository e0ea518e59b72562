//! The payload of FUNCTION DUMP: each library as in an RDB file, then the format's version and a CRC-64.

use persist::crc64;
use persist::rdb::{
    Checksum, Compression, Item, NEWEST_READABLE, Reader, Step, VERSION, Verify, Writer, WriterOptions,
};

/// Version and checksum.
const FOOTER_BYTES: usize = 10;
/// The mark that ends a file.
const END: u8 = 0xff;

const WRONG: &str = "ERR DUMP payload version or checksum are wrong";

/// The payload of these libraries.
pub(super) fn payload<'a>(codes: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let options = WriterOptions {
        checksum: Checksum::Zero,
        compression: Compression::Lzf,
        effort: persist::lzf::Effort::Exact,
    };
    let mut writer = Writer::new(options);
    codes.for_each(|code| writer.function(code));
    let mut payload = writer.pending().to_vec();
    payload.extend_from_slice(&VERSION.to_le_bytes());
    let checksum = crc64::update(0, &payload);
    payload.extend_from_slice(&checksum.to_le_bytes());
    payload
}

/// The libraries of a payload.
pub(super) fn read(payload: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    let Some(body) = payload.len().checked_sub(FOOTER_BYTES) else { return Err(WRONG) };
    let (body, footer) = payload.split_at(body);
    let version = u16::from_le_bytes([footer[0], footer[1]]);
    let checked = &payload[..payload.len() - 8];
    let sound = crc64::update(0, checked).to_le_bytes() == footer[2..];
    if version > NEWEST_READABLE || !sound {
        return Err(WRONG);
    }
    // Read as a file that holds nothing else.
    let mut reader = Reader::new(Verify::Nothing);
    reader.feed(format!("REDIS{version:04}").as_bytes());
    reader.feed(body);
    reader.feed(&[END]);
    reader.feed(&[0; 8]);
    let mut codes = Vec::new();
    loop {
        match reader.next() {
            Ok(Step::Item(Item::Header { .. })) => {}
            Ok(Step::Item(Item::Function(code))) => codes.push(code.to_vec()),
            Ok(Step::Item(_)) => return Err("ERR given type is not a function"),
            Ok(Step::Done { .. }) => return Ok(codes),
            Ok(Step::NeedMore) | Err(_) => return Err("ERR failed loading functions payload"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dumped_is_read() {
        let codes = [&b"#!lua name=a\ncode"[..], &[b'x'; 500]];
        let payload = payload(codes.into_iter());
        assert_eq!(read(&payload).unwrap(), codes.map(<[u8]>::to_vec));
        for cut in 0..payload.len() {
            assert!(read(&payload[..cut]).is_err());
        }
    }
}
