//! How much memory the process holds, told fast enough to ask before every command, and freeing what is
//! large on a thread of its own.
//!
//! The allocator counts for each thread what it ever gave it and took back. Two threads matter: the one that
//! runs everything, and the one here that only frees. The few others (resolving names) hold next to nothing.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};

use commands::{Garbage, LazyFreed};
use tikv_jemalloc_ctl::thread::{ThreadLocal, allocatedp, deallocatedp};

/// What one thread ever allocated, less what it freed.
struct Count {
    allocated: ThreadLocal<u64>,
    freed: ThreadLocal<u64>,
}

impl Count {
    /// Of the calling thread; none when the allocator does not count.
    fn of_this_thread() -> Option<Self> {
        Some(Self { allocated: allocatedp::read().ok()?, freed: deallocatedp::read().ok()? })
    }

    fn net(&self) -> i64 {
        self.allocated.get().wrapping_sub(self.freed.get()) as i64
    }
}

#[derive(Default)]
struct Shared {
    pending: AtomicU64,
    freed: AtomicU64,
    /// The freeing thread's count: below 0, since it frees what another allocated.
    net: AtomicI64,
}

/// The process's memory, seen from the thread that runs everything.
pub(crate) struct Memory {
    count: Option<Count>,
    peak_bytes: Cell<u64>,
    shared: Arc<Shared>,
    /// To the freeing thread, once there is one.
    sender: Option<Sender<Garbage>>,
}

impl Memory {
    /// To be made on the thread that runs everything.
    pub(crate) fn new() -> Self {
        let count = Count::of_this_thread();
        Self { count, peak_bytes: Cell::new(0), shared: Arc::default(), sender: None }
    }

    /// Bytes held now.
    pub(crate) fn used_bytes(&self) -> u64 {
        let own = self.count.as_ref().map_or(0, Count::net);
        let used = (own + self.shared.net.load(Ordering::Relaxed)).max(0) as u64;
        self.peak_bytes.set(self.peak_bytes.get().max(used));
        used
    }

    /// The most that was ever seen.
    pub(crate) fn peak_bytes(&self) -> u64 {
        self.peak_bytes.get()
    }

    /// Frees on the other thread. Where none can be started it is done here.
    pub(crate) fn free(&mut self, garbage: Garbage) {
        let sender = self.sender.take().or_else(|| start(self.shared.clone()));
        let Some(sender) = sender else { return };
        self.shared.pending.fetch_add(garbage.objects(), Ordering::Relaxed);
        if sender.send(garbage).is_ok() {
            self.sender = Some(sender);
        }
    }

    pub(crate) fn lazy_freed(&self) -> LazyFreed {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LazyFreed { pending: read(&self.shared.pending), freed: read(&self.shared.freed) }
    }

    pub(crate) fn reset_lazy_freed(&self) {
        self.shared.freed.store(0, Ordering::Relaxed);
    }
}

/// Starts the thread that frees; it ends with the sender.
fn start(shared: Arc<Shared>) -> Option<Sender<Garbage>> {
    let (sender, receiver) = channel::<Garbage>();
    let work = move || {
        let count = Count::of_this_thread();
        for garbage in receiver {
            let Garbage { dbs, values } = garbage;
            for value in values {
                drop(value);
                done(&shared, count.as_ref(), 1);
            }
            for db in dbs {
                let keys = db.len() as u64;
                drop(db);
                done(&shared, count.as_ref(), keys);
            }
        }
    };
    std::thread::Builder::new().name("lazyfree".into()).spawn(work).ok().map(|_| sender)
}

fn done(shared: &Shared, count: Option<&Count>, objects: u64) {
    shared.net.store(count.map_or(0, Count::net), Ordering::Relaxed);
    shared.freed.fetch_add(objects, Ordering::Relaxed);
    shared.pending.fetch_sub(objects, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyspace::{Db, Expiry, HashSeed};

    #[test]
    fn what_another_thread_frees_is_counted_here() {
        let mut memory = Memory::new();
        let before = memory.used_bytes();
        let mut db = Db::new(HashSeed([1, 2, 3, 4]));
        for index in 0..20_000 {
            let key = format!("key:{index}");
            let hash = db.hash_of(key.as_bytes());
            db.set_bytes(hash, key.as_bytes(), &[b'x'; 100], Expiry::Clear, 0);
        }
        let (held, asked) = (memory.used_bytes() - before, db.bytes() as u64);
        assert!(held >= asked && held < asked + asked / 4, "{held} held, {asked} asked for");
        memory.free(Garbage { dbs: vec![db], ..Garbage::default() });
        let mut waits = 0;
        while memory.lazy_freed().pending > 0 {
            waits += 1;
            assert!(waits < 100_000, "never freed");
            std::thread::yield_now();
        }
        assert_eq!(memory.lazy_freed().freed, 20_000);
        assert!(memory.used_bytes() < before + asked / 10, "{} of {asked} left", memory.used_bytes());
        assert!(memory.peak_bytes() >= before + asked);
    }
}
