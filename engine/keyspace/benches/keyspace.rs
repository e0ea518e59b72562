//! The keyspace with a million keys of 16 bytes and values of 32, on the binary's allocator.
//!
//! `cargo bench -p topple-keyspace`. Growth is measured once and printed: bytes a key, resident
//! bytes a key, the mean and the longest single insertion; `GROWTH_KEYS` sets how far it goes.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use keyspace::{Cursor, Db, Expiry, HashSeed};
use topple_keyspace as keyspace;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const KEYS: u64 = 1_000_000;
const VALUE: [u8; 32] = [b'v'; 32];
const BATCH: usize = 16;

fn key(n: u64) -> [u8; 16] {
    let mut key = *b"key:000000000000";
    let mut left = n;
    for digit in key[4..].iter_mut().rev() {
        *digit += (left % 10) as u8;
        left /= 10;
    }
    key
}

/// A fixed sequence of numbers without order: Marsaglia's xorshift.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn empty() -> Db {
    Db::new(HashSeed([11, 22, 33, 44]))
}

fn set(db: &mut Db, key: &[u8]) {
    db.set_bytes(db.hash_of(key), key, &VALUE, Expiry::Clear, 1);
}

fn filled(keys: u64) -> Db {
    let mut db = empty();
    (0..keys).for_each(|n| set(&mut db, &key(n)));
    db
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

/// Grows one table and prints what it cost. The longest insertion includes whatever else the
/// machine did meanwhile, so the ten longest are shown, each
/// with its number.
#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn growth(_: &mut Criterion) {
    let keys = std::env::var("GROWTH_KEYS").ok().and_then(|text| text.parse().ok()).unwrap_or(KEYS);
    let before = resident_bytes();
    let mut db = empty();
    let mut longest = vec![(Duration::ZERO, 0); 10];
    let started = Instant::now();
    let mut last = started;
    for n in 0..keys {
        set(&mut db, &key(n));
        let now = Instant::now();
        let took = now - last;
        last = now;
        if took > longest[0].0 {
            longest[0] = (took, n);
            longest.sort_unstable();
        }
    }
    let total = started.elapsed();
    let each = |bytes: usize| bytes as f64 / keys as f64;
    println!("growth to {keys} keys: {:.0} ns an insertion", total.as_nanos() as f64 / keys as f64);
    println!("  longest single insertions: {longest:?}");
    println!(
        "  bytes a key: {:.1} asked for, {:.1} resident",
        each(db.bytes()),
        each(resident_bytes() - before)
    );
    let started = Instant::now();
    for n in 0..keys {
        let key = key(n);
        drop(db.remove(db.hash_of(&key), &key));
    }
    println!("  removing all: {:.0} ns each", started.elapsed().as_nanos() as f64 / keys as f64);
}

fn reading(c: &mut Criterion) {
    let mut db = filled(KEYS);
    let mut group = c.benchmark_group("keyspace");
    let mut numbers = Numbers(88_172_645_463_325_252);
    group.bench_function("get hit", |b| {
        b.iter(|| {
            let key = key(numbers.below(KEYS));
            black_box(db.get(db.hash_of(&key), &key).map(|entry| entry.value().len()))
        });
    });
    group.bench_function("get miss", |b| {
        b.iter(|| {
            let key = key(KEYS + numbers.below(KEYS));
            black_box(db.get(db.hash_of(&key), &key).is_some())
        });
    });
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("get hit, 16 prefetched", |b| {
        b.iter(|| {
            let keys: [[u8; 16]; BATCH] = std::array::from_fn(|_| key(numbers.below(KEYS)));
            let hashes = keys.map(|key| db.hash_of(&key));
            hashes.iter().for_each(|&h| db.prefetch_bucket(h));
            hashes.iter().for_each(|&h| db.prefetch_entry(h));
            for (h, key) in hashes.iter().zip(&keys) {
                black_box(db.get(*h, key).map(|entry| entry.value().len()));
            }
        });
    });
    group.throughput(Throughput::Elements(1));
    group.bench_function("set overwrite", |b| b.iter(|| set(&mut db, &key(numbers.below(KEYS)))));
    let mut cursor = Cursor(0);
    group.bench_function("scan, count 10", |b| {
        b.iter(|| cursor = db.scan(cursor, 10, &mut |entry| _ = black_box(entry.key().len())));
    });
    group.bench_function("random", |b| b.iter(|| black_box(db.random(numbers.below(u64::MAX)).is_some())));
    group.throughput(Throughput::Elements(KEYS));
    group.sample_size(10);
    group.bench_function("iterate 1M", |b| {
        b.iter(|| db.iter().map(|entry| entry.value().len() + entry.key().len()).sum::<usize>());
    });
}

fn inserting(c: &mut Criterion) {
    let mut group = c.benchmark_group("keyspace");
    group.sample_size(10);
    group.throughput(Throughput::Elements(KEYS));
    group.bench_function("set new, 0 to 1M", |b| {
        b.iter_batched(
            empty,
            |mut db| {
                (0..KEYS).for_each(|n| set(&mut db, &key(n)));
                db
            },
            BatchSize::PerIteration,
        );
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = growth, reading, inserting
}
criterion_main!(benches);
