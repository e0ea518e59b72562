//! Requests with random damage, cut at random: the parser must not panic, must ask for no more than it may, and
//! must find the same commands and the same error however the bytes are cut.
//!
//! Damage follows from a seed. `TOPPLE_FUZZ_ROUNDS` sets how many requests are tried (4,000 unless told),
//! `TOPPLE_FUZZ_SEED` another seed.

use topple_resp::request::Trust;
use topple_resp::{Batch, Limits, Parser};

/// Longest argument that may be announced.
const MAX_BULK_BYTES: u32 = 1 << 20;
/// Bytes that mean something to the parser.
const TELLING: &[u8] = b"*$\r\n-+019 \"'\\x\0\xff";
/// Lengths and counts that are at a limit, or none.
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "-1",
    "10",
    "11",
    "16384",
    "16385",
    "1048576",
    "1048577",
    "2147483647",
    "2147483648",
    "4294967295",
    "9223372036854775807",
    "9223372036854775808",
    "",
    "+1",
    "01",
    "1 ",
    " 1",
    "x",
    "1x",
];
const INLINE: &[&str] = &[
    "PING",
    "SET k v",
    "SET \"a b\" 'c d'",
    "GET \"\\x00\\n\"",
    "",
    "   ",
    "GET \"a",
    "GET 'a\\'b'",
    "\"a\"b",
    "A\tB",
];

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// The seeded generator (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(mixed ^ (mixed >> 31)) * bound as u128) >> 64) as usize
    }

    fn pick<'a, T: ?Sized>(&mut self, pool: &[&'a T]) -> &'a T {
        pool[self.below(pool.len())]
    }
}

/// One command as a client sends it, with what the server must find.
fn command(bytes: &mut Vec<u8>, random: &mut Random) -> Vec<Vec<u8>> {
    let args: Vec<Vec<u8>> = (0..1 + random.below(5))
        .map(|_| {
            let length = if random.below(20) == 0 { 300 } else { random.below(12) };
            (0..length).map(|_| TELLING[random.below(TELLING.len())]).collect()
        })
        .collect();
    bytes.extend_from_slice(format!("*{}\r\n", args.len()).as_bytes());
    for arg in &args {
        bytes.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        bytes.extend_from_slice(arg);
        bytes.extend_from_slice(b"\r\n");
    }
    args
}

/// Damages bytes in one to three places, at times a length or a count.
fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..1 + random.below(3) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len());
        let end = (at + 1 + random.below(6)).min(bytes.len());
        match random.below(7) {
            0 => bytes[at] = TELLING[random.below(TELLING.len())],
            1 => bytes[at] = random.below(256) as u8,
            2 => drop(bytes.drain(at..end)),
            3 => bytes.insert(at, TELLING[random.below(TELLING.len())]),
            4 => bytes.extend_from_within(at..end),
            5 => drop(bytes.splice(at..at, format!("{}\r\n", random.pick(INLINE)).into_bytes())),
            _ => {
                let is_head = |at: &usize| matches!(bytes[*at], b'*' | b'$');
                let Some(head) = (at..bytes.len()).find(is_head) else { continue };
                let line_end = bytes[head..].iter().position(|byte| *byte == b'\r').unwrap_or(1);
                drop(bytes.splice(head + 1..head + line_end.max(1), random.pick(NUMBERS).bytes()));
            }
        }
    }
}

/// All commands of the bytes, and what is wrong behind them, when they come in these pieces.
fn found(bytes: &[u8], trust: Trust, mut piece: impl FnMut() -> usize) -> (Vec<Vec<Vec<u8>>>, String) {
    let limits = Limits { max_bulk_bytes: MAX_BULK_BYTES, trust };
    let (mut parser, mut batch) = (Parser::default(), Batch::default());
    let (mut buffer, mut rest, mut commands) = (Vec::new(), bytes, Vec::new());
    while !rest.is_empty() {
        let (now, later) = rest.split_at(piece().clamp(1, rest.len()));
        rest = later;
        buffer.extend_from_slice(now);
        loop {
            batch.clear();
            let done = match parser.parse(&mut buffer, 0, 16, limits, &mut batch) {
                Ok(done) => done,
                Err(error) => {
                    commands.extend((0..batch.len()).map(|at| batch.args(at, &buffer).to_vecs()));
                    return (commands, error.to_string());
                }
            };
            assert!(done <= buffer.len());
            commands.extend((0..batch.len()).map(|at| batch.args(at, &buffer).to_vecs()));
            buffer.drain(..done);
            if done == 0 {
                break;
            }
        }
        let wanted = parser.wanted(buffer.len());
        assert!(wanted <= MAX_BULK_BYTES as usize + 2, "{wanted} bytes are wanted of a client");
    }
    (commands, format!("{} bytes of a command", buffer.len()))
}

#[test]
fn damaged_requests_are_the_same_however_they_are_cut() {
    let (rounds, seed) = (setting("TOPPLE_FUZZ_ROUNDS", 4000), setting("TOPPLE_FUZZ_SEED", 1));
    let (mut taken, mut refused) = (0, 0);
    for round in 0..rounds {
        let mut random = Random(seed.wrapping_mul(1 << 32).wrapping_add(round));
        let mut bytes = Vec::new();
        let sent: Vec<Vec<Vec<u8>>> =
            (0..1 + random.below(20)).map(|_| command(&mut bytes, &mut random)).collect();
        let (whole, _) = found(&bytes, Trust::Authenticated, || usize::MAX);
        assert!(whole == sent, "round {round}: what was sent is not what is found");
        damage(&mut bytes, &mut random);
        let trust = if random.below(4) == 0 { Trust::Unauthenticated } else { Trust::Authenticated };
        let whole = found(&bytes, trust, || usize::MAX);
        for most in [1, 2, 7, 40] {
            let cut = found(&bytes, trust, || 1 + random.below(most));
            assert!(
                cut == whole,
                "seed {seed}, round {round}, pieces up to {most}: {}\n{cut:?}\n{whole:?}",
                bytes.escape_ascii()
            );
        }
        taken += whole.0.len();
        refused += usize::from(!whole.1.ends_with("command"));
    }
    assert!(taken > 0 && refused > 0, "{taken} commands, {refused} errors");
}

#[test]
fn noise_is_the_same_however_it_is_cut() {
    let (rounds, seed) = (setting("TOPPLE_FUZZ_ROUNDS", 4000), setting("TOPPLE_FUZZ_SEED", 1));
    for round in 0..rounds {
        let mut random = Random(seed.wrapping_mul(1 << 33).wrapping_add(round));
        let bytes: Vec<u8> = (0..random.below(400))
            .map(|_| match random.below(3) {
                0 => random.below(256) as u8,
                _ => TELLING[random.below(TELLING.len())],
            })
            .collect();
        let whole = found(&bytes, Trust::Authenticated, || usize::MAX);
        let cut = found(&bytes, Trust::Authenticated, || 1 + random.below(9));
        assert!(cut == whole, "seed {seed}, round {round}: {}\n{cut:?}\n{whole:?}", bytes.escape_ascii());
    }
}
