//! Writing and reading a snapshot of 100,000 small keys.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use keyspace::{Data, Value};
use topple_persist::rdb::{Item, KeyMeta, Reader, Step, StringValue, Verify, Writer, WriterOptions};
use topple_persist::{crc64, lzf};

const KEYS: u64 = 100_000;
const PIECE_BYTES: usize = 256 * 1024;

/// Sixteen bytes of key and thirty-two of value that does not compress.
fn keys() -> Vec<(String, String)> {
    let mut state = 1u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state ^ (state >> 29)
    };
    (0..KEYS).map(|n| (format!("key:{n:012}"), format!("{:016x}{:016x}", random(), random()))).collect()
}

fn write(keys: &[(String, String)]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = Writer::new(WriterOptions::default());
    writer.header();
    writer.select_db(0, KEYS, 0);
    for (key, value) in keys {
        let value = Data::String(Value::Bytes(value.as_bytes()));
        writer.key(key.as_bytes(), value, KeyMeta::default());
        if writer.pending().len() > PIECE_BYTES {
            file.extend_from_slice(writer.pending());
            writer.clear_pending();
        }
    }
    writer.end();
    file.extend_from_slice(writer.pending());
    file
}

fn read(file: &[u8]) -> usize {
    let mut reader = Reader::new(Verify::Checksum);
    let mut bytes = 0;
    for piece in file.chunks(PIECE_BYTES) {
        reader.feed(piece);
        while let Step::Item(item) = reader.next().expect("our own file") {
            if let Item::Key { key, value: StringValue::Bytes(value), .. } = item {
                bytes += key.len() + value.len();
            }
        }
    }
    reader.finish().expect("complete");
    bytes
}

fn snapshot(criterion: &mut Criterion) {
    let keys = keys();
    let file = write(&keys);
    let mut group = criterion.benchmark_group("rdb");
    group.throughput(Throughput::Elements(KEYS));
    group.bench_function("write", |bench| bench.iter(|| write(black_box(&keys))));
    group.bench_function("read", |bench| bench.iter(|| read(black_box(&file))));
    group.throughput(Throughput::Bytes(file.len() as u64));
    group.bench_function("crc64", |bench| bench.iter(|| crc64::update(0, black_box(&file))));
    let text = b"The quick brown fox jumps over the lazy dog. ".repeat(100);
    let mut compressor = lzf::Compressor::default();
    let mut packed = Vec::new();
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("lzf", |bench| {
        bench.iter(|| {
            packed.clear();
            compressor.compress(black_box(&text), &mut packed, usize::MAX)
        });
    });
    group.finish();
}

criterion_group!(benches, snapshot);
criterion_main!(benches);
