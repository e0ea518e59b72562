//! What the tasks of one server process share.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use commands::{ClientId, Server};
use keyspace::WallMs;
use types::Now;

use crate::snapshot_child::ChildState;
use crate::transfer::PieceReceiver;

/// A flag that a task waits on: cheaper than a channel, and every connection has one.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    set: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Wake {
    /// Sets the flag and wakes the task that waits.
    pub(crate) fn set(&self) {
        self.set.set(true);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Ready, once, when the flag was set.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        if self.set.take() {
            return Poll::Ready(());
        }
        self.register(cx);
        Poll::Pending
    }

    /// Whether the flag is set; leaves it so.
    pub(crate) fn is_set(&self) -> bool {
        self.set.get()
    }

    /// Has the task woken by the next [`set`](Self::set).
    pub(crate) fn register(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    /// Waits for the flag.
    pub(crate) async fn wait(&self) {
        std::future::poll_fn(|cx| self.poll(cx)).await;
    }
}

/// The server and the means to wake its tasks.
pub(crate) struct Shell {
    pub(crate) server: RefCell<Server>,
    /// By [`ClientId::index`].
    wakes: RefCell<Vec<Option<Rc<Wake>>>>,
    pub(crate) master_link: Wake,
    /// The sentinel asks for something.
    pub(crate) sentinel: Wake,
    pub(crate) timer: Wake,
    pub(crate) exit: Wake,
    /// The snapshot child, and the flag that one was just forked.
    pub(crate) child: Rc<ChildState>,
    pub(crate) child_begun: Wake,
    pub(crate) transfers: RefCell<HashMap<ClientId, PieceReceiver>>,
    started: Instant,
}

impl Shell {
    pub(crate) fn new(server: Server, child: Rc<ChildState>, started: Instant) -> Self {
        Self {
            server: RefCell::new(server),
            wakes: RefCell::default(),
            master_link: Wake::default(),
            sentinel: Wake::default(),
            timer: Wake::default(),
            exit: Wake::default(),
            child,
            child_begun: Wake::default(),
            transfers: RefCell::default(),
            started,
        }
    }

    /// The time for the server.
    pub(crate) fn now(&self) -> Now {
        now(self.started)
    }

    /// The moment that `mono_ms` stands for.
    pub(crate) fn instant(&self, mono_ms: u64) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.started + std::time::Duration::from_millis(mono_ms))
    }

    /// A connection's flag, to be set when its client needs attention.
    pub(crate) fn register(&self, id: ClientId) -> Rc<Wake> {
        let wake = Rc::new(Wake::default());
        let mut wakes = self.wakes.borrow_mut();
        if wakes.len() <= id.index() {
            wakes.resize(id.index() + 1, None);
        }
        wakes[id.index()] = Some(wake.clone());
        wake
    }

    /// Has a connection's task look at its client.
    pub(crate) fn wake(&self, id: ClientId) {
        if let Some(Some(wake)) = self.wakes.borrow().get(id.index()) {
            wake.set();
        }
    }

    /// A connection has ended.
    pub(crate) fn unregister(&self, id: ClientId) {
        self.with(|server, now| server.disconnect(id, now));
        self.wakes.borrow_mut()[id.index()] = None;
        self.transfers.borrow_mut().remove(&id);
    }

    /// Does something with the server, then wakes whoever must act on what came of it.
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut Server, Now) -> R) -> R {
        let now = self.now();
        let mut server = self.server.borrow_mut();
        let result = act(&mut server, now);
        if server.aof_is_pending() {
            server.write_aof(now);
        }
        self.settle(&mut server);
        result
    }

    /// Writes what belongs into the append-only file, unless somebody else has done so meanwhile.
    pub(crate) fn write_aof(&self) {
        let mut server = self.server.borrow_mut();
        if server.aof_is_pending() {
            server.write_aof(self.now());
            self.settle(&mut server);
        }
    }

    /// Wakes the tasks concerned by what the server has just done.
    pub(crate) fn settle(&self, server: &mut Server) {
        if server.any_woken() {
            let wakes = self.wakes.borrow();
            for id in server.take_woken() {
                if let Some(Some(wake)) = wakes.get(id.index()) {
                    wake.set();
                }
            }
        }
        if server.has_master_requests() {
            self.master_link.set();
        }
        if server.take_sentinel_stirred() {
            self.sentinel.set();
        }
        if server.take_timer_changed() {
            self.timer.set();
        }
        if self.child.begun.borrow().is_some() {
            self.child_begun.set();
        }
        if server.exit_code().is_some() {
            self.exit.set();
        }
    }
}

/// The time, monotonic since `started`.
pub(crate) fn now(started: Instant) -> Now {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis() as i64);
    Now { wall: WallMs(wall), mono_ms: started.elapsed().as_millis() as u64 }
}
