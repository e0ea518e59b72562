//! What replicas are told of groups: not that somebody read or claimed, but what each pending entry has come
//! to, as XCLAIM with every figure given, so that their clocks and choices do not matter.

use keyspace::values::{Group, Pending, StreamId};

use super::reply::id_text;
use crate::Ctx;
use crate::effects::Propagation;

/// The commands to be replicated instead of the one that came.
pub(super) struct Told {
    /// None while nobody listens.
    commands: Option<Vec<Vec<Vec<u8>>>>,
}

fn number(number: i64) -> Vec<u8> {
    itoa::Buffer::new().format(number).as_bytes().to_vec()
}

impl Told {
    pub(super) fn new(ctx: &Ctx<'_>) -> Told {
        Told { commands: (!ctx.effects.unreplicated).then(Vec::new) }
    }

    fn tell(&mut self, command: &[&[u8]]) {
        if let Some(commands) = &mut self.commands {
            commands.push(command.iter().map(|word| word.to_vec()).collect());
        }
    }

    /// What a pending entry has come to; `id` is its id as it is to be told.
    pub(super) fn claim(&mut self, place: Place<'_>, id: &[u8], pending: &Pending, in_group: &Group) {
        if self.commands.is_none() {
            return;
        }
        let consumer = in_group.consumer(pending.consumer).name();
        let time = number(pending.delivered_at.0);
        let count = number(pending.deliveries as i64);
        let last = id_text(in_group.last_id);
        let Place { key, group } = place;
        self.tell(&[
            b"XCLAIM",
            key,
            group,
            consumer,
            b"0",
            id,
            b"TIME",
            &time,
            b"RETRYCOUNT",
            &count,
            b"FORCE",
            b"JUSTID",
            b"LASTID",
            &last,
        ]);
    }

    /// How far the group has read.
    pub(super) fn progress(&mut self, place: Place<'_>, last_id: StreamId, entries_read: Option<i64>) {
        let (last, read) = (id_text(last_id), number(entries_read.unwrap_or(-1)));
        self.tell(&[b"XGROUP", b"SETID", place.key, place.group, &last, b"ENTRIESREAD", &read]);
    }

    /// That there is a consumer.
    pub(super) fn consumer(&mut self, place: Place<'_>, name: &[u8]) {
        self.tell(&[b"XGROUP", b"CREATECONSUMER", place.key, place.group, name]);
    }

    /// Has all this replicated, if the command changes anything.
    pub(super) fn done(self, ctx: &mut Ctx<'_>) {
        ctx.effects.propagation = match self.commands {
            Some(commands) => Propagation::Instead(commands),
            None => Propagation::Nothing,
        };
    }
}

/// A group, by the names that replicas know it under.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) key: &'a [u8],
    pub(super) group: &'a [u8],
}
