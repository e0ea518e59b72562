//! The drawing of the live view, a pure function of its state.
//!
//! Colours are left out with NO_COLOR; the choice and what is bad are told by reverse and bold too.

use std::collections::VecDeque;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::state::{EventLine, Page, Purpose, State};
use crate::report::status::{self, COLUMNS, Row, cut};
use crate::report::timeline::Tone;

/// Whether colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Palette {
    /// As terminals have them.
    Colours,
    /// Bold, dim and reverse alone.
    Plain,
}

impl Palette {
    fn fg(self, colour: Color) -> Style {
        match self {
            Self::Colours => Style::new().fg(colour),
            Self::Plain => Style::new(),
        }
    }

    fn tone(self, tone: Tone) -> Style {
        match tone {
            Tone::Action => self.fg(Color::Yellow),
            Tone::Bad => self.fg(Color::Red).add_modifier(Modifier::BOLD),
            Tone::Good => self.fg(Color::Green),
            Tone::Sentinel => self.fg(Color::Cyan),
            Tone::Plain => Style::new(),
        }
    }
}

const DIM: Style = Style::new().add_modifier(Modifier::DIM);
const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const REVERSED: Style = Style::new().add_modifier(Modifier::REVERSED);

/// Longest cell of a table when others need the room.
const CELL: usize = 28;

/// Draws everything.
pub fn draw(frame: &mut Frame<'_>, state: &State, palette: Palette) {
    let area = frame.area();
    if area.height == 0 || area.width == 0 {
        return;
    }
    put(frame, area, 0, header(state, usize::from(area.width)));
    let footer = area.height - 1;
    let inner = footer.saturating_sub(1);
    match &state.page {
        Page::Nodes => {
            let table =
                (state.nodes.len() + 1).min(usize::from(inner.saturating_sub(4).max(2.min(inner)))) as u16;
            nodes(frame, area, 1, table, state, palette);
            events(frame, area, 1 + table, inner - table, state, palette);
        }
        Page::Log(_) => log(frame, area, 1, inner, state),
        Page::Help => help(frame, area, 1, inner, state.purpose),
    }
    if footer > 0 {
        put(frame, area, footer, keys(state, palette));
    }
}

fn put(frame: &mut Frame<'_>, area: Rect, row: u16, line: Line<'_>) {
    if row < area.height {
        frame.render_widget(line, Rect { y: area.y + row, height: 1, ..area });
    }
}

fn header(state: &State, width: usize) -> Line<'static> {
    let seconds = (state.now_ms - state.description.started_wall_ms).max(0) / 1000;
    let running = state.nodes.iter().filter(|node| node.pid.is_some()).count();
    let count = state.plan.node_ids().count();
    let left = format!(" {}  {running} of {count} nodes run  up {}", state.plan.name, for_people(seconds));
    let right = match &state.page {
        Page::Log(name) => format!("log of {name} "),
        Page::Help => "keys ".to_owned(),
        Page::Nodes => format!("{} ", state.description.file),
    };
    let room = width.saturating_sub(left.chars().count() + 2);
    let right = if room < 8 { String::new() } else { cut(&right, room) };
    let gap = width.saturating_sub(left.chars().count() + right.chars().count());
    Line::from(format!("{left}{}{right}", " ".repeat(gap))).style(REVERSED.add_modifier(Modifier::BOLD))
}

/// `59s`, `2m03s`, `5h07m`.
pub fn for_people(seconds: i64) -> String {
    match seconds {
        0..=59 => format!("{seconds}s"),
        60..=3599 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

fn nodes(frame: &mut Frame<'_>, area: Rect, top: u16, height: u16, state: &State, palette: Palette) {
    if state.nodes.is_empty() {
        put(frame, area, top, Line::styled(" the nodes are being started …", DIM));
        return;
    }
    let rows = status::rows(&state.nodes);
    let widths = status::widths(&rows, usize::from(area.width).saturating_sub(2), 2, CELL);
    let headings = status::line(COLUMNS.iter().map(|column| column.heading), &widths, "  ");
    put(frame, area, top, Line::styled(format!(" {headings}"), BOLD));
    let room = usize::from(height).saturating_sub(1).max(1);
    // The chosen one is always among those shown.
    let first = (state.selected + 1).saturating_sub(room);
    for (index, row) in rows.iter().enumerate().skip(first).take(room) {
        let text = status::line(row.iter().map(String::as_str), &widths, "  ");
        let padded = format!(" {text:<width$}", width = usize::from(area.width).saturating_sub(1));
        let style = node_style(row, palette);
        let style = if index == state.selected { style.patch(REVERSED) } else { style };
        put(frame, area, top + 1 + (index - first) as u16, Line::styled(padded, style));
    }
}

fn node_style(row: &Row, palette: Palette) -> Style {
    let [_, state, role, _, _, _, _, lag, ..] = row;
    match state.as_str() {
        state if state.starts_with("paused") => palette.fg(Color::Yellow),
        "running" if lag == "link down" => palette.fg(Color::Yellow),
        "running" if role == "master" => BOLD,
        "running" => Style::new(),
        _ => palette.fg(Color::Red),
    }
}

fn events(frame: &mut Frame<'_>, area: Rect, top: u16, height: u16, state: &State, palette: Palette) {
    if height == 0 {
        return;
    }
    let names: Vec<&str> = state.plan.experiments.iter().map(|one| one.name.as_str()).collect();
    let experiments = match names.as_slice() {
        [] => String::new(),
        names => format!("── experiments: {} ", names.join(", ")),
    };
    let back = if state.back > 0 { format!("({} newer below) ", state.back) } else { String::new() };
    let title = cut(&format!("── events {back}{experiments}"), usize::from(area.width));
    let rule = "─".repeat(usize::from(area.width).saturating_sub(title.chars().count()));
    put(frame, area, top, Line::styled(format!("{title}{rule}"), DIM));
    let shown = last(&state.events, usize::from(height - 1), state.back);
    let who =
        state.plan.nodes_in_force().map(|node| node.name.chars().count()).max().unwrap_or(0).clamp(8, 16);
    for (row, line) in shown.enumerate() {
        put(frame, area, top + 1 + row as u16, event_line(line, who, palette));
    }
}

fn event_line(line: &EventLine, who: usize, palette: Palette) -> Line<'static> {
    Line::from(vec![
        Span::styled(format!("{:>9}  ", line.time), DIM),
        Span::raw(format!("{:<who$}  ", cut(&line.who, who))),
        Span::styled(line.text.clone(), palette.tone(line.tone)),
    ])
}

/// The last `room` lines, but for the `back` last.
fn last<T>(lines: &VecDeque<T>, room: usize, back: usize) -> impl Iterator<Item = &T> {
    let end = lines.len().saturating_sub(back);
    lines.iter().skip(end.saturating_sub(room)).take(room.min(end))
}

fn log(frame: &mut Frame<'_>, area: Rect, top: u16, height: u16, state: &State) {
    for (row, line) in last(&state.log, usize::from(height), state.back).enumerate() {
        let line: String =
            line.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
        put(frame, area, top + row as u16, Line::from(line));
    }
}

const HELP: [(&str, &str); 11] = [
    ("↑ ↓", "choose a node"),
    ("k", "kill it (SIGKILL)"),
    ("p", "pause it (SIGSTOP), or let it go on"),
    ("s", "stop it in order, or start it"),
    ("r", "restart it"),
    ("l, Enter", "its log; l, q or Esc closes it"),
    ("PgUp PgDn", "older and newer events or log lines; Esc the newest"),
    ("Ctrl-L", "draw anew"),
    ("Ctrl-Z", "suspend the view; the nodes go on"),
    ("?", "these keys"),
    ("q, Ctrl-C", ""),
];

fn help(frame: &mut Frame<'_>, area: Rect, top: u16, height: u16, purpose: Purpose) {
    let leave = match purpose {
        Purpose::Up => "stop the topology in order; Ctrl-C once more: at once",
        Purpose::Attach => "leave; the topology stays up",
    };
    for (row, (keys, what)) in HELP.iter().enumerate().take(usize::from(height)) {
        let what = if what.is_empty() { leave } else { what };
        let line = Line::from(vec![Span::styled(format!("  {keys:<11}"), BOLD), Span::raw(what.to_owned())]);
        put(frame, area, top + row as u16, line);
    }
}

fn keys(state: &State, palette: Palette) -> Line<'static> {
    if let Some((message, bad)) = &state.message {
        let tone = if *bad { Tone::Bad } else { Tone::Good };
        return Line::styled(format!(" {message}"), palette.tone(tone));
    }
    let keys: &[(&str, &str)] = match state.page {
        Page::Help => &[("any key", "back")],
        Page::Log(_) => &[("↑↓ PgUp PgDn", "scroll"), ("End", "newest"), ("q", "back")],
        Page::Nodes => {
            let leave = if state.purpose == Purpose::Up { "stop all" } else { "leave" };
            &[
                ("q", leave),
                ("?", "help"),
                ("↑↓", "choose"),
                ("k", "kill"),
                ("p", "pause"),
                ("s", "stop"),
                ("r", "restart"),
                ("l", "log"),
            ]
        }
    };
    let spans = keys.iter().flat_map(|(key, what)| {
        [Span::styled(format!(" {key}"), BOLD), Span::styled(format!(" {what} "), DIM)]
    });
    Line::from(spans.collect::<Vec<_>>())
}
