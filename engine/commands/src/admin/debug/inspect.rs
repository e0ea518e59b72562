//! DEBUG on single values and structures: OBJECT, SDSLEN, LISTPACK, QUICKLIST, HTSTATS, STRUCTSIZE and the
//! like. Sizes and counts are of this server's own structures.

use keyspace::values::Part;
use keyspace::{Data, Encoding, Entry};
use resp::Args;
use resp::number::parse_i64;
use types::CommandError;
use types::glob::{Case, matches};

use crate::client::{Client, State};
use crate::config::{BytesOrPercent, Level};
use crate::server::Server;

/// What DUMP puts around a value: its type, the version, the checksum.
const DUMP_FRAME_BYTES: usize = 11;

/// The entry of a key, expired or not.
fn entry<'s>(server: &'s Server, client: &Client, key: &[u8]) -> Result<Entry<'s>, CommandError> {
    let db = &server.dbs[client.db as usize];
    db.get(db.hash_of(key), key).ok_or(CommandError::NoSuchKey)
}

pub(super) fn object(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let key = args.at(2);
    let dumped = server.read_back(client.db, &[b"DUMP", key]).as_bytes().map(<[u8]>::len);
    let entry = entry(server, client, key)?;
    let length = dumped.map_or(entry.bytes(), |bytes| bytes.saturating_sub(DUMP_FRAME_BYTES));
    let shared = matches!(entry.data(), Data::String(keyspace::Value::Int(0..10_000)));
    let clock = server.access_clock(false);
    let mut line = format!(
        "Value at:{:p} refcount:{} encoding:{} serializedlength:{length} lru:{} lru_seconds_idle:{}",
        entry.key().as_ptr(),
        if shared { i32::MAX } else { 1 },
        entry.encoding().name(),
        entry.access(),
        clock.idle_seconds(entry.access()),
    );
    if let (Encoding::Quicklist, Data::List(list)) = (entry.encoding(), entry.data()) {
        let settings = &server.config.settings;
        let (limit, compressed) = (settings.list_max_listpack_size, settings.list_compress_depth != 0);
        let nodes = list.parts().len();
        let bytes: usize = list.parts().map(part_bytes).sum();
        line.push_str(&format!(
            " ql_nodes:{nodes} ql_avg_node:{:.2} ql_listpack_max:{limit} ql_compressed:{} \
             ql_uncompressed_size:{bytes}",
            list.len() as f64 / nodes.max(1) as f64,
            u8::from(compressed),
        ));
    }
    client.writer().simple(&line);
    Ok(())
}

/// Bytes of a piece of a list, as a file holds it.
fn part_bytes(part: Part<'_>) -> usize {
    match part {
        Part::Packed(elements) => elements.encoded_len(),
        Part::Plain(element) => element.len(),
    }
}

pub(super) fn sdslen(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let entry = entry(server, client, args.at(2))?;
    let length = match (entry.encoding(), entry.data()) {
        (Encoding::Embstr | Encoding::Raw, Data::String(value)) => value.len(),
        _ => return Err(CommandError::new("ERR Not an sds encoded string.")),
    };
    let (key, whole) = (entry.key().len(), entry.bytes());
    let line = format!(
        "key_sds_len:{key}, key_sds_avail:0, key_zmalloc: {whole}, val_sds_len:{length}, val_sds_avail:0, \
         val_zmalloc: {whole}"
    );
    client.writer().simple(&line);
    Ok(())
}

/// Writes what is known of a value to the log, if it has this encoding.
fn describe(
    server: &mut Server,
    client: &mut Client,
    key: &[u8],
    encodings: &[&str],
    name: &str,
) -> Result<(), CommandError> {
    let entry = entry(server, client, key)?;
    if !encodings.contains(&entry.encoding().name()) {
        return Err(CommandError::new(format!("ERR Not a {} encoded object.", name.to_lowercase())));
    }
    let line = format!(
        "{name} at '{}': {} bytes, {} allocations",
        String::from_utf8_lossy(key),
        entry.bytes(),
        entry.free_effort()
    );
    server.log(Level::Warning, line);
    client.writer().simple(&format!("{name} structure printed on stdout"));
    Ok(())
}

pub(super) fn listpack(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    describe(server, client, args.at(2), &["listpack"], "Listpack")
}

pub(super) fn quicklist(
    server: &mut Server,
    client: &mut Client,
    args: Args<'_>,
) -> Result<(), CommandError> {
    if let Some(full) = args.get(3) {
        parse_i64(full).ok_or(CommandError::NotAnInteger)?;
    }
    describe(server, client, args.at(2), &["quicklist"], "Quicklist")
}

pub(super) fn htstats(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let index = parse_i64(args.at(2)).ok_or(CommandError::NotAnInteger)?;
    let db = usize::try_from(index).ok().and_then(|index| server.dbs.get(index));
    let Some(db) = db else { return Err(CommandError::new("ERR Out of range database")) };
    let text = format!(
        "[Dictionary HT]\nHash table 0 stats (main hash table):\n number of elements: {}\n table bytes: {}\n\
         [Expires HT]\nHash table 0 stats (main hash table):\n number of elements: {}\n table bytes: 0\n",
        db.len(),
        db.table_bytes(),
        db.volatile_len()
    );
    client.writer().verbatim("txt", text.as_bytes());
    Ok(())
}

pub(super) fn htstats_key(
    server: &mut Server,
    client: &mut Client,
    args: Args<'_>,
) -> Result<(), CommandError> {
    let entry = entry(server, client, args.at(2))?;
    if !matches!(entry.encoding().name(), "hashtable" | "skiplist") {
        return Err(CommandError::new(
            "ERR The value stored at the specified key is not represented using an hash table",
        ));
    }
    let text = format!("Hash table 0 stats (main hash table):\n bytes: {}\n", entry.bytes());
    client.writer().verbatim("txt", text.as_bytes());
    Ok(())
}

pub(super) fn client_eviction(
    server: &mut Server,
    client: &mut Client,
    _: Args<'_>,
) -> Result<(), CommandError> {
    let limit = server.config.settings.maxmemory_clients;
    if matches!(limit, BytesOrPercent::Bytes(0) | BytesOrPercent::Percent(0)) {
        return Err(CommandError::new("ERR maxmemory-clients is disabled."));
    }
    let evictable =
        |other: &&Client| !other.state.has(State::NO_EVICT) && !other.state.has(State::REPLICATION);
    let mut others: Vec<(u64, u64)> =
        server.clients.iter().filter(evictable).map(|other| (other.memory_bytes(), other.id.id)).collect();
    others.sort_unstable_by(|a, b| b.cmp(a));
    let lines: String = others.iter().map(|(bytes, id)| format!("id={id} tot-mem={bytes}\n")).collect();
    client.writer().verbatim("txt", lines.as_bytes());
    Ok(())
}

pub(super) fn stringmatch_len(
    _: &mut Server,
    client: &mut Client,
    args: Args<'_>,
) -> Result<(), CommandError> {
    client.writer().int(i64::from(matches(args.at(2), args.at(3), Case::Sensitive)));
    Ok(())
}

pub(super) fn structsize(_: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    let line = format!(
        "bits:64 client:{} value:{} queued:{}",
        size_of::<Client>(),
        size_of::<keyspace::Object>(),
        size_of::<crate::client::Queued>()
    );
    client.writer().simple(&line);
    Ok(())
}
