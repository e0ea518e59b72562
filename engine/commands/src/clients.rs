//! All connected clients, by place.
//!
//! The client whose command runs is taken out of its place meanwhile, so that its command can change the
//! server and any other client. Bytes meant for it in that time (a message it publishes to itself) are
//! kept and appended when it is put back. While its command has others go on that waited, these are out of
//! their places too, one at a time.

use resp::Protocol;

use crate::client::{Client, ClientId, Peer, State};
use crate::client_memory::Watch;

/// What is kept for a client that is out of its place.
#[derive(Debug)]
struct OutOfPlace {
    id: ClientId,
    /// What was sent to it since.
    bytes: Vec<u8>,
    /// What became of it since.
    state: State,
    /// Its protocol as of its last command.
    protocol: Protocol,
}

#[derive(Debug, Default)]
pub(crate) struct Clients {
    slots: Vec<Option<Box<Client>>>,
    free: Vec<u32>,
    next_id: u64,
    connected: usize,
    /// The clients that are out of their places, the last one running.
    out_of_place: Vec<OutOfPlace>,
    /// Clients the shell must look at.
    woken: Vec<ClientId>,
    /// What they may hold.
    pub(crate) watch: Watch,
}

impl Clients {
    pub(crate) fn add(&mut self, peer: Peer, now_ms: u64) -> ClientId {
        self.next_id += 1;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() as u32 - 1
        });
        let id = ClientId { slot, id: self.next_id };
        self.slots[slot as usize] = Some(Box::new(Client::new(id, peer, now_ms)));
        self.connected += 1;
        id
    }

    /// An id for a client that is kept elsewhere: the master.
    pub(crate) fn id_elsewhere(&mut self) -> ClientId {
        self.next_id += 1;
        ClientId { slot: u32::MAX, id: self.next_id }
    }

    pub(crate) fn len(&self) -> usize {
        self.connected
    }

    pub(crate) fn get(&self, id: ClientId) -> Option<&Client> {
        self.slots.get(id.slot as usize)?.as_deref().filter(|client| client.id == id)
    }

    pub(crate) fn get_mut(&mut self, id: ClientId) -> Option<&mut Client> {
        self.slots.get_mut(id.slot as usize)?.as_deref_mut().filter(|client| client.id == id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Client> {
        self.slots.iter().flatten().map(|client| &**client)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Client> {
        self.slots.iter_mut().flatten().map(|client| &mut **client)
    }

    /// Takes a client out of its place while its command runs.
    pub(crate) fn take(&mut self, id: ClientId) -> Option<Box<Client>> {
        self.get(id)?;
        let client = self.slots[id.slot as usize].take()?;
        let protocol = client.protocol;
        self.out_of_place.push(OutOfPlace { id, bytes: Vec::new(), state: State::default(), protocol });
        Some(client)
    }

    /// Puts it back, with what was sent to it meanwhile.
    pub(crate) fn put_back(&mut self, mut client: Box<Client>) {
        self.flush_running(&mut client);
        self.out_of_place.retain(|out| out.id != client.id);
        self.watch.returned(&mut client);
        let slot = client.id.slot as usize;
        self.slots[slot] = Some(client);
    }

    #[inline]
    fn running(&mut self, id: ClientId) -> Option<&mut OutOfPlace> {
        self.out_of_place.iter_mut().rev().find(|out| out.id == id)
    }

    /// Hands over what was sent to the running client so far, so that order is kept between commands.
    pub(crate) fn flush_running(&mut self, client: &mut Client) {
        let protocol = client.protocol;
        if let Some(out) = self.running(client.id) {
            out.protocol = protocol;
            client.out.append(&mut out.bytes);
            client.state.add(std::mem::take(&mut out.state));
        }
    }

    /// The protocol in which a client is told what it did not ask for, wherever the client is.
    pub(crate) fn protocol_of(&self, id: ClientId) -> Option<Protocol> {
        let running = self.out_of_place.iter().find(|out| out.id == id);
        running.map(|out| out.protocol).or_else(|| self.get(id).map(|client| client.protocol))
    }

    /// The running client has chosen another protocol.
    pub(crate) fn protocol_changed(&mut self, protocol: Protocol) {
        if let Some(running) = self.out_of_place.last_mut() {
            running.protocol = protocol;
        }
    }

    /// Whether a client is still there.
    pub(crate) fn is_connected(&self, id: ClientId) -> bool {
        self.protocol_of(id).is_some()
    }

    /// Removes a client for good.
    pub(crate) fn remove(&mut self, id: ClientId) -> Option<Box<Client>> {
        self.get(id)?;
        self.connected -= 1;
        self.free.push(id.slot);
        self.slots[id.slot as usize].take()
    }

    /// Appends to a client's output, wherever the client is, and has the shell look at it.
    pub(crate) fn send(&mut self, id: ClientId, bytes: &[u8]) {
        match self.running(id) {
            Some(out) => out.bytes.extend_from_slice(bytes),
            None => {
                let slot = self.slots.get_mut(id.slot as usize).and_then(Option::as_deref_mut);
                if let Some(client) = slot.filter(|client| client.id == id) {
                    // Nothing is gathered for one that will not read it.
                    if !client.state.has(State::CLOSE_NOW) {
                        client.out.extend_from_slice(bytes);
                        self.watch.judge(client, bytes.len());
                    }
                    self.wake(id);
                }
            }
        }
    }

    /// Judges all of them: time has passed.
    pub(crate) fn judge_all(&mut self) {
        for client in self.slots.iter_mut().flatten() {
            self.watch.judge(client, 0);
        }
    }

    /// Has a client closed: at once, dropping its output.
    pub(crate) fn close(&mut self, id: ClientId) {
        match self.running(id) {
            Some(out) => out.state.add(State::CLOSE_AFTER_REPLY),
            None => {
                if let Some(client) = self.get_mut(id) {
                    client.state.add(State::CLOSE_NOW);
                    self.wake(id);
                }
            }
        }
    }

    /// Has the shell look at a client.
    pub(crate) fn wake(&mut self, id: ClientId) {
        let Some(client) = self.get_mut(id) else { return };
        if !client.state.has(State::WOKEN) {
            client.state.add(State::WOKEN);
            self.woken.push(id);
        }
    }

    /// The clients to look at since the last call.
    pub(crate) fn take_woken(&mut self) -> Vec<ClientId> {
        let woken = std::mem::take(&mut self.woken);
        for id in &woken {
            if let Some(client) = self.get_mut(*id) {
                client.state.remove(State::WOKEN);
            }
        }
        woken
    }

    pub(crate) fn any_woken(&self) -> bool {
        !self.woken.is_empty()
    }
}
