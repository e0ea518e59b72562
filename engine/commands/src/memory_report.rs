//! Where the memory is: the figures behind INFO's Memory section, MEMORY STATS and MEMORY DOCTOR.
//!
//! Names and meaning are Redis 7.2's. What the data takes without its values (the tables) is overhead there
//! and here; entries count as data with their keys.

use crate::host::Figures;
use crate::info::{Fields, human};
use crate::server::Server;

/// What Lua and its caches hold.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ScriptFigures {
    /// The interpreter of EVAL, and that of functions.
    pub(crate) vm_eval_bytes: u64,
    pub(crate) vm_functions_bytes: u64,
    /// Cached scripts, and loaded libraries.
    pub(crate) scripts_bytes: u64,
    pub(crate) functions_bytes: u64,
    pub(crate) cached_scripts: u64,
    pub(crate) functions: u64,
    pub(crate) libraries: u64,
}

/// One database that is not empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DbMemory {
    pub(crate) index: usize,
    pub(crate) table_bytes: u64,
}

/// All figures at one moment.
#[derive(Debug)]
pub(crate) struct MemoryReport {
    pub(crate) process: Figures,
    pub(crate) backlog_bytes: u64,
    pub(crate) replica_bytes: u64,
    pub(crate) client_bytes: u64,
    /// The append-only file's buffer.
    pub(crate) aof_bytes: u64,
    pub(crate) scripts: ScriptFigures,
    pub(crate) dbs: Vec<DbMemory>,
    pub(crate) keys: u64,
    pub(crate) largest_client_share: f64,
}

impl Server {
    /// The figures now.
    pub(crate) fn memory_report(&self, process: Figures) -> MemoryReport {
        let kind = |replica: bool| {
            let of_kind =
                self.clients.iter().filter(move |c| c.state.has(crate::client::State::REPLICA) == replica);
            of_kind.map(crate::client::Client::memory_bytes).sum::<u64>()
        };
        let with_keys = self.dbs.iter().enumerate().filter(|(_, db)| !db.is_empty());
        let clients = self.clients.len().max(1) as f64;
        MemoryReport {
            process,
            backlog_bytes: self.replicating.history.backlog().map_or(0, |backlog| backlog.size()) as u64,
            replica_bytes: kind(true),
            client_bytes: kind(false),
            aof_bytes: self.aof_buffer_bytes() as u64,
            scripts: self.script_figures(),
            dbs: with_keys
                .map(|(index, db)| DbMemory { index, table_bytes: db.table_bytes() as u64 })
                .collect(),
            keys: self.key_count() as u64,
            largest_client_share: kind(false) as f64 / clients,
        }
    }

    /// What scripts hold.
    fn script_figures(&self) -> ScriptFigures {
        let sizes = self.scripting.sizes();
        ScriptFigures {
            vm_eval_bytes: sizes.vm_eval_bytes,
            vm_functions_bytes: sizes.vm_functions_bytes,
            scripts_bytes: sizes.scripts_bytes,
            functions_bytes: sizes.functions_bytes,
            cached_scripts: sizes.scripts,
            functions: sizes.functions,
            libraries: sizes.libraries,
        }
    }
}

/// `a / b`, and 0 for a `b` of 0.
fn ratio(a: u64, b: u64) -> f64 {
    if b == 0 { 0.0 } else { a as f64 / b as f64 }
}

impl MemoryReport {
    pub(crate) fn used(&self) -> u64 {
        self.process.used_bytes
    }

    /// Everything but keys and values.
    pub(crate) fn overhead(&self) -> u64 {
        let tables: u64 = self.dbs.iter().map(|db| db.table_bytes).sum();
        let scripts = self.scripts.scripts_bytes + self.scripts.functions_bytes;
        self.process.startup_bytes
            + self.backlog_bytes
            + self.replica_bytes
            + self.client_bytes
            + self.aof_bytes
            + tables
            + scripts
    }

    pub(crate) fn dataset(&self) -> u64 {
        self.used().saturating_sub(self.overhead())
    }

    fn net(&self) -> u64 {
        self.used().saturating_sub(self.process.startup_bytes)
    }

    pub(crate) fn dataset_percent(&self) -> f64 {
        ratio(self.dataset(), self.net()) * 100.0
    }

    pub(crate) fn peak_percent(&self) -> f64 {
        ratio(self.used(), self.process.peak_bytes) * 100.0
    }

    pub(crate) fn bytes_per_key(&self) -> u64 {
        self.net().checked_div(self.keys).unwrap_or(0)
    }

    /// Free space in pages in use: ratio and bytes.
    pub(crate) fn allocator_fragmentation(&self) -> (f64, i64) {
        let allocator = &self.process.allocator;
        difference(allocator.active_bytes, allocator.allocated_bytes)
    }

    /// Pages in memory that hold nothing.
    pub(crate) fn allocator_rss(&self) -> (f64, i64) {
        let allocator = &self.process.allocator;
        difference(allocator.resident_bytes, allocator.active_bytes)
    }

    /// Memory that is not the allocator's: code, stacks, the system's own.
    pub(crate) fn rss_overhead(&self) -> (f64, i64) {
        difference(self.process.rss_bytes, self.process.allocator.resident_bytes)
    }

    pub(crate) fn fragmentation(&self) -> (f64, i64) {
        difference(self.process.rss_bytes, self.used())
    }

    /// What could be wrong with it, in sentences.
    pub(crate) fn diagnosis(&self) -> String {
        const SMALL_BYTES: u64 = 5 << 20;
        const SLACK_BYTES: i64 = 10 << 20;
        if self.used() < SMALL_BYTES {
            return "This server holds almost nothing: there is too little to judge by. Ask again once it has data.\n"
                .into();
        }
        let mut findings = Vec::new();
        if ratio(self.process.peak_bytes, self.used()) > 1.5 {
            findings.push(
                "Peak memory: at some time more than half as much again was in use. What was freed since may show \
                 as a high fragmentation ratio; MEMORY PURGE gives free pages back.",
            );
        }
        let high = |(ratio, bytes): (f64, i64), limit: f64| ratio > limit && bytes > SLACK_BYTES;
        if high(self.fragmentation(), 1.4) {
            findings.push(
                "Fragmentation: resident memory is more than 1.4 times what is in use. Either the allocator holds \
                 free pages, or the workload has changed the sizes of its values much.",
            );
        }
        if high(self.allocator_fragmentation(), 1.1) {
            findings.push(
                "Allocator: more than a tenth of the pages in use is empty space between values. Values of other \
                 sizes than before are the usual reason; a restart from a snapshot packs them anew.",
            );
        }
        if high(self.allocator_rss(), 1.1) {
            findings.push(
                "Allocator pages: more than a tenth of what the allocator keeps in memory holds nothing. MEMORY \
                 PURGE gives it back at once.",
            );
        }
        if high(self.rss_overhead(), 1.1) {
            findings.push("Process: more than a tenth of the resident memory is not the allocator's.");
        }
        if self.largest_client_share > f64::from(200 * 1024) {
            findings.push(
                "Clients: they hold more than 200 KB each on average. Some do not read their replies, or send very \
                 large requests; CLIENT LIST shows which.",
            );
        }
        if self.replica_bytes > (10 << 20) {
            findings.push("Replicas: more than 10 MB wait for them; at least one does not keep up.");
        }
        match findings.is_empty() {
            true => "Nothing about this server's memory is out of the ordinary.\n".into(),
            false => format!("Found in this server's memory:\n\n * {}\n", findings.join("\n\n * ")),
        }
    }
}

fn difference(a: u64, b: u64) -> (f64, i64) {
    (ratio(a, b), a as i64 - b as i64)
}

/// INFO's section.
pub(crate) fn section(server: &Server, f: &mut Fields) {
    let report = server.memory_report(server.info_figures);
    usage(&report, f);
    allocator(&report, f);
    scripts(&report, f);
    f.bytes("maxmemory", server.config.settings.maxmemory);
    f.add("maxmemory_policy", server.config.shown("maxmemory-policy"));
    let mut pair = |name: &str, (ratio, bytes): (f64, i64)| {
        f.add(&format!("{name}_ratio"), format!("{ratio:.2}"));
        f.add(&format!("{name}_bytes"), bytes);
    };
    pair("allocator_frag", report.allocator_fragmentation());
    pair("allocator_rss", report.allocator_rss());
    pair("rss_overhead", report.rss_overhead());
    pair("mem_fragmentation", report.fragmentation());
    f.add("mem_not_counted_for_evict", server.not_counted_bytes());
    f.add("mem_replication_backlog", report.backlog_bytes);
    f.add("mem_total_replication_buffers", report.backlog_bytes + report.replica_bytes);
    f.add("mem_clients_slaves", report.replica_bytes);
    f.add("mem_clients_normal", report.client_bytes);
    f.add("mem_cluster_links", 0);
    f.add("mem_aof_buffer", report.aof_bytes);
    f.add("mem_allocator", "jemalloc-5.3.1");
    f.add("active_defrag_running", 0);
    let lazy = server.host.lazy_free();
    f.add("lazyfree_pending_objects", lazy.pending);
    f.add("lazyfreed_objects", lazy.freed);
}

fn usage(report: &MemoryReport, f: &mut Fields) {
    f.bytes("used_memory", report.used());
    f.bytes("used_memory_rss", report.process.rss_bytes);
    f.bytes("used_memory_peak", report.process.peak_bytes);
    f.add("used_memory_peak_perc", format!("{:.2}%", report.peak_percent()));
    f.add("used_memory_overhead", report.overhead());
    f.add("used_memory_startup", report.process.startup_bytes);
    f.add("used_memory_dataset", report.dataset());
    f.add("used_memory_dataset_perc", format!("{:.2}%", report.dataset_percent()));
}

fn allocator(report: &MemoryReport, f: &mut Fields) {
    let allocator = &report.process.allocator;
    f.add("allocator_allocated", allocator.allocated_bytes);
    f.add("allocator_active", allocator.active_bytes);
    f.add("allocator_resident", allocator.resident_bytes);
    f.bytes("total_system_memory", report.process.total_system_bytes);
}

fn scripts(report: &MemoryReport, f: &mut Fields) {
    let scripts = &report.scripts;
    f.add("used_memory_lua", scripts.vm_eval_bytes);
    f.add("used_memory_vm_eval", scripts.vm_eval_bytes);
    f.add("used_memory_lua_human", human(scripts.vm_eval_bytes));
    f.add("used_memory_scripts_eval", scripts.scripts_bytes);
    f.add("number_of_cached_scripts", scripts.cached_scripts);
    f.add("number_of_functions", scripts.functions);
    f.add("number_of_libraries", scripts.libraries);
    f.add("used_memory_vm_functions", scripts.vm_functions_bytes);
    f.bytes("used_memory_vm_total", scripts.vm_eval_bytes + scripts.vm_functions_bytes);
    f.add("used_memory_functions", scripts.functions_bytes);
    f.bytes("used_memory_scripts", scripts.scripts_bytes + scripts.functions_bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::AllocatorFigures;

    fn report(used_mb: u64, rss_mb: u64) -> MemoryReport {
        let allocator = AllocatorFigures {
            allocated_bytes: used_mb << 20,
            active_bytes: used_mb << 20,
            resident_bytes: rss_mb << 20,
        };
        let process = Figures {
            used_bytes: used_mb << 20,
            peak_bytes: used_mb << 20,
            startup_bytes: 1 << 20,
            rss_bytes: rss_mb << 20,
            allocator,
            ..Figures::default()
        };
        MemoryReport {
            process,
            backlog_bytes: 1 << 20,
            replica_bytes: 0,
            client_bytes: 2 << 20,
            aof_bytes: 0,
            scripts: ScriptFigures::default(),
            dbs: vec![DbMemory { index: 0, table_bytes: 1 << 20 }],
            keys: 1000,
            largest_client_share: 0.0,
        }
    }

    #[test]
    fn data_is_what_is_left() {
        let report = report(105, 110);
        assert_eq!(report.dataset(), 100 << 20);
        assert!((report.dataset_percent() - 100.0 * 100.0 / 104.0).abs() < 0.01);
        assert_eq!(report.bytes_per_key(), (104 << 20) / 1000);
    }

    #[test]
    fn the_doctor_names_what_is_wrong() {
        assert!(report(1, 8).diagnosis().contains("too little to judge"));
        assert!(report(100, 105).diagnosis().contains("Nothing about"));
        let sick = report(100, 200).diagnosis();
        assert!(sick.contains("Fragmentation") && sick.contains("MEMORY PURGE"), "{sick}");
    }
}
