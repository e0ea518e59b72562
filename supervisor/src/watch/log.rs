//! Reading logs as they grow, and Redis's log line:
//! `PID:ROLE DAY MONTH YEAR HH:MM:SS.mmm LEVEL message`, ROLE one of `M S C X`, LEVEL one of `. - * #`.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

/// Most that is read of a log at one time; the rest comes at the next.
const READ_BYTES: u64 = 1 << 20;

/// A log file and how far it was read.
#[derive(Debug)]
pub struct LogTail {
    path: PathBuf,
    file: Option<File>,
    offset: u64,
    /// The beginning of a line whose end is not written yet.
    partial: Vec<u8>,
}

impl LogTail {
    /// Reads from the beginning; the file need not exist yet.
    pub fn new(path: PathBuf) -> Self {
        Self { path, file: None, offset: 0, partial: Vec::new() }
    }

    /// Reads only what is written from now on.
    pub fn at_end(path: PathBuf) -> Self {
        let offset = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
        Self { offset, ..Self::new(path) }
    }

    /// The whole lines written since the last call.
    pub fn new_lines(&mut self) -> Vec<String> {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        let Some(file) = self.file.as_mut() else { return Vec::new() };
        if file.seek(SeekFrom::Start(self.offset)).is_err() {
            return Vec::new();
        }
        let Ok(count) = file.take(READ_BYTES).read_to_end(&mut self.partial) else { return Vec::new() };
        self.offset += count as u64;
        let Some(end) = self.partial.iter().rposition(|&byte| byte == b'\n') else { return Vec::new() };
        let rest = self.partial.split_off(end + 1);
        let whole = std::mem::replace(&mut self.partial, rest);
        String::from_utf8_lossy(&whole).lines().map(str::to_owned).collect()
    }
}

/// The last `count` lines of a log; none when it cannot be read.
pub fn last_lines(path: &std::path::Path, count: usize) -> Vec<String> {
    let Ok(mut file) = File::open(path) else { return Vec::new() };
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let _ = file.seek(SeekFrom::Start(length.saturating_sub(READ_BYTES)));
    let mut bytes = Vec::new();
    let _ = file.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].iter().map(|line| (*line).to_owned()).collect()
}

/// A parsed line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Milliseconds since 1970 as if the node's local time were UTC.
    pub local_ms: i64,
    /// `.`, `-`, `*` or `#`.
    pub level: char,
    /// The rest.
    pub message: String,
}

/// Parses a line; none for banners, crash reports and whatever else is no log line.
pub fn parse(line: &str) -> Option<LogLine> {
    let mut words = line.splitn(7, ' ');
    let (pid, role) = words.next()?.split_once(':')?;
    if pid.is_empty() || !pid.bytes().all(|byte| byte.is_ascii_digit()) || role.len() != 1 {
        return None;
    }
    let day: i64 = words.next()?.parse().ok()?;
    let month = month_number(words.next()?)?;
    let year: i64 = words.next()?.parse().ok()?;
    let time_ms = time_of_day_ms(words.next()?)?;
    let level = words.next()?.chars().next()?;
    let message = words.next()?.to_owned();
    let local_ms = days_since_epoch(year, month, day) * 86_400_000 + time_ms;
    Some(LogLine { local_ms, level, message })
}

fn month_number(name: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    MONTHS.iter().position(|month| *month == name).and_then(|index| i64::try_from(index + 1).ok())
}

fn time_of_day_ms(text: &str) -> Option<i64> {
    let (clock, millis) = text.split_once('.')?;
    let mut parts = clock.split(':').map(str::parse::<i64>);
    let mut next = || parts.next()?.ok();
    let (hour, minute, second) = (next()?, next()?, next()?);
    Some(((hour * 60 + minute) * 60 + second) * 1000 + millis.parse::<i64>().ok()?)
}

/// Days from 1970-01-01 in the Gregorian calendar, with years that begin in March.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let shifted_month = (month + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

/// Turns local time into Unix time: a line is received soon after it was written, and zones differ from
/// UTC by whole quarters of an hour, so the zone is what remains between the two.
pub fn align_to_receipt(local_ms: i64, receipt_wall_ms: i64) -> i64 {
    const QUARTER_MS: i64 = 15 * 60 * 1000;
    let zone_ms = (local_ms - receipt_wall_ms + QUARTER_MS / 2).div_euclid(QUARTER_MS) * QUARTER_MS;
    local_ms - zone_ms
}

/// The event and text of a sentinel's line, e.g. `+sdown master mymaster 127.0.0.1 6379`.
pub fn sentinel_event(message: &str) -> Option<(&str, &str)> {
    let (event, text) = message.split_once(' ').unwrap_or((message, ""));
    let name = event.strip_prefix(['+', '-'])?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    is_name.then_some((event, text))
}

/// The role that a server's line says it has taken.
pub fn role_change(message: &str) -> Option<&'static str> {
    if message.starts_with("MASTER MODE enabled") {
        Some("master")
    } else if message.starts_with("REPLICAOF ") && message.contains(" enabled") {
        Some("slave")
    } else {
        None
    }
}

/// Whether a reader of the report should see the line: signs of a crash.
pub fn worth_a_note(line: &LogLine) -> bool {
    const SIGNS: [&str; 4] = ["crashed by signal", "Out Of Memory", "ASSERTION FAILED", "panicked at"];
    SIGNS.iter().any(|sign| line.message.contains(sign))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_line_is_taken_apart() {
        let line = parse("4711:X 21 Nov 2026 00:06:19.123 # +sdown master mymaster 127.0.0.1 6379").unwrap();
        assert_eq!(line.local_ms, 1_795_219_579_123);
        assert_eq!(line.level, '#');
        assert_eq!(sentinel_event(&line.message), Some(("+sdown", "master mymaster 127.0.0.1 6379")));
        assert_eq!(parse("                _._"), None);
        assert_eq!(parse("x:M 1 Jan 2026 00:00:00.000 * y"), None);
        assert_eq!(days_since_epoch(2000, 2, 29) + 1, days_since_epoch(2000, 3, 1));
    }

    #[test]
    fn zones_are_found_from_the_receipt() {
        let wall_ms = 1_795_219_579_123;
        for zone_quarters in [-48, -38, 0, 1, 23, 56] {
            let local_ms = wall_ms + zone_quarters * 900_000;
            assert_eq!(align_to_receipt(local_ms, wall_ms + 40), wall_ms);
        }
    }

    #[test]
    fn messages_are_recognised() {
        assert_eq!(sentinel_event("Sentinel ID is abc"), None);
        assert_eq!(sentinel_event("- Disconnected"), None);
        assert_eq!(sentinel_event("+monitor master m"), Some(("+monitor", "master m")));
        assert_eq!(role_change("MASTER MODE enabled (user request from 'id=3')"), Some("master"));
        assert_eq!(role_change("REPLICAOF 127.0.0.1:7001 enabled (user request)"), Some("slave"));
        assert_eq!(role_change("Ready to accept connections"), None);
    }

    #[test]
    fn a_growing_file_gives_each_line_once_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut tail = LogTail::new(path.clone());
        assert!(tail.new_lines().is_empty());
        let mut file = File::create(&path).unwrap();
        file.write_all(b"one\ntw").unwrap();
        assert_eq!(tail.new_lines(), ["one"]);
        assert!(tail.new_lines().is_empty());
        file.write_all(b"o\nthree\n").unwrap();
        assert_eq!(tail.new_lines(), ["two", "three"]);
        assert_eq!(last_lines(&path, 2), ["two", "three"]);
        assert_eq!(last_lines(&path, 9).len(), 3);
        assert!(last_lines(&dir.path().join("none"), 3).is_empty());
    }
}
