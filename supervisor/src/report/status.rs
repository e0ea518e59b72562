//! How nodes are, as cells of a table: for `status`, and for the live view.

use crate::control::protocol::NodeStatus;

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// What stands above it.
    pub heading: &'static str,
    /// Whether it holds numbers, which end at the right.
    pub numbers: bool,
    /// Columns of lower rank stay when there is no room for all.
    pub rank: u8,
}

const fn column(heading: &'static str, rank: u8) -> Column {
    Column { heading, numbers: false, rank }
}

const fn numbers(heading: &'static str, rank: u8) -> Column {
    Column { heading, numbers: true, rank }
}

/// All columns, in order.
pub const COLUMNS: [Column; 12] = [
    column("NODE", 0),
    column("STATE", 1),
    column("ROLE", 2),
    column("OF", 3),
    column("ADDRESS", 7),
    numbers("PID", 10),
    numbers("OFFSET", 11),
    numbers("LAG", 4),
    numbers("KEYS", 8),
    numbers("MEMORY", 6),
    numbers("CLIENTS", 9),
    numbers("OPS/S", 5),
];

/// A node's cells.
pub type Row = [String; COLUMNS.len()];

/// The cells of all nodes.
pub fn rows(nodes: &[NodeStatus]) -> Vec<Row> {
    nodes.iter().map(|node| row(node, nodes)).collect()
}

fn row(node: &NodeStatus, nodes: &[NodeStatus]) -> Row {
    let none = || "-".to_owned();
    let shown = |value: Option<u64>| value.map_or_else(none, |value| value.to_string());
    let text = |value: &str| if value.is_empty() { none() } else { value.to_owned() };
    let state = match &node.problem {
        Some(problem) => format!("{} ({problem})", node.state),
        None => node.state.clone(),
    };
    [
        node.name.clone(),
        state,
        node.role.clone().unwrap_or_else(none),
        text(&node.of.join(", ")),
        text(&node.address),
        node.pid.map_or_else(none, |pid| pid.to_string()),
        node.offset.map_or_else(none, |offset| offset.to_string()),
        lag(node, nodes),
        shown(node.keys),
        node.used_bytes.map_or_else(none, memory),
        shown(node.clients),
        shown(node.ops_per_s),
    ]
}

/// How many bytes of its master's writes a replica has not got yet.
fn lag(node: &NodeStatus, nodes: &[NodeStatus]) -> String {
    let master = node.of.first().and_then(|of| nodes.iter().find(|one| one.name == *of));
    match (node.linked, node.offset, master.and_then(|master| master.offset)) {
        (Some(false), _, _) => "link down".to_owned(),
        (Some(true), Some(offset), Some(of_master)) => (of_master - offset).max(0).to_string(),
        _ => "-".to_owned(),
    }
}

fn memory(bytes: u64) -> String {
    let megabytes = bytes as f64 / 1_048_576.0;
    if megabytes < 1024.0 { format!("{megabytes:.1}M") } else { format!("{:.1}G", megabytes / 1024.0) }
}

/// The least of a cell that is worth showing.
const LEAST: usize = 7;

/// The widths of the columns, none for those there is no room for, with `gap` cells between two. `most` limits
/// each.
pub fn widths(rows: &[Row], room: usize, gap: usize, most: usize) -> [Option<usize>; COLUMNS.len()] {
    let mut order: Vec<usize> = (0..COLUMNS.len()).collect();
    order.sort_by_key(|&at| COLUMNS[at].rank);
    let mut widths = [None; COLUMNS.len()];
    let mut left = room;
    for at in order {
        let cells = rows.iter().map(|row| row[at].chars().count());
        let width = cells.max().unwrap_or(0).min(most).max(COLUMNS[at].heading.len());
        let needed = if left == room { width } else { width + gap };
        if needed > left {
            // A part of a cell tells more than none.
            let part = left.saturating_sub(gap);
            widths[at] = (part >= LEAST && !COLUMNS[at].numbers).then_some(part);
            break;
        }
        left -= needed;
        widths[at] = Some(width);
    }
    widths
}

/// A line of cells, padded and cut to the widths.
pub fn line<'a>(cells: impl Iterator<Item = &'a str>, widths: &[Option<usize>], gap: &str) -> String {
    let shown: Vec<String> = cells
        .zip(widths)
        .zip(&COLUMNS)
        .filter_map(|((cell, width), column)| {
            let width = (*width)?;
            let cut = cut(cell, width);
            Some(if column.numbers { format!("{cut:>width$}") } else { format!("{cut:<width$}") })
        })
        .collect();
    shown.join(gap)
}

/// A text that is too long ends in `…`.
pub fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    if width == 0 { kept } else { format!("{kept}…") }
}

/// The whole table.
pub fn table(nodes: &[NodeStatus]) -> String {
    let rows = rows(nodes);
    let widths = widths(&rows, usize::MAX, 2, usize::MAX);
    let headings = line(COLUMNS.iter().map(|column| column.heading), &widths, "  ");
    let lines = rows.iter().map(|row| line(row.iter().map(String::as_str), &widths, "  "));
    std::iter::once(headings).chain(lines).map(|line| format!("{}\n", line.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn nodes() -> Vec<NodeStatus> {
        let node = |name: &str, role: &str, of: &[&str], offset| NodeStatus {
            name: name.to_owned(),
            address: "127.0.0.1:7000".to_owned(),
            state: "running".to_owned(),
            pid: Some(7),
            role: Some(role.to_owned()),
            of: of.iter().map(|&name| name.to_owned()).collect(),
            linked: (role == "slave").then_some(true),
            offset: Some(offset),
            keys: Some(3),
            used_bytes: Some(1_572_864),
            ..NodeStatus::default()
        };
        let down = NodeStatus {
            name: "r2".to_owned(),
            state: "ended (SIGKILL)".to_owned(),
            ..NodeStatus::default()
        };
        vec![node("m", "master", &[], 100), node("r1", "slave", &["m"], 86), down]
    }

    #[test]
    fn a_status_is_a_table_with_lags() {
        expect![[r#"
            NODE  STATE            ROLE    OF  ADDRESS         PID  OFFSET  LAG  KEYS  MEMORY  CLIENTS  OPS/S
            m     running          master  -   127.0.0.1:7000    7     100    -     3    1.5M        -      -
            r1    running          slave   m   127.0.0.1:7000    7      86   14     3    1.5M        -      -
            r2    ended (SIGKILL)  -       -   -                 -       -    -     -       -        -      -
        "#]]
        .assert_eq(&table(&nodes()));
    }

    #[test]
    fn what_matters_less_goes_first_when_there_is_no_room() {
        let rows = rows(&nodes());
        let shown = |room, most| {
            let widths = widths(&rows, room, 1, most);
            let line = line(rows[2].iter().map(String::as_str), &widths, " ");
            assert!(line.chars().count() <= room, "{line}");
            line.trim_end().to_owned()
        };
        assert_eq!(shown(30, 40), "r2   ended (SIGKILL) -      -");
        assert_eq!(shown(30, 8), "r2   ended (… -      -    -");
        assert_eq!(shown(14, 40), "r2   ended (S…");
        assert_eq!(shown(4, 8), "r2");
        assert_eq!(shown(3, 8), "");
        assert_eq!([memory(1_572_864), memory(5 << 30)], ["1.5M", "5.0G"]);
    }
}
