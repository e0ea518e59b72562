//! Streams: listpacks under the id they count from, figures, and groups with what is pending in them.
//!
//! The second form added the first id, the highest deleted one, the number of entries ever added and what
//! groups have read; the third, when a consumer was active. The second is written: Redis 7.0 reads it.

use std::collections::BTreeMap;

use keyspace::values::{Group, Metadata, Stream, StreamId};
use keyspace::{Object, WallMs};

use super::{Built, Cursor, Fault, Spare, Stop, Writer, code, listpack};

/// What is written where it is not known how much a group has read.
const READ_UNKNOWN: u64 = u64::MAX;

pub(super) fn write(writer: &mut Writer, stream: &Stream) {
    writer.number(stream.nodes().len() as u64);
    for (id, entries) in stream.nodes() {
        writer.text(&id.to_bytes());
        writer.blob(|out| entries.write_encoded(out));
    }
    writer.number(stream.len());
    for id in [stream.last_id(), stream.first_id(), stream.max_deleted_id()] {
        write_id(writer, id);
    }
    writer.number(stream.entries_added());
    writer.number(stream.groups().len() as u64);
    for (name, group) in stream.groups() {
        write_group(writer, name, group);
    }
}

/// An id as two numbers.
fn write_id(writer: &mut Writer, id: StreamId) {
    writer.number(id.ms);
    writer.number(id.seq);
}

fn write_group(writer: &mut Writer, name: &[u8], group: &Group) {
    writer.text(name);
    write_id(writer, group.last_id);
    writer.number(group.entries_read.map_or(READ_UNKNOWN, |read| read as u64));
    writer.number(group.pending_len() as u64);
    for (id, pending) in group.pending_from(StreamId::MIN) {
        writer.raw(&id.to_bytes());
        writer.raw(&pending.delivered_at.0.to_le_bytes());
        writer.number(pending.deliveries);
    }
    writer.number(group.consumers().len() as u64);
    for consumer in group.consumers() {
        writer.text(consumer.name());
        writer.raw(&consumer.seen_at.0.to_le_bytes());
        writer.number(consumer.pending_len() as u64);
        for id in consumer.pending_from(StreamId::MIN) {
            writer.raw(&id.to_bytes());
        }
    }
}

/// What comes next.
#[derive(Debug)]
enum Phase {
    Begin,
    /// So many nodes.
    Nodes(u64),
    Figures,
    Groups,
    /// So many pending entries of the group.
    Pending(u64),
    /// So many consumers of the group.
    Consumers(u64),
    /// So many pending entries of the consumer, and so many consumers behind it.
    Consumer(u64, u64),
}

#[derive(Debug)]
pub(super) struct Builder {
    code: u8,
    phase: Phase,
    stream: Stream,
    /// Groups to come, the present one included.
    groups: u64,
    group: Vec<u8>,
    /// What is pending in the group, and when and how often it was delivered.
    pending: BTreeMap<StreamId, (WallMs, u64)>,
    /// How much of that has a consumer.
    owned: usize,
    consumer: Vec<u8>,
    seen_at: WallMs,
    active_at: Option<WallMs>,
    ids: Vec<StreamId>,
}

impl Builder {
    pub(super) fn new(code: u8) -> Builder {
        Builder {
            code,
            phase: Phase::Begin,
            stream: Stream::default(),
            groups: 0,
            group: Vec::new(),
            pending: BTreeMap::new(),
            owned: 0,
            consumer: Vec::new(),
            seen_at: WallMs(0),
            active_at: None,
            ids: Vec::new(),
        }
    }

    pub(super) fn advance(&mut self, cursor: &mut Cursor<'_>, spare: &mut Spare) -> Built {
        loop {
            self.phase = match self.phase {
                Phase::Begin => Phase::Nodes(cursor.number()?),
                Phase::Nodes(0) => Phase::Figures,
                Phase::Nodes(left) => {
                    self.take_node(cursor, spare)?;
                    Phase::Nodes(left - 1)
                }
                Phase::Figures => {
                    self.take_figures(cursor)?;
                    Phase::Groups
                }
                Phase::Groups if self.groups == 0 => {
                    return Ok(Some(Object::Stream(Box::new(std::mem::take(&mut self.stream)))));
                }
                Phase::Groups => Phase::Pending(self.take_group(cursor, spare)?),
                Phase::Pending(0) => Phase::Consumers(cursor.number()?),
                Phase::Pending(left) => {
                    self.take_pending(cursor)?;
                    Phase::Pending(left - 1)
                }
                Phase::Consumers(0) => {
                    self.end_group()?;
                    Phase::Groups
                }
                Phase::Consumers(left) => Phase::Consumer(self.take_consumer(cursor, spare)?, left - 1),
                Phase::Consumer(0, others) => {
                    self.end_consumer()?;
                    Phase::Consumers(others)
                }
                Phase::Consumer(left, others) => {
                    self.ids.push(StreamId::from_bytes(cursor.array()?));
                    Phase::Consumer(left - 1, others)
                }
            };
            cursor.keep();
        }
    }

    fn take_node(&mut self, cursor: &mut Cursor<'_>, spare: &mut Spare) -> Result<(), Fault> {
        let id = cursor.text()?;
        let id = id.lend(cursor.data(), &mut spare.first)?.try_into().map_err(|_| Fault::Invalid)?;
        let entries = listpack(cursor, &mut spare.second)?;
        Ok(self.stream.restore_node(StreamId::from_bytes(id), entries)?)
    }

    fn take_figures(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        let (length, last_id) = (cursor.number()?, take_id(cursor)?);
        let (mut max_deleted_id, mut entries_added) = (None, None);
        if self.code != code::STREAM_1 {
            // The entries tell which is the first.
            take_id(cursor)?;
            max_deleted_id = Some(take_id(cursor)?);
            entries_added = Some(cursor.number()?);
        }
        self.groups = cursor.number()?;
        let metadata = Metadata { length, last_id, max_deleted_id, entries_added };
        Ok(self.stream.restore_metadata(metadata)?)
    }

    /// Makes a group; gives the number of entries pending in it.
    fn take_group(&mut self, cursor: &mut Cursor<'_>, spare: &mut Spare) -> Result<u64, Fault> {
        let name = cursor.text()?;
        let last_id = take_id(cursor)?;
        let entries_read = match self.code {
            code::STREAM_1 => self.stream.count_up_to(last_id),
            _ => i64::try_from(cursor.number()?).ok(),
        };
        let pending = cursor.number()?;
        self.group.clear();
        self.group.extend_from_slice(name.lend(cursor.data(), &mut spare.first)?);
        self.pending.clear();
        self.owned = 0;
        match self.stream.create_group(&self.group, last_id, entries_read) {
            true => Ok(pending),
            false => Err(Fault::Invalid),
        }
    }

    fn take_pending(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        let id = StreamId::from_bytes(cursor.array()?);
        let (delivered_at, deliveries) = (take_time(cursor)?, cursor.number()?);
        match self.pending.insert(id, (delivered_at, deliveries)) {
            None => Ok(()),
            Some(_) => Err(Fault::Invalid),
        }
    }

    /// Begins a consumer; gives the number of its pending entries.
    fn take_consumer(&mut self, cursor: &mut Cursor<'_>, spare: &mut Spare) -> Result<u64, Fault> {
        let name = cursor.text()?;
        self.seen_at = take_time(cursor)?;
        self.active_at = match self.code {
            code::STREAM_3 => Some(take_time(cursor)?).filter(|at| at.0 >= 0),
            _ => Some(self.seen_at),
        };
        let pending = cursor.number()?;
        self.consumer.clear();
        self.consumer.extend_from_slice(name.lend(cursor.data(), &mut spare.first)?);
        self.ids.clear();
        Ok(pending)
    }

    fn end_consumer(&mut self) -> Result<(), Fault> {
        let pending = &self.pending;
        self.stream.restore_consumer(
            &self.group,
            &self.consumer,
            self.seen_at,
            self.active_at,
            &self.ids,
            |id| pending.get(&id).copied(),
        )?;
        self.owned += self.ids.len();
        Ok(())
    }

    /// An entry that nobody has cannot be pending.
    fn end_group(&mut self) -> Result<(), Fault> {
        self.groups -= 1;
        match self.owned == self.pending.len() {
            true => Ok(()),
            false => Err(Fault::Invalid),
        }
    }
}

fn take_id(cursor: &mut Cursor<'_>) -> Result<StreamId, Stop> {
    Ok(StreamId { ms: cursor.number()?, seq: cursor.number()? })
}

fn take_time(cursor: &mut Cursor<'_>) -> Result<WallMs, Stop> {
    Ok(WallMs(i64::from_le_bytes(cursor.array()?)))
}
