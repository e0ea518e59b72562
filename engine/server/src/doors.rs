//! The TCP listeners, which CONFIG SET may exchange while the server runs.
//!
//! A listener is closed where the command runs, so that its address is free for the next one at once; the
//! task that accepts from it notices and ends.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Poll, Waker};

use commands::config::Settings;
use tokio::net::{TcpListener, TcpStream};

use crate::listen;
use crate::log::{Log, Role};
use crate::shell::Wake;

/// One listener.
#[derive(Debug)]
pub(crate) struct Door {
    listener: RefCell<Option<TcpListener>>,
    waker: RefCell<Option<Waker>>,
}

impl Door {
    /// The next connection; none once the listener is closed.
    pub(crate) async fn accept(&self) -> Option<io::Result<TcpStream>> {
        poll_fn(|cx| match &*self.listener.borrow() {
            None => Poll::Ready(None),
            Some(listener) => {
                self.waker.replace(Some(cx.waker().clone()));
                listener.poll_accept(cx).map(|accepted| Some(accepted.map(|(stream, _)| stream)))
            }
        })
        .await
    }

    fn close(&self) {
        self.listener.replace(None);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// All listeners.
#[derive(Debug, Default)]
pub(crate) struct Doors {
    open: RefCell<Vec<Rc<Door>>>,
    /// Opened and not accepted from yet.
    fresh: RefCell<Vec<Rc<Door>>>,
    opened: Wake,
}

impl Doors {
    /// Adds listeners.
    pub(crate) fn add(&self, listeners: Vec<TcpListener>) {
        for listener in listeners {
            let door = Rc::new(Door { listener: RefCell::new(Some(listener)), waker: RefCell::default() });
            self.open.borrow_mut().push(door.clone());
            self.fresh.borrow_mut().push(door);
        }
        self.opened.set();
    }

    /// Waits for listeners that nobody accepts from yet.
    pub(crate) async fn opened(&self) -> Vec<Rc<Door>> {
        loop {
            let fresh = std::mem::take(&mut *self.fresh.borrow_mut());
            if !fresh.is_empty() {
                return fresh;
            }
            self.opened.wait().await;
        }
    }

    /// Listens where `settings` say instead of where `before` said; goes back to that on failure.
    pub(crate) fn reopen(
        &self,
        before: &Settings,
        settings: &Settings,
        log: &Log,
        role: Role,
    ) -> Result<(), String> {
        for door in self.open.borrow_mut().drain(..) {
            door.close();
        }
        match listen::open_tcp(settings, log, role) {
            Ok(listeners) => {
                self.add(listeners);
                Ok(())
            }
            Err(reason) => {
                self.add(listen::open_tcp(before, log, role).unwrap_or_default());
                Err(reason)
            }
        }
    }
}
