//! What the view shows, and what keys mean. No clock, no terminal, no socket: time, statuses, events and keys come
//! in, commands come out.

use std::collections::VecDeque;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::control::protocol::{Description, NodeStatus, Verb};
use crate::history::{Event, What};
use crate::plan::Plan;
use crate::report::timeline::{self, Tone};

/// Events and log lines kept.
const KEPT: usize = 5000;

/// What the view was opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Leaving it stops the topology.
    Up,
    /// Leaving it leaves the topology as it is.
    Attach,
}

/// What a key asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Leave the view.
    Quit,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-Z.
    Suspend,
    /// Draw everything anew.
    Redraw,
    /// Do something to a node.
    Act(Verb, String),
    /// Show a node's log.
    OpenLog(String),
    /// Show no log any more.
    CloseLog,
}

/// What the terminal is filled with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    /// Nodes and events.
    Nodes,
    /// A node's log.
    Log(String),
    /// The keys.
    Help,
}

/// A line of what happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventLine {
    /// When, in seconds since the start; empty for lines that go on.
    pub time: String,
    /// What it is about.
    pub who: String,
    /// The text.
    pub text: String,
    /// Its kind.
    pub tone: Tone,
}

/// Everything the drawing needs.
#[derive(Clone, Debug)]
pub struct State {
    /// What leaving means.
    pub purpose: Purpose,
    /// Whose view it is.
    pub description: Description,
    /// How the nodes are; empty until the first answer.
    pub nodes: Vec<NodeStatus>,
    /// The plan in force.
    pub plan: Plan,
    /// Index of the chosen node.
    pub selected: usize,
    /// What happened.
    pub events: VecDeque<EventLine>,
    /// What is shown.
    pub page: Page,
    /// Lines of the log that is open.
    pub log: VecDeque<String>,
    /// How many lines the events or the log are scrolled back.
    pub back: usize,
    /// What came of the last key, and whether it is bad.
    pub message: Option<(String, bool)>,
    /// Unix time in milliseconds.
    pub now_ms: i64,
}

impl State {
    /// Nothing has been answered yet.
    pub fn new(purpose: Purpose, description: Description) -> Self {
        Self {
            purpose,
            plan: description.plan.clone(),
            now_ms: description.started_wall_ms,
            description,
            nodes: Vec::new(),
            selected: 0,
            events: VecDeque::new(),
            page: Page::Nodes,
            log: VecDeque::new(),
            back: 0,
            message: None,
        }
    }

    /// Takes how the nodes are. The choice stays with its node.
    pub fn status(&mut self, nodes: Vec<NodeStatus>) {
        let chosen = self.chosen().map(|node| node.name.clone());
        let place = chosen.and_then(|name| nodes.iter().position(|node| node.name == name));
        self.selected = place.unwrap_or(self.selected).min(nodes.len().saturating_sub(1));
        self.nodes = nodes;
    }

    /// Takes what an action has made of a node, or why it was refused. The node's row says so at once: the next
    /// key means the node as it is now.
    pub fn acted(&mut self, outcome: Result<(String, String), String>) {
        self.message = Some(match outcome {
            Ok((name, state)) => {
                let message = format!("{name}: {state}");
                if let Some(node) = self.nodes.iter_mut().find(|node| node.name == name) {
                    node.pid = node.pid.filter(|_| !state.starts_with("ended"));
                    node.state = state;
                }
                (message, false)
            }
            Err(reason) => (reason, true),
        });
    }

    /// Takes something that happened.
    pub fn event(&mut self, event: &Event) {
        if let What::Plan { plan } = &event.what {
            self.plan = (**plan).clone();
            return;
        }
        let Some(line) = timeline::line(&self.plan, event) else { return };
        let time = format!("{:.3}", line.at.0 as f64 / 1_000_000.0);
        for (index, text) in line.text.lines().enumerate() {
            let first = index == 0;
            let shown = |text: &str| if first { text.to_owned() } else { String::new() };
            let tone = if first { line.tone } else { Tone::Plain };
            let (time, who, text) = (shown(&time), shown(&line.who), text.to_owned());
            push(&mut self.events, EventLine { time, who, text, tone });
            if self.back > 0 && self.page == Page::Nodes {
                self.back += 1;
            }
        }
    }

    /// Takes new lines of the log that is open.
    pub fn log_lines(&mut self, lines: Vec<String>) {
        for line in lines {
            push(&mut self.log, line);
            if self.back > 0 {
                self.back += 1;
            }
        }
    }

    /// The chosen node.
    pub fn chosen(&self) -> Option<&NodeStatus> {
        self.nodes.get(self.selected)
    }

    /// What a key asks for, if it is not about the view itself.
    pub fn key(&mut self, key: KeyEvent) -> Option<Command> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => Some(Command::Interrupt),
                KeyCode::Char('z') => Some(Command::Suspend),
                KeyCode::Char('l') => Some(Command::Redraw),
                _ => None,
            };
        }
        self.message = None;
        match &self.page {
            Page::Nodes => self.key_on_nodes(key.code),
            Page::Log(_) => self.key_on_log(key.code),
            Page::Help => {
                self.page = Page::Nodes;
                None
            }
        }
    }

    fn key_on_nodes(&mut self, key: KeyCode) -> Option<Command> {
        let last = self.nodes.len().saturating_sub(1);
        match key {
            KeyCode::Up => self.selected = self.selected.saturating_sub(1),
            KeyCode::Down | KeyCode::Tab => self.selected = (self.selected + 1).min(last),
            KeyCode::Home => self.selected = 0,
            KeyCode::End => self.selected = last,
            KeyCode::PageUp => self.back = (self.back + 5).min(self.events.len().saturating_sub(1)),
            KeyCode::PageDown => self.back = self.back.saturating_sub(5),
            KeyCode::Esc => self.back = 0,
            KeyCode::Char('q') => return Some(Command::Quit),
            KeyCode::Char('?' | 'h') => self.page = Page::Help,
            KeyCode::Char('l') | KeyCode::Enter => {
                let name = self.chosen()?.name.clone();
                self.page = Page::Log(name.clone());
                self.log.clear();
                self.back = 0;
                return Some(Command::OpenLog(name));
            }
            KeyCode::Char(letter) => {
                let node = self.chosen()?;
                let (paused, runs) = (node.state.starts_with("paused"), node.pid.is_some());
                let verb = match letter {
                    'k' => Verb::Kill,
                    'p' if paused => Verb::Resume,
                    'p' => Verb::Pause,
                    'r' => Verb::Restart,
                    's' if runs => Verb::Stop,
                    's' => Verb::Start,
                    _ => return None,
                };
                let name = node.name.clone();
                self.message = Some((format!("{} {name} …", verb.name()), false));
                return Some(Command::Act(verb, name));
            }
            _ => {}
        }
        None
    }

    fn key_on_log(&mut self, key: KeyCode) -> Option<Command> {
        let most = self.log.len().saturating_sub(1);
        match key {
            KeyCode::Up => self.back = (self.back + 1).min(most),
            KeyCode::PageUp => self.back = (self.back + 10).min(most),
            KeyCode::Home => self.back = most,
            KeyCode::Down => self.back = self.back.saturating_sub(1),
            KeyCode::PageDown => self.back = self.back.saturating_sub(10),
            KeyCode::End => self.back = 0,
            KeyCode::Esc | KeyCode::Char('q' | 'l') => {
                self.page = Page::Nodes;
                self.back = 0;
                return Some(Command::CloseLog);
            }
            _ => {}
        }
        None
    }
}

fn push<T>(list: &mut VecDeque<T>, item: T) {
    if list.len() == KEPT {
        list.pop_front();
    }
    list.push_back(item);
}
