//! Publish/subscribe: channels, patterns, channels of a shard, and the messages to their subscribers.

use std::collections::{BTreeSet, HashMap};

use resp::{Args, Writer};
use types::CommandError;
use types::glob::{Case, matches};

use crate::client::{Client, ClientId, Rare, State};
use crate::server::Server;

/// Listeners by channel.
type Channels = HashMap<Vec<u8>, Vec<ClientId>>;

/// Who is subscribed to what.
#[derive(Debug, Default)]
pub(crate) struct PubSub {
    channels: Channels,
    /// Channels of a shard: a space of names of their own.
    shard_channels: Channels,
    /// In order of the first subscription, as messages are delivered.
    patterns: Vec<(Vec<u8>, Vec<ClientId>)>,
}

impl PubSub {
    pub(crate) fn channel_count(&self) -> usize {
        self.channels.len()
    }

    pub(crate) fn shard_channel_count(&self) -> usize {
        self.shard_channels.len()
    }

    pub(crate) fn pattern_count(&self) -> usize {
        self.patterns.len()
    }

    pub(crate) fn remove_client(&mut self, client: &Client) {
        for kind in Kind::ALL {
            kind.own(&client.rare).iter().for_each(|name| self.leave(client.id, name, kind));
        }
    }

    /// The channels that are no patterns.
    fn channels(&self, kind: Kind) -> &Channels {
        if kind == Kind::Shard { &self.shard_channels } else { &self.channels }
    }

    fn channels_mut(&mut self, kind: Kind) -> &mut Channels {
        if kind == Kind::Shard { &mut self.shard_channels } else { &mut self.channels }
    }

    fn join(&mut self, id: ClientId, name: &[u8], kind: Kind) {
        if kind != Kind::Pattern {
            self.channels_mut(kind).entry(name.to_vec()).or_default().push(id);
            return;
        }
        match self.patterns.iter_mut().find(|(known, _)| known == name) {
            Some((_, subscribers)) => subscribers.push(id),
            None => self.patterns.push((name.to_vec(), vec![id])),
        }
    }

    fn leave(&mut self, id: ClientId, name: &[u8], kind: Kind) {
        if kind == Kind::Pattern {
            for (_, subscribers) in self.patterns.iter_mut().filter(|(known, _)| known == name) {
                subscribers.retain(|subscriber| *subscriber != id);
            }
            self.patterns.retain(|(_, subscribers)| !subscribers.is_empty());
            return;
        }
        let channels = self.channels_mut(kind);
        if let Some(subscribers) = channels.get_mut(name) {
            subscribers.retain(|subscriber| *subscriber != id);
            if subscribers.is_empty() {
                channels.remove(name);
            }
        }
    }
}

/// What can be subscribed to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Channel,
    Pattern,
    Shard,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::Channel, Kind::Pattern, Kind::Shard];

    /// A client's own subscriptions of this kind.
    fn own(self, rare: &Rare) -> &BTreeSet<Vec<u8>> {
        match self {
            Kind::Channel => &rare.channels,
            Kind::Pattern => &rare.patterns,
            Kind::Shard => &rare.shard_channels,
        }
    }

    fn own_mut(self, rare: &mut Rare) -> &mut BTreeSet<Vec<u8>> {
        match self {
            Kind::Channel => &mut rare.channels,
            Kind::Pattern => &mut rare.patterns,
            Kind::Shard => &mut rare.shard_channels,
        }
    }

    /// The words that confirm a subscription and its end.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Kind::Channel => ("subscribe", "unsubscribe"),
            Kind::Pattern => ("psubscribe", "punsubscribe"),
            Kind::Shard => ("ssubscribe", "sunsubscribe"),
        }
    }

    /// The number a confirmation tells: channels and patterns count together.
    fn count(self, rare: &Rare) -> usize {
        match self {
            Kind::Shard => rare.shard_channels.len(),
            Kind::Channel | Kind::Pattern => rare.channels.len() + rare.patterns.len(),
        }
    }
}

impl Server {
    /// Delivers a message; gives the number of deliveries.
    pub fn publish(&mut self, channel: &[u8], message: &[u8]) -> usize {
        let mut delivered = 0;
        if let Some(subscribers) = self.pubsub.channels.get(channel) {
            for id in subscribers.clone() {
                self.deliver(id, &[b"message", channel, message]);
                delivered += 1;
            }
        }
        let matching: Vec<(Vec<u8>, ClientId)> = self
            .pubsub
            .patterns
            .iter()
            .filter(|(pattern, _)| matches(pattern, channel, Case::Sensitive))
            .flat_map(|(pattern, subscribers)| subscribers.iter().map(|id| (pattern.clone(), *id)))
            .collect();
        for (pattern, id) in matching {
            self.deliver(id, &[b"pmessage", &pattern, channel, message]);
            delivered += 1;
        }
        delivered
    }

    fn deliver(&mut self, id: ClientId, parts: &[&[u8]]) {
        let Some(protocol) = self.clients.protocol_of(id) else { return };
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, protocol);
        writer.push(parts.len());
        parts.iter().for_each(|part| writer.bulk(part));
        self.clients.send(id, &bytes);
    }

    /// Delivers a message to those who listen to a shard's channel.
    fn publish_to_shard(&mut self, channel: &[u8], message: &[u8]) -> usize {
        let subscribers = self.pubsub.shard_channels.get(channel).cloned().unwrap_or_default();
        for id in &subscribers {
            self.deliver(*id, &[b"smessage", channel, message]);
        }
        subscribers.len()
    }

    fn subscribe_to(&mut self, client: &mut Client, names: Args<'_>, kind: Kind) {
        for name in names.iter() {
            if kind.own_mut(&mut client.rare).insert(name.to_vec()) {
                self.pubsub.join(client.id, name, kind);
            }
            client.state.add(State::PUBSUB);
            confirm(client, kind.words().0, Some(name), kind);
        }
    }

    fn unsubscribe_from(&mut self, client: &mut Client, names: Args<'_>, kind: Kind) {
        let leaving = match names.is_empty() {
            true => kind.own(&client.rare).iter().cloned().collect(),
            false => names.to_vecs(),
        };
        for name in &leaving {
            if kind.own_mut(&mut client.rare).remove(name) {
                self.pubsub.leave(client.id, name, kind);
            }
            confirm(client, kind.words().1, Some(name), kind);
        }
        if leaving.is_empty() {
            confirm(client, kind.words().1, None, kind);
        }
        if client.subscriptions() == 0 {
            client.state.remove(State::PUBSUB);
        }
    }

    /// Ends all subscriptions without a word (RESET).
    pub(crate) fn unsubscribe_silently(&mut self, client: &mut Client) {
        self.pubsub.remove_client(client);
        Kind::ALL.iter().for_each(|kind| kind.own_mut(&mut client.rare).clear());
        client.state.remove(State::PUBSUB);
    }
}

fn confirm(client: &mut Client, word: &str, name: Option<&[u8]>, kind: Kind) {
    let count = kind.count(&client.rare) as i64;
    let mut writer = client.writer();
    writer.push(3);
    writer.bulk(word.as_bytes());
    match name {
        Some(name) => writer.bulk(name),
        None => writer.null(),
    }
    writer.int(count);
}

pub(crate) fn ssubscribe(
    server: &mut Server,
    client: &mut Client,
    args: Args<'_>,
) -> Result<(), CommandError> {
    if client.state.has(State::IN_EXEC) {
        return Err(CommandError::new("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client"));
    }
    server.subscribe_to(client, args.from(1), Kind::Shard);
    Ok(())
}

pub(crate) fn sunsubscribe(
    server: &mut Server,
    client: &mut Client,
    args: Args<'_>,
) -> Result<(), CommandError> {
    server.unsubscribe_from(client, args.from(1), Kind::Shard);
    Ok(())
}

pub(crate) fn spublish(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let delivered = server.publish_to_shard(args.at(1), args.at(2));
    if !client.state.has(State::MASTER) {
        server.propagate_to_replicas(client.db, args.iter());
    }
    client.writer().int(delivered as i64);
    Ok(())
}

pub(crate) fn subscribe(
    server: &mut Server,
    client: &mut Client,
    args: Args<'_>,
) -> Result<(), CommandError> {
    server.subscribe_to(client, args.from(1), Kind::Channel);
    Ok(())
}

pub(crate) fn psubscribe(
    server: &mut Server,
    client: &mut Client,
    args: Args<'_>,
) -> Result<(), CommandError> {
    server.subscribe_to(client, args.from(1), Kind::Pattern);
    Ok(())
}

pub(crate) fn unsubscribe(
    server: &mut Server,
    client: &mut Client,
    args: Args<'_>,
) -> Result<(), CommandError> {
    server.unsubscribe_from(client, args.from(1), Kind::Channel);
    Ok(())
}

pub(crate) fn punsubscribe(
    server: &mut Server,
    client: &mut Client,
    args: Args<'_>,
) -> Result<(), CommandError> {
    server.unsubscribe_from(client, args.from(1), Kind::Pattern);
    Ok(())
}

pub(crate) fn publish(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let delivered = server.publish(args.at(1), args.at(2));
    if !client.state.has(State::MASTER) {
        server.propagate_to_replicas(client.db, args.iter());
    }
    client.writer().int(delivered as i64);
    Ok(())
}

pub(crate) fn channels(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    name_channels(server, client, args, Kind::Channel)
}

pub(crate) fn shardchannels(
    server: &mut Server,
    client: &mut Client,
    args: Args<'_>,
) -> Result<(), CommandError> {
    name_channels(server, client, args, Kind::Shard)
}

fn name_channels(
    server: &Server,
    client: &mut Client,
    args: Args<'_>,
    kind: Kind,
) -> Result<(), CommandError> {
    if args.len() > 3 {
        let name = String::from_utf8_lossy(args.at(1)).into_owned();
        return Err(CommandError::new(format!(
            "ERR unknown subcommand or wrong number of arguments for '{name}'. Try PUBSUB HELP."
        )));
    }
    let wanted = |name: &[u8]| args.get(2).is_none_or(|pattern| matches(pattern, name, Case::Sensitive));
    let names: Vec<&Vec<u8>> = server.pubsub.channels(kind).keys().filter(|name| wanted(name)).collect();
    let mut writer = client.writer();
    writer.array(names.len());
    names.iter().for_each(|name| writer.bulk(name));
    Ok(())
}

pub(crate) fn numsub(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    count_listeners(server, client, args, Kind::Channel)
}

pub(crate) fn shardnumsub(
    server: &mut Server,
    client: &mut Client,
    args: Args<'_>,
) -> Result<(), CommandError> {
    count_listeners(server, client, args, Kind::Shard)
}

fn count_listeners(
    server: &Server,
    client: &mut Client,
    args: Args<'_>,
    kind: Kind,
) -> Result<(), CommandError> {
    let names = args.from(2);
    let mut writer = client.writer();
    writer.array(names.len() * 2);
    for name in names.iter() {
        writer.bulk(name);
        writer.int(server.pubsub.channels(kind).get(name).map_or(0, Vec::len) as i64);
    }
    Ok(())
}

pub(crate) fn help(_: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    crate::admin::help(
        client,
        "PUBSUB",
        &[
            "CHANNELS [<pattern>]",
            "    The channels that have listeners.",
            "NUMPAT",
            "    How many patterns are listened to.",
            "NUMSUB [<channel> ...]",
            "    How many listen to channels, those of patterns not counted.",
            "SHARDCHANNELS [<pattern>]",
            "    The shard's channels that have listeners.",
            "SHARDNUMSUB [<shardchannel> ...]",
            "    How many listen to channels of the shard.",
        ],
    );
    Ok(())
}

pub(crate) fn numpat(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    client.writer().int(server.pubsub.pattern_count() as i64);
    Ok(())
}
