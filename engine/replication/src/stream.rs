//! The bytes that the two sides say to each other, other than the data set's own commands.

use crate::id::{Offset, ReplId};

/// What a master feeds its replicas every `repl-ping-replica-period`.
pub const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

/// What a master feeds its replicas when a client waits for them (`WAIT`).
pub const GETACK: &[u8] = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n";

/// What keeps a connection from timing out while one side is busy: a master making the snapshot,
/// a replica loading it.
pub const NEWLINE: &[u8] = b"\n";

/// A command as a client would send it.
#[must_use]
pub fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16 + words.iter().map(|word| word.len() + 16).sum::<usize>());
    let mut digits = itoa::Buffer::new();
    bytes.push(b'*');
    bytes.extend_from_slice(digits.format(words.len()).as_bytes());
    for word in words {
        bytes.extend_from_slice(b"\r\n$");
        bytes.extend_from_slice(digits.format(word.len()).as_bytes());
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(word);
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// The `SELECT` that goes into the stream before the first command for database `db`, and again
/// after every full synchronization has begun.
#[must_use]
pub fn select(db: u32) -> Vec<u8> {
    command(&[b"SELECT", itoa::Buffer::new().format(db).as_bytes()])
}

/// A replica's acknowledgement: how much it has applied, and how much of that is on its disk, if it keeps an
/// append-only file.
#[must_use]
pub fn ack(offset: Offset, synced: Option<Offset>) -> Vec<u8> {
    let (mut applied, mut on_disk) = (itoa::Buffer::new(), itoa::Buffer::new());
    let applied = applied.format(offset.0).as_bytes();
    match synced {
        None => command(&[b"REPLCONF", b"ACK", applied]),
        Some(synced) => {
            command(&[b"REPLCONF", b"ACK", applied, b"FACK", on_disk.format(synced.0).as_bytes()])
        }
    }
}

/// A master's answer to `PSYNC` when a snapshot will follow; `offset` is that at the moment of the
/// fork, and the stream after it is the replica's.
#[must_use]
pub fn full_resync_line(id: ReplId, offset: Offset) -> Vec<u8> {
    format!("+FULLRESYNC {id} {offset}\r\n").into_bytes()
}

/// A master's answer to `PSYNC` when the stream goes on; replicas that know second ids are told
/// the present one.
#[must_use]
pub fn continue_line(id: ReplId, knows_psync2: KnowsPsync2) -> Vec<u8> {
    match knows_psync2 {
        KnowsPsync2::Yes => format!("+CONTINUE {id}\r\n").into_bytes(),
        KnowsPsync2::No => b"+CONTINUE\r\n".to_vec(),
    }
}

/// Whether a replica announced `capa psync2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KnowsPsync2 {
    /// It did.
    Yes,
    /// It did not.
    #[default]
    No,
}

/// What comes before a snapshot whose length is known. Nothing comes after it.
#[must_use]
pub fn snapshot_length_line(bytes: u64) -> Vec<u8> {
    format!("${bytes}\r\n").into_bytes()
}

/// What comes before a snapshot whose end is marked: `mark` again, forty random hexadecimal
/// digits, follows its last byte.
#[must_use]
pub fn snapshot_mark_line(mark: &ReplId) -> Vec<u8> {
    format!("$EOF:{mark}\r\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_arrays_of_bulk_strings() {
        assert_eq!(command(&[b"PING"]), PING);
        assert_eq!(command(&[b"REPLCONF", b"GETACK", b"*"]), GETACK);
        assert_eq!(select(12), b"*2\r\n$6\r\nSELECT\r\n$2\r\n12\r\n");
        assert_eq!(ack(Offset(7), None), b"*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$1\r\n7\r\n");
        assert_eq!(
            ack(Offset(7), Some(Offset(12))),
            b"*5\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$1\r\n7\r\n$4\r\nFACK\r\n$2\r\n12\r\n"
        );
        assert_eq!(command(&[b"", b"0123456789"]), b"*2\r\n$0\r\n\r\n$10\r\n0123456789\r\n");
    }
}
