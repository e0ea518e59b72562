//! LOLWUT: a drawing, and which version this is.
//!
//! The drawing is this project's own: a row of dominoes, some of which have toppled.

use resp::Args;
use resp::number::parse_i64;
use types::CommandError;

use crate::client::Client;
use crate::server::Server;

/// Dominoes without arguments, at the least and at the most.
const USUAL: i64 = 24;
const MOST: i64 = 60;

pub(super) fn lolwut(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    // `VERSION n` chooses among the drawings of Redis; here all versions draw the same.
    let versioned = args.len() >= 3 && args.at(1).eq_ignore_ascii_case(b"version");
    if versioned {
        parse_i64(args.at(2)).ok_or(CommandError::NotAnInteger)?;
    }
    let wanted = args.get(if versioned { 3 } else { 1 }).and_then(parse_i64);
    let count = wanted.unwrap_or(USUAL).clamp(3, MOST) as usize;
    // Those before this one have toppled.
    let fallen = server.random.below(count as u64 - 1) as usize;
    let text = format!("{}\nRedis ver. 7.2.4\n", draw(count, fallen));
    client.writer().verbatim("txt", text.as_bytes());
    Ok(())
}

/// Four lines of dominoes: lying, leaning, standing.
fn draw(count: usize, fallen: usize) -> String {
    let lines = [("  ", " _", "_ "), ("  ", "//", "| "), ("__", "/ ", "| "), ("==", "==", "==")];
    let line = |(lying, leaning, standing): &(&str, &str, &str)| {
        let row = lying.repeat(fallen) + leaning + &standing.repeat(count - fallen - 1);
        row.trim_end().to_string() + "\n"
    };
    lines.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use crate::tests::World;

    #[test]
    fn a_drawing_ends_with_the_version() {
        let mut world = World::new(&[]);
        let id = world.client();
        for command in ["LOLWUT", "LOLWUT VERSION 5 3 3 3", "LOLWUT 100000", "LOLWUT VERSION 6", "LOLWUT -1"]
        {
            let shown = world.send(id, command);
            assert!(shown.ends_with("\nRedis ver. 7.2.4"), "{command}: {shown}");
            assert!(shown.contains("====="), "{command}: {shown}");
        }
        assert_eq!(world.send(id, "LOLWUT VERSION x"), "-ERR value is not an integer or out of range");
    }
}
