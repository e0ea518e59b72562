//! Declarations of transactions and publish/subscribe; the code is in [`crate::transactions`] and
//! [`crate::pubsub`].

use types::spec::{Begin, Find, KeySpec};
use types::{Command, Flags, Meta};

use super::{container, plain};
use crate::table::AdminHandler;
use crate::{pubsub, transactions};

const BASE: Meta = Meta { group: "transactions", acl: &["transaction"], ..Meta::BASE };
const ALWAYS: Flags = Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE).and(Flags::FAST);

pub(crate) const COMMANDS: &[Command<AdminHandler>] = &[
    plain(
        Meta {
            name: "multi",
            summary: "Starts a transaction: the commands that follow are queued.",
            since: "1.2.0",
            flags: ALWAYS.and(Flags::ALLOW_BUSY),
            ..BASE
        },
        transactions::multi,
    ),
    plain(
        Meta {
            name: "exec",
            summary: "Runs the queued commands, unless a watched key changed.",
            since: "1.2.0",
            complexity: "As the queued commands",
            flags: Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE).and(Flags::SKIP_SLOWLOG),
            ..BASE
        },
        transactions::exec,
    ),
    plain(
        Meta {
            name: "discard",
            summary: "Drops the queued commands and leaves the transaction.",
            since: "2.0.0",
            complexity: "O(N), N being the number of queued commands",
            flags: ALWAYS.and(Flags::ALLOW_BUSY),
            ..BASE
        },
        transactions::discard,
    ),
    plain(
        Meta {
            name: "watch",
            summary: "Makes the next transaction depend on keys staying as they are.",
            since: "2.2.0",
            complexity: "O(1) a key",
            arity: -2,
            flags: ALWAYS.and(Flags::ALLOW_BUSY),
            keys: &[types::spec::all_keys(&["RO"])],
            args: "key [key ...]",
            ..BASE
        },
        transactions::watch,
    ),
    plain(
        Meta {
            name: "unwatch",
            summary: "Forgets all watched keys.",
            since: "2.2.0",
            flags: ALWAYS.and(Flags::ALLOW_BUSY),
            ..BASE
        },
        transactions::unwatch,
    ),
];

const PUBSUB: Meta = Meta { group: "pubsub", since: "2.0.0", ..Meta::BASE };
const SUBSCRIBING: Flags =
    Flags::PUBSUB.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE).and(Flags::SENTINEL);
const SHARDED: Meta = Meta { since: "7.0.0", ..PUBSUB };
const SHARD_SUBSCRIBING: Flags = Flags::PUBSUB.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE);
/// Where a cluster's clients find the slot of a shard's channel.
const SHARD_CHANNEL: KeySpec =
    KeySpec { flags: &["not_key"], begin: Begin::Index(1), find: Find::Range(0, 1, 0) };
const ASKING: Meta =
    Meta { since: "2.8.0", flags: Flags::PUBSUB.and(Flags::LOADING).and(Flags::STALE), ..PUBSUB };

pub(crate) const PUBSUB_COMMANDS: &[Command<AdminHandler>] = &[
    plain(
        Meta {
            name: "subscribe",
            summary: "Listens to channels.",
            complexity: "O(1) a channel",
            arity: -2,
            flags: SUBSCRIBING,
            args: "channel [channel ...]",
            ..PUBSUB
        },
        pubsub::subscribe,
    ),
    plain(
        Meta {
            name: "unsubscribe",
            summary: "Stops listening to channels, or to all.",
            complexity: "O(1) a channel",
            arity: -1,
            flags: SUBSCRIBING,
            args: "[channel [channel ...]]",
            ..PUBSUB
        },
        pubsub::unsubscribe,
    ),
    plain(
        Meta {
            name: "psubscribe",
            summary: "Listens to all channels whose name matches a pattern.",
            complexity: "O(1) a pattern",
            arity: -2,
            flags: SUBSCRIBING,
            args: "pattern [pattern ...]",
            ..PUBSUB
        },
        pubsub::psubscribe,
    ),
    plain(
        Meta {
            name: "punsubscribe",
            summary: "Stops listening to patterns, or to all.",
            complexity: "O(N), N being the number of the server's patterns",
            arity: -1,
            flags: SUBSCRIBING,
            args: "[pattern [pattern ...]]",
            ..PUBSUB
        },
        pubsub::punsubscribe,
    ),
    plain(
        Meta {
            name: "publish",
            summary: "Sends a message to a channel's listeners.",
            complexity: "O(N+M), N listeners of the channel and M patterns of the server",
            arity: 3,
            flags: Flags::PUBSUB
                .and(Flags::LOADING)
                .and(Flags::STALE)
                .and(Flags::FAST)
                .and(Flags::MAY_REPLICATE)
                .and(Flags::SENTINEL),
            args: "channel message",
            ..PUBSUB
        },
        pubsub::publish,
    ),
    plain(
        Meta {
            name: "ssubscribe",
            summary: "Listens to channels of the shard.",
            complexity: "O(1) a channel",
            arity: -2,
            flags: SHARD_SUBSCRIBING,
            keys: &[KeySpec { find: Find::Range(-1, 1, 0), ..SHARD_CHANNEL }],
            args: "shardchannel [shardchannel ...]",
            ..SHARDED
        },
        pubsub::ssubscribe,
    ),
    plain(
        Meta {
            name: "sunsubscribe",
            summary: "Stops listening to channels of the shard, or to all of them.",
            complexity: "O(1) a channel",
            arity: -1,
            flags: SHARD_SUBSCRIBING,
            keys: &[KeySpec { find: Find::Range(-1, 1, 0), ..SHARD_CHANNEL }],
            args: "[shardchannel [shardchannel ...]]",
            ..SHARDED
        },
        pubsub::sunsubscribe,
    ),
    plain(
        Meta {
            name: "spublish",
            summary: "Sends a message to the listeners of a shard's channel.",
            complexity: "O(N), N being the number of listeners",
            arity: 3,
            flags: Flags::PUBSUB
                .and(Flags::LOADING)
                .and(Flags::STALE)
                .and(Flags::FAST)
                .and(Flags::MAY_REPLICATE),
            keys: &[SHARD_CHANNEL],
            args: "shardchannel message",
            ..SHARDED
        },
        pubsub::spublish,
    ),
    container(
        Meta {
            name: "pubsub",
            summary: "Tells of channels and their listeners.",
            complexity: "As the subcommand",
            since: "2.8.0",
            arity: -2,
            ..PUBSUB
        },
        &[
            plain(
                Meta {
                    name: "channels",
                    summary: "Names channels that have listeners.",
                    complexity: "O(N), N being the number of channels",
                    arity: -2,
                    args: "[pattern]",
                    ..ASKING
                },
                pubsub::channels,
            ),
            plain(
                Meta {
                    name: "numsub",
                    summary: "Counts the listeners of channels.",
                    complexity: "O(1) a channel",
                    arity: -2,
                    args: "[channel [channel ...]]",
                    ..ASKING
                },
                pubsub::numsub,
            ),
            plain(
                Meta { name: "numpat", summary: "Counts patterns listened to.", arity: 2, ..ASKING },
                pubsub::numpat,
            ),
            plain(
                Meta {
                    name: "shardchannels",
                    summary: "Names channels of the shard that have listeners.",
                    complexity: "O(N), N being the number of channels",
                    since: "7.0.0",
                    arity: -2,
                    args: "[pattern]",
                    ..ASKING
                },
                pubsub::shardchannels,
            ),
            plain(
                Meta {
                    name: "shardnumsub",
                    summary: "Counts the listeners of the shard's channels.",
                    complexity: "O(1) a channel",
                    since: "7.0.0",
                    arity: -2,
                    args: "[shardchannel [shardchannel ...]]",
                    ..ASKING
                },
                pubsub::shardnumsub,
            ),
            plain(
                Meta {
                    name: "help",
                    summary: "Lists the subcommands.",
                    since: "6.2.0",
                    arity: 2,
                    flags: Flags::LOADING.and(Flags::STALE),
                    ..PUBSUB
                },
                pubsub::help,
            ),
        ],
    ),
];
