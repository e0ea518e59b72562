//! MEMORY: what a key takes, where the memory is, and giving back what is free.

use resp::Args;
use resp::number::parse_i64;
use types::spec::{Begin, Find, KeySpec};
use types::{Command, CommandError, Flags, Meta};

use super::{container, help, plain};
use crate::client::Client;
use crate::memory_report::MemoryReport;
use crate::server::Server;
use crate::table::AdminHandler;

const BASE: Meta = Meta { group: "server", since: "4.0.0", arity: 2, ..Meta::BASE };
const EVERY_SHARD: &[&str] =
    &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"];

/// A slot of the table and its fingerprint, at the load that tables have on average.
const TABLE_SHARE_BYTES: usize = 12;

pub(crate) const COMMANDS: &[Command<AdminHandler>] = &[container(
    Meta {
        name: "memory",
        summary: "Tells of memory.",
        complexity: "Depends on subcommand.",
        arity: -2,
        ..BASE
    },
    &[
        plain(
            Meta {
                name: "doctor",
                summary: "Says what may be wrong with memory.",
                tips: EVERY_SHARD,
                ..BASE
            },
            doctor,
        ),
        plain(
            Meta {
                name: "help",
                summary: "Lists the subcommands.",
                flags: Flags::LOADING.and(Flags::STALE),
                ..BASE
            },
            help_,
        ),
        plain(
            Meta {
                name: "malloc-stats",
                summary: "Gives the allocator's report of itself.",
                complexity: "Depends on how much memory is allocated, could be slow",
                tips: EVERY_SHARD,
                ..BASE
            },
            malloc_stats,
        ),
        plain(
            Meta {
                name: "purge",
                summary: "Gives free memory back to the system.",
                complexity: "Depends on how much memory is allocated, could be slow",
                tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
                ..BASE
            },
            purge,
        ),
        plain(
            Meta { name: "stats", summary: "Tells where the memory is.", tips: EVERY_SHARD, ..BASE },
            stats,
        ),
        plain(
            Meta {
                name: "usage",
                summary: "Tells how much memory a key and its value take.",
                complexity: "O(1); values know their size",
                arity: -3,
                flags: Flags::READONLY,
                keys: &[KeySpec { flags: &["RO"], begin: Begin::Index(2), find: Find::Range(0, 1, 0) }],
                args: "key [SAMPLES count:integer]",
                ..BASE
            },
            usage,
        ),
    ],
)];

fn doctor(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    let figures = server.host.figures();
    let text = server.memory_report(figures).diagnosis();
    client.writer().verbatim("txt", text.as_bytes());
    Ok(())
}

fn malloc_stats(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    let text = server.host.allocator_report();
    client.writer().verbatim("txt", text.as_bytes());
    Ok(())
}

fn purge(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    server.host.purge_memory();
    client.writer().ok();
    Ok(())
}

fn usage(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    // Values know their size, so that nothing is sampled; the option is checked all the same.
    let mut options = args.from(3).iter();
    while let Some(option) = options.next() {
        let count = options.next().filter(|_| option.eq_ignore_ascii_case(b"samples"));
        let count = parse_i64(count.ok_or(CommandError::Syntax)?).ok_or(CommandError::NotAnInteger)?;
        if count < 0 {
            return Err(CommandError::Syntax);
        }
    }
    let db = &server.dbs[client.db as usize];
    let key = args.at(2);
    let bytes = db.get(db.hash_of(key), key).map(|entry| entry.bytes() + TABLE_SHARE_BYTES);
    match bytes {
        Some(bytes) => client.writer().int(bytes as i64),
        None => client.writer().null(),
    }
    Ok(())
}

fn stats(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    let figures = server.host.figures();
    let report = server.memory_report(figures);
    let (before, after) = (stats_before(&report), stats_after(&report));
    let mut writer = client.writer();
    writer.map(before.len() + report.dbs.len() + after.len());
    for (name, bytes) in before {
        writer.bulk(name.as_bytes());
        writer.int(bytes as i64);
    }
    for db in &report.dbs {
        writer.bulk(format!("db.{}", db.index).as_bytes());
        writer.map(3);
        writer.bulk(b"overhead.hashtable.main");
        writer.int(db.table_bytes as i64);
        // Deadlines are kept in the entries, slots in the hashes.
        writer.bulk(b"overhead.hashtable.expires");
        writer.int(0);
        writer.bulk(b"overhead.hashtable.slot-to-keys");
        writer.int(0);
    }
    for (name, figure) in after {
        writer.bulk(name.as_bytes());
        match figure {
            Figure::Int(value) => writer.int(value),
            Figure::Double(value) => writer.double(value),
        }
    }
    Ok(())
}

enum Figure {
    Int(i64),
    Double(f64),
}

fn stats_before(report: &MemoryReport) -> [(&'static str, u64); 10] {
    [
        ("peak.allocated", report.process.peak_bytes),
        ("total.allocated", report.used()),
        ("startup.allocated", report.process.startup_bytes),
        ("replication.backlog", report.backlog_bytes),
        ("clients.slaves", report.replica_bytes),
        ("clients.normal", report.client_bytes),
        ("cluster.links", 0),
        ("aof.buffer", report.aof_bytes),
        ("lua.caches", report.scripts.scripts_bytes),
        ("functions.caches", report.scripts.functions_bytes),
    ]
}

fn stats_after(report: &MemoryReport) -> Vec<(&'static str, Figure)> {
    use Figure::{Double, Int};
    let allocator = &report.process.allocator;
    let (fragmentation, rss) = (report.allocator_fragmentation(), report.allocator_rss());
    let (overhead, all) = (report.rss_overhead(), report.fragmentation());
    vec![
        ("overhead.total", Int(report.overhead() as i64)),
        ("keys.count", Int(report.keys as i64)),
        ("keys.bytes-per-key", Int(report.bytes_per_key() as i64)),
        ("dataset.bytes", Int(report.dataset() as i64)),
        ("dataset.percentage", Double(report.dataset_percent())),
        ("peak.percentage", Double(report.peak_percent())),
        ("allocator.allocated", Int(allocator.allocated_bytes as i64)),
        ("allocator.active", Int(allocator.active_bytes as i64)),
        ("allocator.resident", Int(allocator.resident_bytes as i64)),
        ("allocator-fragmentation.ratio", Double(fragmentation.0)),
        ("allocator-fragmentation.bytes", Int(fragmentation.1)),
        ("allocator-rss.ratio", Double(rss.0)),
        ("allocator-rss.bytes", Int(rss.1)),
        ("rss-overhead.ratio", Double(overhead.0)),
        ("rss-overhead.bytes", Int(overhead.1)),
        ("fragmentation", Double(all.0)),
        ("fragmentation.bytes", Int(all.1)),
    ]
}

fn help_(_: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    help(
        client,
        "MEMORY",
        &[
            "DOCTOR",
            "    Say what may be wrong with the server's memory.",
            "MALLOC-STATS",
            "    Give the allocator's report of itself.",
            "PURGE",
            "    Give free memory back to the system.",
            "STATS",
            "    Tell where the memory is.",
            "USAGE <key> [SAMPLES <count>]",
            "    Tell how many bytes <key> and its value take. Values know their size, so that",
            "    nothing is sampled whatever <count> says.",
        ],
    );
    Ok(())
}
