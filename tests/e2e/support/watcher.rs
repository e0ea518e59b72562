//! A sentinel process for a test, ours or the real one, and what it tells of: the events in its log, in words
//! that two sentinels of different ports and ids share.

use std::fs;
use std::path::{Path, PathBuf};

use resp::Value;

use super::client::Client;
use super::node::{Node, free_port};
use super::server::Engine;
use super::wait::obtain_or;

/// A sentinel and its configuration file.
pub struct Watcher {
    node: Node,
}

impl Watcher {
    /// Starts one with these lines of configuration, and waits until it answers.
    pub fn start(engine: Engine, lines: &str) -> Watcher {
        let mut watcher = Watcher::prepare(engine, lines);
        watcher.node.launch();
        watcher
    }

    /// One that is not started yet.
    pub fn prepare(engine: Engine, lines: &str) -> Watcher {
        Watcher::prepare_at(engine, free_port(), lines)
    }

    /// The same at a port of the caller's choice.
    pub fn prepare_at(engine: Engine, port: u16, lines: &str) -> Watcher {
        let mut node = Node::with_arguments(engine, port, Vec::new());
        let file = node.path("sentinel.conf");
        let head = format!("port {port}\nbind 127.0.0.1\nloglevel debug\n");
        fs::write(&file, format!("{head}{lines}")).expect("its configuration");
        let (program, words) = program(engine);
        node.set_program(program);
        node.add_arguments(&words);
        node.add_arguments(&[file.to_str().expect("a path in UTF-8")]);
        Watcher { node }
    }

    /// The process.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The process, to be ended or started.
    pub fn node_mut(&mut self) -> &mut Node {
        &mut self.node
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.node.port()
    }

    /// Its configuration file as it is now.
    pub fn file(&self) -> String {
        fs::read_to_string(self.path()).expect("its configuration")
    }

    /// Where that is.
    pub fn path(&self) -> PathBuf {
        self.node.path("sentinel.conf")
    }

    /// A file in its directory.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.node.path(name)
    }

    /// A new connection.
    pub fn client(&self) -> Client {
        self.node.client()
    }

    /// One command; blanks part its words.
    pub fn ask(&self, line: &str) -> Value {
        self.node.cmd(line)
    }

    /// One command that must not fail.
    pub fn ok(&self, line: &str) -> Value {
        self.node.ok(line)
    }

    /// A field of the reply to SENTINEL MASTER.
    pub fn master_field(&self, master: &str, field: &str) -> String {
        field_of(&self.ok(&format!("SENTINEL MASTER {master}")), field)
    }

    /// Its log.
    pub fn log(&self) -> String {
        self.node.log()
    }

    /// The events in the log, each with the sign of its weight: `# +sdown master …`.
    pub fn events(&self) -> Vec<String> {
        self.log().lines().filter_map(event).collect()
    }

    /// Waits until an event was told so many times.
    pub fn await_event(&self, kind: &str, times: usize) {
        let told = |line: &String| line.split(' ').nth(1) == Some(kind);
        obtain_or(
            || (self.events().iter().filter(|line| told(line)).count() >= times).then_some(()),
            || format!("{kind}, {times} times, in the log:\n{}", self.log()),
        );
    }

    /// Waits until a command's reply satisfies.
    pub fn await_reply(&self, line: &str, mut satisfies: impl FnMut(&Value) -> bool) {
        let mut last = None;
        obtain_or(
            || {
                let reply = self.ask(line);
                let done = satisfies(&reply);
                last = Some(reply);
                done.then_some(())
            },
            || format!("a reply to {line}; the log:\n{}", self.log()),
        );
    }
}

fn program(engine: Engine) -> (PathBuf, Vec<&'static str>) {
    match engine {
        Engine::Redis => (Path::new("redis-sentinel").into(), Vec::new()),
        Engine::Topple => (Path::new(env!("CARGO_BIN_EXE_topple")).into(), vec!["sentinel"]),
    }
}

/// The event in a line of the log.
fn event(line: &str) -> Option<String> {
    // `pid:X day month year time sign text`.
    let (_, rest) = line.split_once(":X ")?;
    let text = rest.splitn(5, ' ').nth(4)?;
    let (_, event) = text.split_once(' ')?;
    let mut letters = event.bytes();
    let begins = matches!(letters.next(), Some(b'+' | b'-')) && letters.next()?.is_ascii_lowercase();
    begins.then(|| text.to_owned())
}

/// A field of a reply that is a flat list of names and values.
pub fn field_of(reply: &Value, field: &str) -> String {
    let words: Vec<String> = reply.as_array().unwrap_or_default().iter().filter_map(Value::to_text).collect();
    let mut pairs = words.chunks(2);
    pairs.find(|pair| pair[0] == field).map(|pair| pair[1].clone()).unwrap_or_default()
}

/// Texts with names in place of ports, run ids and dates, so that those of two sentinels can be compared.
pub fn in_common_words(texts: &[String], ports: &[(u16, &str)]) -> Vec<String> {
    let one = |text: &String| {
        let mut words = String::new();
        let mut rest = text.as_str();
        while let Some(first) = rest.chars().next() {
            // A run of letters and digits is a port, an id, or itself.
            let length = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
            let (word, behind) = rest.split_at(length.max(first.len_utf8()));
            let port = ports.iter().find(|(port, _)| port.to_string() == word).map(|(_, name)| *name);
            let is_id = word.len() == 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
            words += port.unwrap_or(if is_id { "<id>" } else { word });
            rest = behind;
        }
        words
    };
    texts.iter().map(one).collect()
}

/// Runs a situation for a real sentinel and for ours at the same time and gives what each told of.
pub fn both<T: Send>(situation: impl Fn(Engine) -> T + Sync) -> (T, T) {
    std::thread::scope(|scope| {
        let real = scope.spawn(|| situation(Engine::Redis));
        let own = situation(Engine::Topple);
        (real.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause)), own)
    })
}

/// Both must have told the same, in the same order, and of each of `kinds`.
pub fn same_story(situation: impl Fn(Engine) -> Vec<String> + Sync, kinds: &[&str]) {
    let (real, own) = both(situation);
    assert_eq!(own, real, "ours and the real one\n{own:#?}\n{real:#?}");
    for kind in kinds {
        assert!(real.iter().any(|line| line.split(' ').nth(1) == Some(kind)), "no {kind} in {real:#?}");
    }
}
