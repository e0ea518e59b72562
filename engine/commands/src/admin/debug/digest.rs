//! DEBUG DIGEST and DIGEST-VALUE: the same 160 bits for the same data, however it is represented.
//!
//! A value is read as a client would read it, so that a replica, a reloaded server or another encoding gives
//! the same digest. Members without an order are combined by exclusive or; so are keys. The numbers are not
//! those that Redis gives, which nobody may rely on.

use keyspace::{Data, Kind};
use resp::{Args, Span, Value};
use types::CommandError;

use crate::client::{Client, ClientId, Peer, Queued, State};
use crate::server::Server;
use crate::table::{Run, TABLE};

/// 192 bits, of which 160 are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Digest([u64; 3]);

const SEEDS: [u64; 3] = [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344, 0xa409_3822_299f_31d0];

impl Digest {
    /// Of pieces of bytes, in this order; where one ends matters.
    fn of(pieces: &[&[u8]]) -> Self {
        Self(SEEDS.map(|seed| {
            let mut lane = seed;
            for piece in pieces {
                lane = mix(lane ^ piece.len() as u64);
                for chunk in piece.chunks(8) {
                    let mut word = [0; 8];
                    word[..chunk.len()].copy_from_slice(chunk);
                    lane = mix(lane.rotate_left(29) ^ u64::from_le_bytes(word) ^ seed);
                }
            }
            lane
        }))
    }

    fn xor(&mut self, other: Self) {
        for (lane, other) in self.0.iter_mut().zip(other.0) {
            *lane ^= other;
        }
    }

    /// Goes on with one more element of what has an order.
    fn then(&mut self, element: &[u8]) {
        *self = Self::of(&[&self.bytes(), element]);
    }

    fn bytes(self) -> Vec<u8> {
        self.0.iter().flat_map(|lane| lane.to_be_bytes()).collect()
    }

    fn show(self) -> String {
        self.bytes()[..20].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Vigna's splitmix64 finalizer.
fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

pub(super) fn digest(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    let mut all = Digest::default();
    for index in 0..server.dbs.len() {
        let keys: Vec<Vec<u8>> = server.dbs[index].iter().map(|entry| entry.key().to_vec()).collect();
        for key in keys {
            let db = &server.dbs[index];
            let volatile = db.get(db.hash_of(&key), &key).is_some_and(|entry| entry.expires_at().is_some());
            let value = server.value_digest(index as u32, &key).unwrap_or_default();
            all.xor(Digest::of(&[
                &(index as u64).to_be_bytes(),
                &key,
                &value.bytes(),
                &[u8::from(volatile)],
            ]));
        }
    }
    client.writer().simple(&all.show());
    Ok(())
}

pub(super) fn digest_value(
    server: &mut Server,
    client: &mut Client,
    args: Args<'_>,
) -> Result<(), CommandError> {
    let digests: Vec<_> =
        args.from(2).iter().map(|key| server.value_digest(client.db, key).unwrap_or_default()).collect();
    let mut writer = client.writer();
    writer.array(digests.len());
    for digest in digests {
        writer.simple(&digest.show());
    }
    Ok(())
}

impl Server {
    /// The digest of a key's value and type; none without such a key.
    fn value_digest(&mut self, db: u32, key: &[u8]) -> Option<Digest> {
        let data = &self.dbs[db as usize];
        let entry = data.get(data.hash_of(key), key)?;
        let kind = entry.kind();
        let mut value = match entry.data() {
            Data::String(value) => Digest::of(&[&value.to_cow()]),
            _ => Digest::default(),
        };
        let mut read = |words: &[&[u8]]| self.read_back(db, words);
        match kind {
            Kind::String => {}
            Kind::List => elements(&read(&[b"LRANGE", key, b"0", b"-1"])).for_each(|one| value.then(&one)),
            Kind::Set => elements(&read(&[b"SMEMBERS", key])).for_each(|one| value.xor(Digest::of(&[&one]))),
            Kind::Hash => {
                pairs(&read(&[b"HGETALL", key])).for_each(|(a, b)| value.xor(Digest::of(&[&a, &b])))
            }
            Kind::SortedSet => {
                let members = read(&[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"]);
                pairs(&members).for_each(|(a, b)| value.xor(Digest::of(&[&a, &b])));
            }
            Kind::Stream => {
                elements(&read(&[b"XRANGE", key, b"-", b"+"])).for_each(|one| value.then(&one));
                elements(&read(&[b"XINFO", b"GROUPS", key])).for_each(|one| value.then(&one));
            }
        }
        Some(Digest::of(&[kind.name().as_bytes(), &value.bytes()]))
    }

    /// The reply to a data command that only reads, as if a client that leaves no trace had sent it.
    pub(super) fn read_back(&mut self, db: u32, words: &[&[u8]]) -> Value {
        let Some(mut entry) = TABLE.find(words[0]) else { return Value::Nil };
        if !entry.subcommands.is_empty() {
            match entry.subcommand(words[1]) {
                Some(subcommand) => entry = subcommand,
                None => return Value::Nil,
            }
        }
        let Run::Data(handler) = entry.run else { return Value::Nil };
        let command = Queued::new(entry, gathered(words, &mut (Vec::new(), Vec::new())));
        let mut reader = Client::new(ClientId { slot: u32::MAX, id: 0 }, Peer::default(), self.now.mono_ms);
        // Deadlines are left to others, and nothing counts as used.
        reader.state.add(State::MASTER);
        reader.state.add(State::NO_TOUCH);
        reader.db = db;
        let (hits, misses, notify) = (self.effects.hits, self.effects.misses, self.effects.notify);
        self.effects.notify = 0;
        let result = {
            let mut ctx = self.context(&mut reader, entry, None);
            handler(&mut ctx, command.args())
        };
        (self.effects.hits, self.effects.misses, self.effects.notify) = (hits, misses, notify);
        match (result, Value::parse(&reader.out)) {
            (Ok(()), Ok(Some((reply, _)))) => reply,
            _ => Value::Nil,
        }
    }
}

/// Words as arguments, kept in `memory`.
fn gathered<'m>(words: &[&[u8]], memory: &'m mut (Vec<u8>, Vec<Span>)) -> Args<'m> {
    for word in words {
        memory.1.push(Span { start: memory.0.len() as u32, length: word.len() as u32 });
        memory.0.extend_from_slice(word);
    }
    Args::new(&memory.0, &memory.1)
}

/// The elements of a reply, each as bytes: nested ones flattened with their lengths.
fn elements(reply: &Value) -> impl Iterator<Item = Vec<u8>> {
    reply.as_array().unwrap_or_default().iter().map(flat)
}

fn pairs(reply: &Value) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    let items = reply.as_array().unwrap_or_default();
    items.chunks_exact(2).map(|pair| (flat(&pair[0]), flat(&pair[1])))
}

fn flat(value: &Value) -> Vec<u8> {
    match (value.as_bytes(), value.as_int(), value.as_array()) {
        (Some(bytes), ..) => bytes.to_vec(),
        (None, Some(number), _) => number.to_string().into_bytes(),
        (None, None, Some(items)) => items
            .iter()
            .map(flat)
            .flat_map(|item| [(item.len() as u64).to_be_bytes().to_vec(), item].concat())
            .collect(),
        _ => b"-".to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_and_order_matter() {
        assert_ne!(Digest::of(&[b"ab", b"c"]), Digest::of(&[b"a", b"bc"]));
        assert_ne!(Digest::of(&[b"a"]), Digest::of(&[b"a\0"]));
        let chain = |elements: &[&[u8]]| {
            let mut digest = Digest::default();
            elements.iter().for_each(|element| digest.then(element));
            digest
        };
        assert_ne!(chain(&[b"a", b"b"]), chain(&[b"b", b"a"]));
        assert_eq!(Digest::default().show(), "0".repeat(40));
    }
}
