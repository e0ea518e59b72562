//! A server's replication identity: which history its data set is, how far it has come, and who
//! may go on from where.
//!
//! Every server has one, master or replica. A master feeds it the commands it propagates. A
//! replica feeds it its master's stream, byte for byte, so that its own replicas, and its
//! siblings once it is promoted, can go on from the same offsets.
//!
//! The second id is the history that the present one continues: a promoted replica takes a new
//! id, and those that knew the old one may still go on from any offset up to the promotion.

use crate::backlog::{Backlog, DEFAULT_SIZE_BYTES};
use crate::id::{NO_ID, Offset, Position, ReplId};

/// What a replica asks for with `PSYNC`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PsyncRequest {
    /// `PSYNC ? -1`: everything.
    Everything,
    /// `PSYNC <id> <next>`: the stream of that history from byte number `next` on.
    From {
        /// The history.
        id: ReplId,
        /// The number of the first byte wanted.
        next: Offset,
    },
}

impl PsyncRequest {
    /// Reads the command's arguments. `None` when the offset is not an integer, which Redis
    /// answers with `ERR value is not an integer or out of range`.
    #[must_use]
    pub fn parse(id: &[u8], offset: &[u8]) -> Option<Self> {
        let number: i64 = std::str::from_utf8(offset).ok()?.parse().ok()?;
        Some(match (ReplId::parse(id), u64::try_from(number)) {
            (Some(id), Ok(next)) => PsyncRequest::From { id, next: Offset(next) },
            _ => PsyncRequest::Everything,
        })
    }
}

/// The answer to a `PSYNC`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Psync {
    /// The replica goes on: send it [`crate::stream::continue_line`] and then the backlog from
    /// byte number `from` on.
    Continue {
        /// The number of the first byte to send.
        from: Offset,
    },
    /// The replica needs a snapshot.
    Full {
        /// Why.
        reason: FullReason,
    },
}

/// Why a replica cannot go on from where it stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FullReason {
    /// It asked for everything.
    Requested,
    /// It knows another history.
    OtherHistory {
        /// The one it asked for.
        asked: ReplId,
        /// The present one here.
        id: ReplId,
        /// The one that the present one continues.
        second_id: Option<ReplId>,
    },
    /// It knows the history that the present one continues, but went on in it for longer.
    BeyondSecondId {
        /// The byte it asked for.
        asked: Offset,
        /// The last byte that both have in common, plus one.
        up_to: Offset,
    },
    /// The bytes it lacks are not kept any more, or never were.
    LackOfBacklog {
        /// The byte it asked for.
        asked: Offset,
        /// The offset here.
        offset: Offset,
    },
}

impl FullReason {
    /// What Redis logs about it, for the replica called `name` (`ip:port`).
    #[must_use]
    pub fn log_line(&self, name: &str) -> String {
        match self {
            FullReason::Requested => format!("Full resync requested by replica {name}"),
            FullReason::OtherHistory { asked, id, second_id } => {
                let second_id = second_id.as_ref().map_or(NO_ID, ReplId::as_str);
                format!(
                    "Partial resynchronization not accepted: Replication ID mismatch (Replica asked for '{asked}', \
                     my replication IDs are '{id}' and '{second_id}')"
                )
            }
            FullReason::BeyondSecondId { asked, up_to } => format!(
                "Partial resynchronization not accepted: Requested offset for second ID was {asked}, but I can reply \
                 up to {up_to}"
            ),
            FullReason::LackOfBacklog { asked, .. } => format!(
                "Unable to partial resync with replica {name} for lack of backlog (Replica request was: {asked})."
            ),
        }
    }

    /// The warning to log after it, when the replica claims to be ahead.
    #[must_use]
    pub fn warning(&self, name: &str) -> Option<String> {
        match self {
            FullReason::LackOfBacklog { asked, offset } if asked > offset => Some(format!(
                "Warning: replica {name} tried to PSYNC with an offset that is greater than the master replication \
                 offset."
            )),
            _ => None,
        }
    }
}

/// Whether the replicas attached to this server must be disconnected, so that they learn of a
/// change of history when they return (which costs them a partial resynchronization only).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnReplicas {
    /// They may stay.
    Stay,
    /// They must reconnect.
    MustReconnect,
}

/// The line Redis logs when a master becomes a replica and will ask to go on from its own
/// [`History::position`].
pub const SYNTHESIZED_CACHED_MASTER: &str = "Before turning into a replica, using my own master parameters to \
     synthesize a cached master: I may be able to synchronize with the new master with just a partial transfer.";

/// The replication identity of one server.
#[derive(Debug)]
pub struct History {
    id: ReplId,
    /// The history before this one, and the number of the first byte that is not part of it.
    second: Option<(ReplId, Offset)>,
    offset: Offset,
    backlog: Option<Backlog>,
    backlog_size: usize,
}

impl History {
    /// A history that begins: offset 0, no backlog yet.
    #[must_use]
    pub fn new(id: ReplId) -> Self {
        History { id, second: None, offset: Offset(0), backlog: None, backlog_size: DEFAULT_SIZE_BYTES }
    }

    /// A history taken up from a snapshot's `repl-id` and `repl-offset` by a server that starts
    /// as a **replica**: it may go on from there.
    #[must_use]
    pub fn resumed(position: Position) -> Self {
        let mut history = History::new(position.id);
        history.offset = position.offset;
        history.create_backlog();
        history
    }

    /// A history taken up from a snapshot by a server that starts as a **master**: it takes a new
    /// id, and the saved one becomes the second.
    #[must_use]
    pub fn continued(saved: Position, new_id: ReplId) -> Self {
        let mut history = History::resumed(saved);
        let _ = history.shift_to(new_id);
        history
    }

    /// `master_replid`.
    #[must_use]
    pub fn id(&self) -> ReplId {
        self.id
    }

    /// The history before this one: `master_replid2`, shown as [`NO_ID`] when there is none.
    #[must_use]
    pub fn second_id(&self) -> Option<ReplId> {
        self.second.map(|(id, _)| id)
    }

    /// `second_repl_offset`, shown as -1 when there is none.
    #[must_use]
    pub fn second_offset(&self) -> Option<Offset> {
        self.second.map(|(_, offset)| offset)
    }

    /// `master_repl_offset`: bytes of the stream so far.
    #[must_use]
    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// Where this server stands: what to ask a master to go on from.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { id: self.id, offset: self.offset }
    }

    /// The backlog, when there is one (`repl_backlog_active`).
    #[must_use]
    pub fn backlog(&self) -> Option<&Backlog> {
        self.backlog.as_ref()
    }

    /// `repl_backlog_size`.
    #[must_use]
    pub fn backlog_size(&self) -> usize {
        self.backlog_size
    }

    /// `CONFIG SET repl-backlog-size`.
    pub fn set_backlog_size(&mut self, bytes: usize) {
        self.backlog_size = bytes;
        if let Some(backlog) = &mut self.backlog {
            backlog.resize(bytes);
        }
    }

    /// Adds bytes of the stream: on a master what it propagates, on a replica what it applied.
    ///
    /// A master that never had a replica has no backlog and no stream. It counts 1 for each call,
    /// as Redis 7.2 does; the count is never compared with a replica's, because the first replica
    /// makes it begin a new history.
    pub fn feed(&mut self, bytes: &[u8]) {
        match &mut self.backlog {
            Some(backlog) => {
                backlog.append(bytes);
                self.offset = backlog.end_offset();
            }
            None => self.offset = self.offset.plus(1),
        }
    }

    /// Begins to keep a backlog, if there is none. To be called when a replica attaches with a
    /// full synchronization to a master: what happened before was not counted, so the history
    /// takes a new name. Gives the line to log.
    pub fn create_backlog_with(&mut self, new_id: ReplId) -> Option<String> {
        if self.backlog.is_some() {
            return None;
        }
        self.id = new_id;
        self.second = None;
        self.create_backlog();
        Some(format!("Replication backlog created, my new replication IDs are '{}' and '{NO_ID}'", self.id))
    }

    /// Begins to keep a backlog under the present id, if there is none. To be called when a
    /// master without one becomes a replica.
    pub fn create_backlog(&mut self) {
        if self.backlog.is_none() {
            self.backlog = Some(Backlog::new(self.backlog_size, self.offset));
        }
    }

    /// Frees the backlog of a **master** that had no replica for `repl-backlog-ttl`. From then on
    /// the stream is not counted, so nobody may go on in this history.
    pub fn free_backlog(&mut self, new_id: ReplId) {
        self.backlog = None;
        self.id = new_id;
        self.second = None;
    }

    /// Decides whether a replica can go on.
    #[must_use]
    pub fn try_partial(&self, request: PsyncRequest) -> Psync {
        match self.full_reason(request) {
            Err(reason) => Psync::Full { reason },
            Ok(from) => Psync::Continue { from },
        }
    }

    fn full_reason(&self, request: PsyncRequest) -> Result<Offset, FullReason> {
        let PsyncRequest::From { id: asked, next } = request else {
            return Err(FullReason::Requested);
        };
        if asked != self.id {
            match self.second {
                Some((second_id, up_to)) if second_id == asked => {
                    if next > up_to {
                        return Err(FullReason::BeyondSecondId { asked: next, up_to });
                    }
                }
                _ => {
                    return Err(FullReason::OtherHistory { asked, id: self.id, second_id: self.second_id() });
                }
            }
        }
        match self.backlog.as_ref().and_then(|backlog| backlog.copy_from(next)) {
            Some(_) => Ok(next),
            None => Err(FullReason::LackOfBacklog { asked: next, offset: self.offset }),
        }
    }

    /// Promotion: from here on this is a history of its own, under `new_id`. Those that have the
    /// old one may go on from any offset up to now. Disconnect the server's own replicas, so that
    /// they learn the new id. Gives the line to log.
    pub fn shift_to(&mut self, new_id: ReplId) -> String {
        let (old_id, up_to) = (self.id, self.offset.next());
        self.second = Some((old_id, up_to));
        self.id = new_id;
        format!(
            "Setting secondary replication ID to {old_id}, valid up to offset: {up_to}. New replication ID is {new_id}"
        )
    }

    /// After a full synchronization: the data set is now the master's at `position`. The server's
    /// own replicas must have been disconnected, their data is of another history.
    pub fn adopt(&mut self, position: Position) {
        self.id = position.id;
        self.second = None;
        self.offset = position.offset;
        self.backlog = None;
        self.create_backlog();
    }

    /// After a master accepted to go on. A `new_id` means that it was promoted since: its history
    /// continues the one known here.
    pub fn go_on(&mut self, new_id: Option<ReplId>) -> OwnReplicas {
        self.create_backlog();
        match new_id {
            Some(new_id) if new_id != self.id => {
                let _ = self.shift_to(new_id);
                OwnReplicas::MustReconnect
            }
            _ => OwnReplicas::Stay,
        }
    }

    /// Forgets the history before this one.
    pub fn clear_second(&mut self) {
        self.second = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(letter: u8) -> ReplId {
        ReplId::parse(&[letter; 40]).expect("a digit")
    }

    fn from(letter: u8, next: u64) -> PsyncRequest {
        PsyncRequest::From { id: id(letter), next: Offset(next) }
    }

    fn full(reason: FullReason) -> Psync {
        Psync::Full { reason }
    }

    fn going_on(next: u64) -> Psync {
        Psync::Continue { from: Offset(next) }
    }

    #[test]
    fn reads_requests() {
        let forty = [b'a'; 40];
        assert_eq!(PsyncRequest::parse(b"?", b"-1"), Some(PsyncRequest::Everything));
        assert_eq!(PsyncRequest::parse(&forty, b"7"), Some(from(b'a', 7)));
        assert_eq!(PsyncRequest::parse(&forty, b"-1"), Some(PsyncRequest::Everything));
        assert_eq!(PsyncRequest::parse(&forty, b"x"), None);
    }

    #[test]
    fn a_replica_goes_on_within_the_backlog() {
        let mut history = History::new(id(b'a'));
        history.set_backlog_size(10);
        assert!(history.create_backlog_with(id(b'b')).is_some());
        assert!(history.create_backlog_with(id(b'c')).is_none(), "only once");
        history.feed(b"0123456789abcde");
        assert_eq!(history.offset(), Offset(15));
        assert_eq!(history.try_partial(PsyncRequest::Everything), full(FullReason::Requested));
        assert_eq!(history.try_partial(from(b'b', 6)), going_on(6));
        assert_eq!(history.try_partial(from(b'b', 16)), going_on(16), "up to date");
        for asked in [0, 1, 5, 17, 1_000] {
            let reason = FullReason::LackOfBacklog { asked: Offset(asked), offset: Offset(15) };
            assert_eq!(history.try_partial(from(b'b', asked)), full(reason));
            assert_eq!(reason.warning("r").is_some(), asked > 15);
        }
        let reason = FullReason::OtherHistory { asked: id(b'a'), id: id(b'b'), second_id: None };
        assert_eq!(history.try_partial(from(b'a', 6)), full(reason));
    }

    #[test]
    fn without_a_backlog_nobody_goes_on() {
        let mut history = History::new(id(b'a'));
        history.feed(b"SET");
        assert_eq!(history.offset(), Offset(1), "writes are counted, not bytes");
        let reason = FullReason::LackOfBacklog { asked: Offset(2), offset: Offset(1) };
        assert_eq!(history.try_partial(from(b'a', 2)), full(reason));
        history.create_backlog_with(id(b'b'));
        history.free_backlog(id(b'c'));
        assert_eq!(history.id(), id(b'c'));
        assert!(history.backlog().is_none());
    }

    #[test]
    fn after_a_promotion_siblings_go_on_from_the_old_history() {
        let mut history = History::new(id(b'a'));
        history.adopt(Position { id: id(b'b'), offset: Offset(100) });
        history.feed(b"12345");
        let line = history.shift_to(id(b'c'));
        assert_eq!(
            line,
            format!(
                "Setting secondary replication ID to {}, valid up to offset: 106. New replication ID is {}",
                id(b'b'),
                id(b'c')
            )
        );
        assert_eq!((history.second_id(), history.second_offset()), (Some(id(b'b')), Some(Offset(106))));
        history.feed(b"new");
        assert_eq!(history.try_partial(from(b'b', 103)), going_on(103));
        assert_eq!(history.try_partial(from(b'b', 106)), going_on(106));
        let reason = FullReason::BeyondSecondId { asked: Offset(107), up_to: Offset(106) };
        assert_eq!(history.try_partial(from(b'b', 107)), full(reason));
        assert_eq!(history.try_partial(from(b'c', 109)), going_on(109));
        history.clear_second();
        assert!(matches!(
            history.try_partial(from(b'b', 103)),
            Psync::Full { reason: FullReason::OtherHistory { .. } }
        ));
    }

    #[test]
    fn a_changed_id_is_passed_on_to_own_replicas() {
        let mut history = History::resumed(Position { id: id(b'a'), offset: Offset(10) });
        assert_eq!(history.go_on(None), OwnReplicas::Stay);
        assert_eq!(history.go_on(Some(id(b'a'))), OwnReplicas::Stay);
        assert_eq!(history.go_on(Some(id(b'b'))), OwnReplicas::MustReconnect);
        assert_eq!((history.id(), history.second_id()), (id(b'b'), Some(id(b'a'))));
        assert_eq!(history.second_offset(), Some(Offset(11)));
    }

    #[test]
    fn a_restarted_master_lets_replicas_of_its_former_life_go_on() {
        let history = History::continued(Position { id: id(b'a'), offset: Offset(10) }, id(b'b'));
        assert_eq!(history.try_partial(from(b'a', 11)), going_on(11));
        assert!(matches!(history.try_partial(from(b'a', 10)), Psync::Full { .. }));
    }

    /// The wording is what operators search their logs for.
    #[test]
    fn reasons_read_as_redis_writes_them() {
        let asked = id(b'a');
        let other = FullReason::OtherHistory { asked, id: id(b'b'), second_id: None };
        assert_eq!(
            other.log_line("10.0.0.1:6379"),
            format!(
                "Partial resynchronization not accepted: Replication ID mismatch (Replica asked for '{asked}', my \
                 replication IDs are '{}' and '{NO_ID}')",
                id(b'b')
            )
        );
        assert_eq!(
            FullReason::LackOfBacklog { asked: Offset(7), offset: Offset(100) }.log_line("10.0.0.1:6379"),
            "Unable to partial resync with replica 10.0.0.1:6379 for lack of backlog (Replica request was: 7)."
        );
    }
}
