//! Random scripts: values into replies, and through the libraries that scripts see.

use resp::Value;

use super::super::support::client::Client;
use super::super::support::random::Random;
use super::super::support::server::{Engine, Server};
use super::by_value;

/// Numbers that both versions write alike: 7.0 writes doubles with 17 digits, 7.2 the shortest way.
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "7",
    "10",
    "127",
    "128",
    "255",
    "256",
    "-32",
    "-33",
    "-128",
    "-129",
    "65535",
    "65536",
    "-32769",
    "4294967295",
    "4294967296",
    "-2147483649",
    "0.5",
    "-2.25",
    "1e3",
    "1e15",
    "2^53",
    "-2^53",
    "2^62",
    "2^63",
    "-2^63",
    "1/3",
    "1e300",
    "-1e-7",
    "123456789.125",
];
const STRINGS: &[&str] = &[
    "''",
    "'a'",
    "'abc'",
    "'1'",
    "'0x10'",
    "' 12 '",
    "'a\\0b'",
    "'\\r\\n'",
    "'\\\"/\\\\\\t'",
    "'\\127\\200\\255'",
    "'12345678901234567890123456789012345'",
    "'Ünï'",
    "string.rep('x', 300)",
];
const KEYS: &[&str] =
    &["1", "2", "3", "5", "'a'", "'b'", "'ok'", "'err'", "'map'", "'set'", "'double'", "0.5", "-1"];
const FORMATS: &[&str] = &[
    ">", "<", "!4", "!", "b", "B", "h", "H", "l", "L", "T", "i", "I", "i3", "I5", "i8", "I16", "f", "d", "x",
    "s", "c0", "c3", "c", " ", "z", "i33", "!3",
];
const BIT: &[&str] =
    &["tobit", "bnot", "bswap", "band", "bor", "bxor", "lshift", "rshift", "arshift", "rol", "ror", "tohex"];
const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"a\"",
    "\"\\u00e9\"",
    "\"\\ud83d\\ude00\"",
    "\"\\x\"",
    "1",
    "-0.5",
    "1e3",
    "0x1F",
    "nan",
    "inf",
    "true",
    "false",
    "null",
    " ",
    "\n",
    "tru",
    "\"",
];

fn value(random: &mut Random, depth: usize) -> String {
    match random.below(if depth == 0 { 6 } else { 9 }) {
        0..=2 => (*random.pick(NUMBERS)).to_string(),
        3 | 4 => (*random.pick(STRINGS)).to_string(),
        5 => (*random.pick(&["true", "false", "nil"])).to_string(),
        6 | 7 => {
            let items: Vec<String> = (0..random.below(4)).map(|_| value(random, depth - 1)).collect();
            format!("{{{}}}", items.join(", "))
        }
        _ => {
            let count = random.below(4);
            let pair =
                |random: &mut Random| format!("[{}] = {}", random.pick(KEYS), value(random, depth - 1));
            let pairs: Vec<String> = (0..count).map(|_| pair(random)).collect();
            format!("{{{}}}", pairs.join(", "))
        }
    }
}

fn values(random: &mut Random, most: u64, depth: usize) -> String {
    let count = random.below(most + 1);
    (0..count).map(|_| value(random, depth)).collect::<Vec<_>>().join(", ")
}

fn words(random: &mut Random, pool: &[&str], most: u64) -> String {
    (0..=random.below(most)).map(|_| *random.pick(pool)).collect()
}

/// A script and its argument.
fn script(random: &mut Random) -> (String, Vec<u8>) {
    let bytes = |random: &mut Random| {
        (0..random.below(12))
            .map(|_| {
                *random.pick(&[
                    0u8, 1, 3, 0x7f, 0x81, 0x92, 0xa2, 0xc0, 0xc3, 0xca, 0xcc, 0xd1, 0xd9, 0xdc, 0xe0, 0xff,
                ])
            })
            .collect()
    };
    let resp3 = if random.below(3) == 0 { "redis.setresp(3) " } else { "" };
    let text = match random.below(10) {
        0 | 1 => format!("{resp3}return {}", value(random, 3)),
        2 => format!("return cjson.encode({})", value(random, 3)),
        3 => {
            let json = words(random, JSON, 8);
            return ("return cjson.encode({cjson.decode(ARGV[1])})".into(), json.into_bytes());
        }
        4 => format!("return cmsgpack.pack({})", values(random, 3, 3)),
        5 => return ("return {cmsgpack.unpack(ARGV[1])}".into(), bytes(random)),
        6 => format!("return struct.pack('{}', {})", words(random, FORMATS, 5), value(random, 0)),
        7 => {
            let format = words(random, FORMATS, 5);
            let text =
                format!("local r = {{struct.unpack('{format}', ARGV[1])}} return {{#r, cjson.encode(r)}}");
            return (text, bytes(random));
        }
        8 => {
            let (a, b) = (random.pick(NUMBERS), random.pick(NUMBERS));
            format!("return bit.{}({a}, {b})", random.pick(BIT))
        }
        _ => {
            let call = if random.below(2) == 0 { "call" } else { "pcall" };
            format!("{resp3}return redis.{call}('ECHO', {})", value(random, 1))
        }
    };
    (text, Vec::new())
}

fn ask(client: &mut Client, script: &str, argument: &[u8]) -> Value {
    client.call(&[b"EVAL", script.as_bytes(), b"0", argument]).expect("a reply")
}

/// What 7.2 says otherwise than 7.0: numbers passed to commands are written the shortest way.
fn differs_by_version(script: &str) -> bool {
    script.contains("'ECHO'") && ["1/3", "1e-7", "1e300", "2^6"].iter().any(|number| script.contains(number))
}

#[test]
fn scripts() {
    let count: u64 =
        std::env::var("TOPPLE_DIFF_COMMANDS").map_or(3_000, |count| count.parse().expect("a number"));
    let seed: u64 = std::env::var("TOPPLE_DIFF_SEED").map_or(7, |seed| seed.parse().expect("a number"));
    let mut random = Random::new(seed);
    let (ours, real) = (Server::start(Engine::Topple, &[]), Server::start(Engine::Redis, &[]));
    for protocol in ["2", "3"] {
        let (mut ours, mut real) = (ours.client(), real.client());
        for client in [&mut ours, &mut real] {
            client.call(&["HELLO", protocol]).expect("a greeting");
        }
        for _ in 0..count / 2 {
            let (script, argument) = script(&mut random);
            if differs_by_version(&script) {
                continue;
            }
            let (ours, real) = (ask(&mut ours, &script, &argument), ask(&mut real, &script, &argument));
            // Doubles are text for clients of RESP2, which 7.2 writes the shortest way and 7.0 with 17 digits.
            let shown = |reply: Value| match script.contains("['double']") {
                true => format!("{:?}", by_value(&reply)),
                false => format!("{reply:?}"),
            };
            // Not a number is unlike itself.
            assert_eq!(shown(ours), shown(real), "seed {seed}, {argument:?}: {script}");
        }
    }
}
