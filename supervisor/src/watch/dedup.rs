//! Telling that a published event and a log line are the same event of a sentinel.

use std::collections::VecDeque;

use crate::history::Moment;

/// Beyond this an equal event is another one.
const SAME_EVENT_US: u64 = 2_000_000;

/// Events of one sentinel that came one way and are still expected the other way.
#[derive(Debug, Default)]
pub struct Dedup {
    published: VecDeque<Seen>,
    logged: VecDeque<Seen>,
}

#[derive(Debug)]
struct Seen {
    event: String,
    text: String,
    at: Moment,
}

impl Dedup {
    /// Notes an event that was received by subscription; its log line will come.
    pub fn published_before_logged(&mut self, event: &str, text: &str, at: Moment) {
        push(&mut self.published, event, text, at);
    }

    /// For a log line: whether the event was recorded when it was received. If not, it is noted as
    /// recorded from the log.
    pub fn already_published(&mut self, event: &str, text: &str, at: Moment) -> bool {
        let known = take(&mut self.published, event, text, at);
        if !known {
            push(&mut self.logged, event, text, at);
        }
        known
    }

    /// For a received event: whether it was recorded from the log.
    pub fn already_logged(&mut self, event: &str, text: &str, at: Moment) -> bool {
        take(&mut self.logged, event, text, at)
    }
}

fn push(list: &mut VecDeque<Seen>, event: &str, text: &str, at: Moment) {
    list.push_back(Seen { event: event.to_owned(), text: text.to_owned(), at });
}

fn take(list: &mut VecDeque<Seen>, event: &str, text: &str, at: Moment) -> bool {
    while list.front().is_some_and(|seen| seen.at.0 + SAME_EVENT_US < at.0) {
        list.pop_front();
    }
    let found = list.iter().position(|seen| seen.event == event && seen.text == text);
    found.is_some_and(|index| list.remove(index).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_way_first_is_recorded_once() {
        let mut dedup = Dedup::default();
        dedup.published_before_logged("+sdown", "master m", Moment(0));
        assert!(dedup.already_published("+sdown", "master m", Moment(1)));
        assert!(!dedup.already_published("+odown", "master m", Moment(2)));
        assert!(dedup.already_logged("+odown", "master m", Moment(3)));
        assert!(!dedup.already_logged("+odown", "master m", Moment(4)));
    }

    #[test]
    fn the_same_event_later_is_another() {
        let mut dedup = Dedup::default();
        assert!(!dedup.already_published("+sdown", "x", Moment(0)));
        assert!(!dedup.already_logged("+sdown", "x", Moment(SAME_EVENT_US + 1)));
    }
}
