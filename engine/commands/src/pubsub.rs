//! Publish/subscribe: channels, patterns, and the messages to their subscribers.

use std::collections::HashMap;

use resp::{Args, Writer};
use types::CommandError;
use types::glob::{Case, matches};

use crate::client::{Client, ClientId, State};
use crate::server::Server;

/// Who is subscribed to what.
#[derive(Debug, Default)]
pub(crate) struct PubSub {
    channels: HashMap<Vec<u8>, Vec<ClientId>>,
    /// In order of the first subscription, as messages are delivered.
    patterns: Vec<(Vec<u8>, Vec<ClientId>)>,
}

impl PubSub {
    pub(crate) fn channel_count(&self) -> usize {
        self.channels.len()
    }

    pub(crate) fn pattern_count(&self) -> usize {
        self.patterns.len()
    }

    pub(crate) fn remove_client(&mut self, client: &Client) {
        for channel in &client.rare.channels {
            self.leave_channel(client.id, channel);
        }
        for pattern in &client.rare.patterns {
            self.leave_pattern(client.id, pattern);
        }
    }

    fn leave_channel(&mut self, id: ClientId, channel: &[u8]) {
        if let Some(subscribers) = self.channels.get_mut(channel) {
            subscribers.retain(|subscriber| *subscriber != id);
            if subscribers.is_empty() {
                self.channels.remove(channel);
            }
        }
    }

    fn leave_pattern(&mut self, id: ClientId, pattern: &[u8]) {
        for (_, subscribers) in self.patterns.iter_mut().filter(|(known, _)| known == pattern) {
            subscribers.retain(|subscriber| *subscriber != id);
        }
        self.patterns.retain(|(_, subscribers)| !subscribers.is_empty());
    }
}

/// Channels or patterns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Channel,
    Pattern,
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

    fn subscribe_to(&mut self, client: &mut Client, names: Args<'_>, kind: Kind) {
        for name in names.iter() {
            let own =
                if kind == Kind::Channel { &mut client.rare.channels } else { &mut client.rare.patterns };
            if !own.iter().any(|known| known == name) {
                own.push(name.to_vec());
                let subscribers = match kind {
                    Kind::Channel => self.pubsub.channels.entry(name.to_vec()).or_default(),
                    Kind::Pattern => {
                        let patterns = &mut self.pubsub.patterns;
                        let at = patterns.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
                            patterns.push((name.to_vec(), Vec::new()));
                            patterns.len() - 1
                        });
                        &mut patterns[at].1
                    }
                };
                subscribers.push(client.id);
            }
            client.state.add(State::PUBSUB);
            confirm(client, if kind == Kind::Channel { "subscribe" } else { "psubscribe" }, Some(name));
        }
    }

    fn unsubscribe_from(&mut self, client: &mut Client, names: Args<'_>, kind: Kind) {
        let word = if kind == Kind::Channel { "unsubscribe" } else { "punsubscribe" };
        let own = if kind == Kind::Channel { &mut client.rare.channels } else { &mut client.rare.patterns };
        let leaving = if names.is_empty() { std::mem::take(own) } else { names.to_vecs() };
        for name in &leaving {
            let own =
                if kind == Kind::Channel { &mut client.rare.channels } else { &mut client.rare.patterns };
            own.retain(|known| known != name);
            match kind {
                Kind::Channel => self.pubsub.leave_channel(client.id, name),
                Kind::Pattern => self.pubsub.leave_pattern(client.id, name),
            }
            confirm(client, word, Some(name));
        }
        if leaving.is_empty() {
            confirm(client, word, None);
        }
        if client.subscriptions() == 0 {
            client.state.remove(State::PUBSUB);
        }
    }

    /// Ends all subscriptions without a word (RESET).
    pub(crate) fn unsubscribe_silently(&mut self, client: &mut Client) {
        self.pubsub.remove_client(client);
        client.rare.channels.clear();
        client.rare.patterns.clear();
        client.state.remove(State::PUBSUB);
    }
}

fn confirm(client: &mut Client, word: &str, name: Option<&[u8]>) {
    let count = client.subscriptions() as i64;
    let mut writer = client.writer();
    writer.push(3);
    writer.bulk(word.as_bytes());
    match name {
        Some(name) => writer.bulk(name),
        None => writer.null(),
    }
    writer.int(count);
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
        server.propagate(client.db, args.iter());
    }
    client.writer().int(delivered as i64);
    Ok(())
}

pub(crate) fn channels(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    if args.len() > 3 {
        return Err(CommandError::Arity("pubsub|channels".into()));
    }
    let wanted = |name: &[u8]| args.get(2).is_none_or(|pattern| matches(pattern, name, Case::Sensitive));
    let names: Vec<&Vec<u8>> = server.pubsub.channels.keys().filter(|name| wanted(name)).collect();
    let mut writer = client.writer();
    writer.array(names.len());
    names.iter().for_each(|name| writer.bulk(name));
    Ok(())
}

pub(crate) fn numsub(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let names = args.from(2);
    let mut writer = client.writer();
    writer.array(names.len() * 2);
    for name in names.iter() {
        writer.bulk(name);
        writer.int(server.pubsub.channels.get(name).map_or(0, Vec::len) as i64);
    }
    Ok(())
}

pub(crate) fn numpat(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    client.writer().int(server.pubsub.pattern_count() as i64);
    Ok(())
}
