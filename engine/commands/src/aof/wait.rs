//! WAITAOF: until this connection's writes are on disks, its server's own and replicas'.

use resp::Args;
use resp::number::parse_i64;
use types::CommandError;

use crate::client::{Blocked, Client, ClientId, State};
use crate::server::Server;

/// What a client waits for, beyond replicas' acknowledgements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitFor {
    /// WAIT: that replicas have it.
    Replicas,
    /// WAITAOF: that it is on replicas' disks, and on the server's own if that is asked for.
    Disks {
        /// The server's own counts.
        local: bool,
    },
}

const NO_AOF: &str = "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.";

pub(crate) fn waitaof(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let local = match parse_i64(args.at(1)) {
        None => return Err(CommandError::NotAnInteger),
        Some(number @ 0..=1) => number == 1,
        Some(_) => return Err(CommandError::new("ERR value is out of range, value must between 0 and 1")),
    };
    let replicas = match parse_i64(args.at(2)) {
        None => return Err(CommandError::NotAnInteger),
        Some(number @ 0..) => number,
        Some(_) => return Err(CommandError::new("ERR value is out of range, must be positive")),
    };
    let timeout_ms =
        parse_i64(args.at(3)).ok_or(CommandError::new("ERR timeout is not an integer or out of range"))?;
    let timeout_ms = u64::try_from(timeout_ms).map_err(|_| CommandError::new("ERR timeout is negative"))?;
    if server.replicating.is_replica() {
        return Err(CommandError::new(
            "ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just \
             local and are not propagated.",
        ));
    }
    if local && !server.config.settings.appendonly {
        return Err(CommandError::new(NO_AOF));
    }
    let (offset, on) = (client.write_offset, WaitFor::Disks { local });
    if server.is_awaited(on, replicas, offset, None) || client.state.has(State::IN_EXEC) {
        server.write_awaited(client, on, offset);
        return Ok(());
    }
    let deadline_ms = (timeout_ms > 0).then(|| server.now.mono_ms.saturating_add(timeout_ms));
    client.blocked = Some(Blocked::Wait { on, replicas, offset, deadline_ms });
    server.blocking.set_deadline(client.id, deadline_ms);
    server.timer_changed = true;
    server.replicating.ask_for_acks();
    Ok(())
}

impl Server {
    /// Whether this server has all up to `offset` on its disk.
    fn is_on_disk(&self, offset: u64) -> bool {
        self.aof.synced_offset.is_some_and(|synced| synced >= offset)
    }

    /// Whether what a client waits for has come; `running` is a replica that is out of its place.
    pub(crate) fn is_awaited(
        &self,
        on: WaitFor,
        replicas: i64,
        offset: u64,
        running: Option<&Client>,
    ) -> bool {
        let local = on == WaitFor::Disks { local: true };
        self.acked(on, offset, running) >= replicas && (!local || self.is_on_disk(offset))
    }

    /// Answers with how far it has come.
    pub(crate) fn write_awaited(&self, client: &mut Client, on: WaitFor, offset: u64) {
        self.write_awaited_beside(client, on, offset, None);
    }

    /// The same while `running`, a replica, is out of its place.
    pub(crate) fn write_awaited_beside(
        &self,
        client: &mut Client,
        on: WaitFor,
        offset: u64,
        running: Option<&Client>,
    ) {
        let acked = self.acked(on, offset, running);
        let mut writer = client.writer();
        if on != WaitFor::Replicas {
            writer.array(2);
            writer.int(i64::from(self.is_on_disk(offset)));
        }
        writer.int(acked);
    }

    /// The append-only file is gone: whoever waits for it learns that it waits in vain.
    pub(super) fn fail_local_waits(&mut self) {
        let on = WaitFor::Disks { local: true };
        let waits =
            |client: &&Client| matches!(client.blocked, Some(Blocked::Wait { on: of, .. }) if of == on);
        let waiting: Vec<ClientId> = self.clients.iter().filter(waits).map(|client| client.id).collect();
        for id in waiting {
            self.answer_waiting(id, |server, client| server.answer_error(client, NO_AOF));
        }
    }
}
