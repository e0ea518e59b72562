//! DEBUG PROTOCOL: one reply of every kind, for those who write clients.

use resp::{Args, Protocol};
use types::CommandError;

use crate::client::Client;
use crate::server::Server;

pub(super) fn protocol(_: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let resp3 = client.protocol == Protocol::Resp3;
    let mut writer = client.writer();
    match args.at(2).to_ascii_lowercase().as_slice() {
        b"string" => writer.bulk(b"Hello World"),
        b"integer" => writer.int(12345),
        #[expect(clippy::approx_constant, reason = "the number that Redis sends, not pi")]
        b"double" => writer.double(3.141),
        b"bignum" => writer.big_number("1234567999999999999999999999999999999"),
        b"null" => writer.null(),
        b"array" => {
            writer.array(3);
            (0..3).for_each(|n| writer.int(n));
        }
        b"set" => {
            writer.set(3);
            (0..3).for_each(|n| writer.int(n));
        }
        b"map" => {
            writer.map(3);
            for n in 0..3 {
                writer.int(n);
                writer.boolean(n == 1);
            }
        }
        b"attrib" => {
            if resp3 {
                writer.raw(b"|1\r\n");
                writer.bulk(b"key-popularity");
                writer.array(2);
                writer.bulk(b"key:123");
                writer.int(90);
            }
            // What comes before it says something of it, not instead of it.
            writer.bulk(b"Some real reply following the attribute");
        }
        b"push" if !resp3 => return Err(CommandError::new("ERR RESP2 is not supported by this command")),
        b"push" => {
            writer.push(2);
            writer.bulk(b"server-cpu-usage");
            writer.int(42);
            // A push answers nothing.
            writer.bulk(b"Some real reply following the push reply");
        }
        b"verbatim" => writer.verbatim("txt", b"This is a verbatim\nstring"),
        b"true" => writer.boolean(true),
        b"false" => writer.boolean(false),
        _ => {
            return Err(CommandError::new(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}
