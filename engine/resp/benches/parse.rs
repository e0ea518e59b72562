//! Speed of parsing requests and writing replies.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use topple_resp::request::Trust;
use topple_resp::{Batch, Limits, Parser, Protocol, Value, Writer};

const LIMITS: Limits = Limits { max_bulk_bytes: 512 << 20, trust: Trust::Authenticated };

fn requests(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse");
    let set = b"*3\r\n$3\r\nSET\r\n$16\r\nkey:000000012345\r\n$32\r\nabcdefghijklmnopqrstuvwxyz012345\r\n"
        .repeat(16);
    group.throughput(Throughput::Elements(16));
    group.bench_function("16 pipelined SET", |b| {
        let (mut buffer, mut batch) = (set.clone(), Batch::default());
        b.iter(|| {
            batch.clear();
            black_box(Parser::default().parse(black_box(&mut buffer), 0, 16, LIMITS, &mut batch))
        });
    });
    let inline = b"set key:000000012345 abcdefghijklmnop\r\n".repeat(16);
    group.bench_function("16 inline SET", |b| {
        let mut batch = Batch::default();
        b.iter(|| {
            batch.clear();
            // Unquoting works in place: each round needs the text as it was.
            let mut buffer = inline.clone();
            black_box(Parser::default().parse(&mut buffer, 0, 16, LIMITS, &mut batch))
        });
    });
    group.finish();
}

fn replies(c: &mut Criterion) {
    let mut group = c.benchmark_group("reply");
    group.throughput(Throughput::Elements(16));
    group.bench_function("16 bulk strings of 32 bytes", |b| {
        let mut out = Vec::new();
        b.iter(|| {
            out.clear();
            let mut writer = Writer::new(&mut out, Protocol::Resp2);
            (0..16).for_each(|_| writer.bulk(black_box(b"abcdefghijklmnopqrstuvwxyz012345")));
        });
    });
    let reply = b"$32\r\nabcdefghijklmnopqrstuvwxyz012345\r\n";
    group.bench_function("client reads a bulk string", |b| b.iter(|| Value::parse(black_box(reply))));
    group.finish();
}

criterion_group!(benches, requests, replies);
criterion_main!(benches);
