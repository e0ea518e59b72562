//! What a replica says before `PSYNC`, and what it makes of the answers.

use std::collections::VecDeque;

use super::{Handover, Level, LinkConfig};
use crate::id::{Offset, Position, ReplId};
use crate::stream::command;

/// A question sent and not answered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    Auth,
    ListeningPort,
    IpAddress,
    Capabilities,
    Version,
}

/// What to do about an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    /// Go on; a line to log.
    Tolerated(Level, String),
    /// Give up this attempt; a line to log.
    Failed(String),
}

/// All questions in one piece, and the order of their answers.
pub(super) fn introduction(config: &LinkConfig) -> (Vec<u8>, VecDeque<Question>) {
    let mut bytes = Vec::new();
    let mut questions = VecDeque::new();
    let mut ask = |question: Question, words: &[&[u8]]| {
        bytes.extend_from_slice(&command(words));
        questions.push_back(question);
    };
    match (&config.user, &config.password) {
        (Some(user), Some(password)) => {
            ask(Question::Auth, &[b"AUTH", user.as_bytes(), password.as_bytes()]);
        }
        (None, Some(password)) => ask(Question::Auth, &[b"AUTH", password.as_bytes()]),
        (_, None) => {}
    }
    let port = config.announced_port.to_string();
    ask(Question::ListeningPort, &[b"REPLCONF", b"listening-port", port.as_bytes()]);
    if let Some(ip) = &config.announced_ip {
        ask(Question::IpAddress, &[b"REPLCONF", b"ip-address", ip.as_bytes()]);
    }
    ask(Question::Capabilities, &[b"REPLCONF", b"capa", b"eof", b"capa", b"psync2"]);
    if let Some(version) = &config.version {
        ask(Question::Version, &[b"REPLCONF", b"version", version.as_bytes()]);
    }
    (bytes, questions)
}

/// A master that wants a password, or is not ready to serve, is alive all the same: the answer to
/// the questions that follow will tell.
pub(super) fn judge_pong(answer: &str) -> Verdict {
    let alive = ["+", "-NOAUTH", "-NOPERM", "-ERR operation not permitted"];
    if alive.iter().any(|start| answer.starts_with(start)) {
        let line = "Master replied to PING, replication can continue...";
        Verdict::Tolerated(Level::Notice, line.to_owned())
    } else {
        Verdict::Failed(format!("Error reply to PING from master: '{answer}'"))
    }
}

/// Only a failed login ends the attempt. An old master may not know the rest.
pub(super) fn judge(question: Question, answer: &str) -> Verdict {
    if !answer.starts_with('-') {
        return Verdict::Good;
    }
    let unknown = match question {
        Question::Auth => return Verdict::Failed(format!("Unable to AUTH to MASTER: {answer}")),
        Question::ListeningPort => "listening-port",
        Question::IpAddress => "ip-address",
        Question::Capabilities => "capa",
        Question::Version => "version",
    };
    let line = format!("(Non critical) Master does not understand REPLCONF {unknown}: {answer}");
    Verdict::Tolerated(Level::Notice, line)
}

/// The `PSYNC` command and the line to log about it.
pub(super) fn psync(position: Option<Position>, handover: Handover) -> (Vec<u8>, String) {
    let request = |id: &[u8], offset: &[u8]| match handover {
        Handover::None => command(&[b"PSYNC", id, offset]),
        Handover::Asked => command(&[b"PSYNC", id, offset, b"FAILOVER"]),
    };
    match position {
        Some(Position { id, offset }) => {
            let next = offset.next().to_string();
            let line = format!("Trying a partial resynchronization (request {id}:{next}).");
            (request(id.as_bytes(), next.as_bytes()), line)
        }
        None => {
            let line = "Partial resynchronization not possible (no cached master)";
            (request(b"?", b"-1"), line.to_owned())
        }
    }
}

/// A master's answer to `PSYNC`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PsyncAnswer {
    Full(Position),
    Continue(Option<ReplId>),
    /// Not now; a line to log.
    Refused(Level, String),
}

pub(super) fn read_psync_answer(answer: &str) -> PsyncAnswer {
    let mut words = answer.split(' ');
    match words.next() {
        Some("+FULLRESYNC") => {
            let id = words.next().and_then(|word| ReplId::parse(word.as_bytes()));
            let offset = words.next().and_then(|word| Offset::parse(word.as_bytes()));
            match (id, offset) {
                (Some(id), Some(offset)) => PsyncAnswer::Full(Position { id, offset }),
                _ => PsyncAnswer::Refused(
                    Level::Warning,
                    "Master replied with wrong +FULLRESYNC syntax.".to_owned(),
                ),
            }
        }
        Some("+CONTINUE") => {
            PsyncAnswer::Continue(words.next().and_then(|word| ReplId::parse(word.as_bytes())))
        }
        Some("-NOMASTERLINK" | "-LOADING") => PsyncAnswer::Refused(
            Level::Notice,
            format!("Master is currently unable to PSYNC but should be in the future: {answer}"),
        ),
        Some("-ERR") => PsyncAnswer::Refused(
            Level::Notice,
            format!("Master does not support PSYNC or is in error state (reply: {answer})"),
        ),
        _ => PsyncAnswer::Refused(Level::Warning, format!("Unexpected reply to PSYNC from master: {answer}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn introduces_itself_in_one_piece() {
        let mut config = LinkConfig::new("10.0.0.1", 6379, 6380);
        config.user = Some("replica".to_owned());
        config.password = Some("secret".to_owned());
        config.announced_ip = Some("10.0.0.2".to_owned());
        config.version = Some("7.2.4".to_owned());
        let (bytes, questions) = introduction(&config);
        expect![[r"*3\r\n$4\r\nAUTH\r\n$7\r\nreplica\r\n$6\r\nsecret\r\n*3\r\n$8\r\nREPLCONF\r\n$14\r\nlistening-port\r\n$4\r\n6380\r\n*3\r\n$8\r\nREPLCONF\r\n$10\r\nip-address\r\n$8\r\n10.0.0.2\r\n*5\r\n$8\r\nREPLCONF\r\n$4\r\ncapa\r\n$3\r\neof\r\n$4\r\ncapa\r\n$6\r\npsync2\r\n*3\r\n$8\r\nREPLCONF\r\n$7\r\nversion\r\n$5\r\n7.2.4\r\n"]]
        .assert_eq(&bytes.escape_ascii().to_string());
        assert_eq!(
            questions,
            [
                Question::Auth,
                Question::ListeningPort,
                Question::IpAddress,
                Question::Capabilities,
                Question::Version
            ]
        );
        let (bytes, questions) = introduction(&LinkConfig::new("10.0.0.1", 6379, 6380));
        assert!(!bytes.windows(4).any(|window| window == b"AUTH"));
        assert_eq!(questions, [Question::ListeningPort, Question::Capabilities]);
    }

    #[test]
    fn judges_answers() {
        for (question, answer, verdict) in [
            (Question::Auth, "+OK", Verdict::Good),
            (
                Question::Auth,
                "-WRONGPASS invalid",
                Verdict::Failed("Unable to AUTH to MASTER: -WRONGPASS invalid".to_owned()),
            ),
            (
                Question::Version,
                "-ERR no",
                Verdict::Tolerated(
                    Level::Notice,
                    "(Non critical) Master does not understand REPLCONF version: -ERR no".to_owned(),
                ),
            ),
        ] {
            assert_eq!(judge(question, answer), verdict);
        }
        assert!(matches!(judge_pong("+PONG"), Verdict::Tolerated(..)));
        assert!(matches!(judge_pong("-NOAUTH Authentication required."), Verdict::Tolerated(..)));
        assert_eq!(
            judge_pong("-LOADING"),
            Verdict::Failed("Error reply to PING from master: '-LOADING'".to_owned())
        );
    }

    #[test]
    fn reads_answers_to_psync() {
        let id = ReplId::from_random([1; 20]);
        let full = read_psync_answer(&format!("+FULLRESYNC {id} 77"));
        assert_eq!(full, PsyncAnswer::Full(Position { id, offset: Offset(77) }));
        assert_eq!(read_psync_answer(&format!("+CONTINUE {id}")), PsyncAnswer::Continue(Some(id)));
        assert_eq!(read_psync_answer("+CONTINUE"), PsyncAnswer::Continue(None));
        for (answer, level, line) in [
            ("+FULLRESYNC x 1", Level::Warning, "Master replied with wrong +FULLRESYNC syntax."),
            (
                "-LOADING x",
                Level::Notice,
                "Master is currently unable to PSYNC but should be in the future: -LOADING x",
            ),
            ("-ERR x", Level::Notice, "Master does not support PSYNC or is in error state (reply: -ERR x)"),
            ("-NOAUTH x", Level::Warning, "Unexpected reply to PSYNC from master: -NOAUTH x"),
            ("what", Level::Warning, "Unexpected reply to PSYNC from master: what"),
        ] {
            assert_eq!(read_psync_answer(answer), PsyncAnswer::Refused(level, line.to_owned()));
        }
    }
}
