//! What COMMAND INFO says of our data commands is what the real server says.
//!
//! Flags, categories and tips are compared in any order; remarks in words are not. Tips that are newer
//! than the installed real server are named here.

use resp::Value;

use super::pattern::Pattern;
use super::support::client::Client;
use super::support::server::{Engine, Server};

const COMMANDS: &str = "get set setnx setex psetex getset getdel getex mget mset msetnx append strlen setrange \
    getrange substr incr decr incrby decrby incrbyfloat lcs del unlink exists touch type expire pexpire expireat \
    pexpireat ttl pttl expiretime pexpiretime persist rename renamenx copy move keys scan randomkey dbsize flushdb \
    flushall swapdb object hset hmset hsetnx hget hmget hgetall hkeys hvals hdel hexists hlen hstrlen hincrby \
    hincrbyfloat hrandfield hscan sadd srem sismember smismember scard smembers spop srandmember smove sinter \
    sintercard sinterstore sunion sunionstore sdiff sdiffstore sscan zadd zincrby zrem zcard zscore zmscore \
    zcount zlexcount zrange zrangestore zrevrange zrangebyscore zrevrangebyscore zrangebylex zrevrangebylex \
    zremrangebyrank zremrangebyscore zremrangebylex zpopmin zpopmax zmpop bzpopmin bzpopmax bzmpop zrandmember \
    zunion zinter zdiff zunionstore zinterstore zdiffstore zintercard zscan geoadd geodist geohash geopos \
    georadius georadius_ro georadiusbymember georadiusbymember_ro geosearch geosearchstore lpush rpush lpushx rpushx \
    lpop rpop llen lindex lset linsert lrange ltrim lrem lpos lmove rpoplpush lmpop blpop brpop blmove brpoplpush \
    blmpop sort sort_ro \
    setbit getbit bitcount bitpos bitop bitfield bitfield_ro pfadd pfcount pfmerge pfdebug pfselftest dump restore \
    restore-asking \
    xadd xlen xrange xrevrange xread xreadgroup xdel xtrim xsetid xack xpending xclaim xautoclaim xgroup xinfo";

/// Those of connections and of administration that are declared beside their code in the crate of commands.
const OTHERS: &str = "acl auth hello ping echo select quit reset client multi exec discard watch unwatch subscribe \
    unsubscribe psubscribe punsubscribe ssubscribe sunsubscribe publish spublish pubsub slowlog latency monitor \
    command lolwut time";

/// Commands that came with 7.2, or changed their arity with it.
const NEWER: &[&str] =
    &["client|no-touch ", "client|setinfo ", "command|getkeys ", "command|getkeysandflags "];

/// Tips that came with 7.2.
const NEW_TIPS: &[(&str, &str)] =
    &[("scan", "response_policy:special"), ("randomkey", "response_policy:special")];

/// The elements of a list, each in text, sorted.
fn sorted(list: &Value) -> Vec<String> {
    let mut items: Vec<String> =
        list.as_array().expect("a list").iter().map(|item| Pattern::of(item, None).to_string()).collect();
    items.sort();
    items
}

/// A key specification without its remarks, its flags sorted.
fn key_spec(spec: &Value) -> String {
    let fields = spec.as_array().expect("fields and values");
    let facts =
        fields.chunks(2).filter(|field| field[0].as_bytes() != Some(b"notes")).map(|field| {
            match field[0].as_bytes() {
                Some(b"flags") => sorted(&field[1]).join(" "),
                _ => Pattern::of(&field[1], None).to_string(),
            }
        });
    facts.collect::<Vec<_>>().join(" ")
}

/// A command's line for comparison, and one for each of its subcommands.
fn facts(info: &Value) -> Vec<String> {
    let fields = info.as_array().expect("what COMMAND INFO tells");
    let name = fields[0].to_text().expect("a name");
    let new = |tip: &String| NEW_TIPS.iter().any(|(command, new)| *command == name && tip.contains(new));
    let tips: Vec<String> = sorted(&fields[7]).into_iter().filter(|tip| !new(tip)).collect();
    let numbers: Vec<i64> = [1, 3, 4, 5].iter().filter_map(|at| fields[*at].as_int()).collect();
    let specs: Vec<String> = fields[8].as_array().expect("key specifications").iter().map(key_spec).collect();
    let (flags, categories) = (sorted(&fields[2]), sorted(&fields[6]));
    let mut lines = vec![format!("{name} {numbers:?} {flags:?} {categories:?} {tips:?} {specs:?}")];
    let mut subcommands: Vec<Vec<String>> =
        fields[9].as_array().expect("subcommands").iter().map(facts).collect();
    subcommands.sort();
    lines.extend(subcommands.into_iter().flatten());
    lines
}

fn declared(client: &mut Client) -> Vec<String> {
    let mut lines = Vec::new();
    for name in COMMANDS.split_whitespace().chain(OTHERS.split_whitespace()) {
        let reply = client.call(&["COMMAND", "INFO", name]).expect("a reply");
        lines.extend(reply.as_array().expect("a list").iter().flat_map(facts));
    }
    lines.retain(|line| !NEWER.iter().any(|newer| line.starts_with(newer)));
    lines
}

#[test]
fn data_commands_are_declared_alike() {
    let (ours, real) = (Server::start(Engine::Topple, &[]), Server::start(Engine::Redis, &[]));
    let (ours, real) = (declared(&mut ours.client()), declared(&mut real.client()));
    let differing: Vec<String> = ours
        .iter()
        .zip(&real)
        .filter(|(our, real)| our != real)
        .map(|(our, real)| format!("ours {our}\nreal {real}"))
        .collect();
    assert!(differing.is_empty(), "declared otherwise:\n{}", differing.join("\n"));
    assert_eq!(ours.len(), real.len());
}
