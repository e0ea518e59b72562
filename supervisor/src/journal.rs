//! Recording: gives each event its moment, keeps the history, writes it to the run directory as it grows,
//! and wakes whoever waits for something to happen.
//!
//! Nothing is judged or printed here; a listener may print.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;

use serde::Serialize;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::history::{During, Event, HISTORY_VERSION, History, Moment, What};
use crate::plan::Plan;
use crate::world::Heard;

/// Called for every event.
pub type Listener = Box<dyn Fn(&Event)>;

/// The history being written. Cheap to clone; all copies are one.
#[derive(Clone)]
pub struct Journal(Rc<Inner>);

struct Inner {
    clock: Clock,
    plan: RefCell<Rc<Plan>>,
    events: RefCell<Vec<Event>>,
    during: Cell<Option<During>>,
    file: RefCell<Option<File>>,
    listener: Option<Listener>,
    changed: Notify,
}

/// The first line of `history.jsonl`.
#[derive(Serialize)]
struct Header<'a> {
    version: u32,
    started_wall_ms: i64,
    plan: &'a Plan,
}

impl Journal {
    /// An empty history of a plan.
    pub fn new(clock: Clock, plan: Rc<Plan>, listener: Option<Listener>) -> Self {
        Self(Rc::new(Inner {
            clock,
            plan: RefCell::new(plan),
            events: RefCell::default(),
            during: Cell::new(None),
            file: RefCell::new(None),
            listener,
            changed: Notify::new(),
        }))
    }

    /// Writes every event from now on to this file too.
    ///
    /// # Errors
    /// When the file cannot be made or written.
    pub fn write_to(&self, path: &Path) -> io::Result<()> {
        let mut file = File::create(path)?;
        let header = Header {
            version: HISTORY_VERSION,
            started_wall_ms: self.0.clock.started_wall_ms(),
            plan: &self.plan(),
        };
        write_json_line(&mut file, &header)?;
        *self.0.file.borrow_mut() = Some(file);
        Ok(())
    }

    /// The run's clock.
    pub fn clock(&self) -> Clock {
        self.0.clock
    }

    /// The present moment.
    pub fn now(&self) -> Moment {
        self.0.clock.now()
    }

    /// The plan in force.
    pub fn plan(&self) -> Rc<Plan> {
        Rc::clone(&self.0.plan.borrow())
    }

    /// Puts another plan in force, which gives no id of the last one another meaning, and records it.
    pub fn set_plan(&self, plan: Plan) {
        *self.0.plan.borrow_mut() = Rc::new(plan.clone());
        self.record(What::Plan { plan: Box::new(plan) });
    }

    /// The repeat that events belong to from now on.
    pub fn set_during(&self, during: Option<During>) {
        self.0.during.set(during);
    }

    /// The repeat in force.
    pub fn during(&self) -> Option<During> {
        self.0.during.get()
    }

    /// Records something that happened now.
    pub fn record(&self, what: What) -> Moment {
        let at = self.now();
        self.record_at(at, None, what);
        at
    }

    /// Records something with the moment it happened and, where known, the node's own wall time.
    pub fn record_at(&self, at: Moment, node_wall_ms: Option<i64>, what: What) {
        let event = Event { at, node_wall_ms, during: self.0.during.get(), what };
        if let Some(file) = self.0.file.borrow_mut().as_mut() {
            // A full disk must not end the run; the history in memory stays whole.
            let _ = write_json_line(file, &event);
        }
        if let Some(listener) = &self.0.listener {
            listener(&event);
        }
        self.0.events.borrow_mut().push(event);
        self.0.changed.notify_waiters();
    }

    /// Completes at the next event.
    pub async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// Looks through the events of the repeat in force, oldest first.
    pub fn search<T>(&self, mut pick: impl FnMut(&Event) -> Option<T>) -> Vec<T> {
        let during = self.0.during.get();
        let events = self.0.events.borrow();
        // A repeat's events are at the end; older ones are never looked at again.
        let begin = events.iter().rposition(|event| event.during != during).map_or(0, |last| last + 1);
        events[begin..].iter().filter_map(&mut pick).collect()
    }

    /// Looks through the events from the `first`-th on, oldest first; gives how many there are by now, too.
    pub fn search_from<T>(&self, first: usize, pick: impl FnMut(&Event) -> Option<T>) -> (Vec<T>, usize) {
        let events = self.0.events.borrow();
        let found = events.get(first..).unwrap_or_default().iter().filter_map(pick).collect();
        (found, events.len())
    }

    /// The place behind everything that has happened.
    pub fn heard_by_now(&self) -> Heard {
        Heard(self.0.events.borrow().len())
    }

    /// The events from the `first`-th on.
    pub fn events_from(&self, first: usize) -> Vec<Event> {
        self.0.events.borrow().get(first..).map(<[Event]>::to_vec).unwrap_or_default()
    }

    /// The history so far.
    pub fn history(&self) -> History {
        History {
            version: HISTORY_VERSION,
            started_wall_ms: self.0.clock.started_wall_ms(),
            plan: (*self.plan()).clone(),
            events: self.0.events.borrow().clone(),
        }
    }
}

fn write_json_line(file: &mut File, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    file.write_all(&line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(text: &str) -> What {
        What::Note { node: None, text: text.to_owned() }
    }

    #[test]
    fn a_search_sees_the_repeat_in_force_only() {
        let journal = Journal::new(Clock::start(), Rc::new(Plan::default()), None);
        journal.record(note("before"));
        journal.set_during(Some(During { experiment: 0, repeat: 1 }));
        journal.record(note("a"));
        journal.record(note("b"));
        let seen = journal.search(|event| match &event.what {
            What::Note { text, .. } => Some(text.clone()),
            _ => None,
        });
        assert_eq!(seen, ["a", "b"]);
        assert_eq!(journal.history().events.len(), 3);
    }

    #[test]
    fn another_plan_is_an_event_of_the_history() {
        let journal = Journal::new(Clock::start(), Rc::new(Plan::default()), None);
        journal.set_plan(Plan { name: "other".to_owned(), ..Plan::default() });
        assert_eq!(journal.plan().name, "other");
        assert!(matches!(&journal.history().events[0].what, What::Plan { plan } if plan.name == "other"));
    }

    #[test]
    fn the_file_can_be_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.jsonl");
        let journal = Journal::new(Clock::start(), Rc::new(Plan::default()), None);
        journal.write_to(&path).unwrap();
        journal.record(note("x"));
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("{\"version\":1,"));
        let event: Event = serde_json::from_str(lines[1]).unwrap();
        assert_eq!(event, journal.history().events[0]);
    }
}
