//! Several connections to each server: what one does, others are told of. Each connection's replies and messages
//! must be the same, in the same order.
//!
//! Commands go in blocks: what one connection sends at once. Behind each block goes a command that does not exist,
//! as a fence: its error comes in every state of a connection, and nobody else hears of it. Ids of clients are
//! the same on both sides, because both get connections in the same order.

use std::collections::{HashMap, VecDeque};
use std::io;

use resp::Value;

use super::told::told;
use super::{Client, Command, Engine, Random, Server, fill, setting, written};

/// Blocks between two comparisons.
const BATCH: usize = 60;
/// How many differences in a row are looked for when ids are made alike.
const MOST_IDS: u64 = 1000;

/// What one connection sends at once.
struct Block {
    who: usize,
    commands: Vec<Command>,
    /// Inside a transaction that stays open a fence would spoil it.
    fenced: bool,
}

/// What connections do, and how it is written: a template is a row of blocks, `|` between them. A block
/// begins with who sends it (`a` is connection 0, which is never closed; `u` and `v` are two of the others, the
/// same all through the template; `c` any) and has commands with `;` between them. The word `...` stands for one of
/// `wrapped`, `...+` for one that has arguments, `$c0` to `$c9` are ids of connections, and `=r` is what was last put for `$r`.
pub(super) struct Play<'a> {
    pub(super) templates: &'a [&'a str],
    pub(super) wrapped: &'a [&'a str],
    pub(super) connections: usize,
    pub(super) directives: &'a [&'a str],
    /// What connection 0 does before everything and before each batch.
    pub(super) opening: &'a [&'a str],
    /// What stands for words of this play.
    pub(super) fill: fn(&str, &mut Random) -> Option<Vec<u8>>,
}

impl Play<'_> {
    fn blocks(&self, random: &mut Random) -> Vec<Block> {
        let template = random.pick(self.templates);
        let others = self.connections - 1;
        let first = random.below(others);
        let second = (first + 1 + random.below(others - 1)) % others;
        let mut picked = HashMap::new();
        let mut block = |part: &str| {
            let (who, commands) = part.split_once(':').unwrap_or_else(|| panic!("{template}: who?"));
            let who = match who {
                "a" => 0,
                "u" => first + 1,
                "v" => second + 1,
                "c" => random.below(self.connections),
                other => panic!("{template}: nobody is called {other}"),
            };
            let commands = commands.split(';').map(|command| self.command(command, &mut picked, random));
            let commands: Vec<Command> = commands.collect();
            let ends = |command: &Command| command[0] == b"EXEC" || command[0] == b"DISCARD";
            let open = commands[0][0] == b"MULTI" && !commands.iter().any(ends);
            Block { who, commands, fenced: !open }
        };
        template.split('|').map(&mut block).collect()
    }

    fn command(&self, template: &str, picked: &mut HashMap<String, Vec<u8>>, random: &mut Random) -> Command {
        let mut words: Command = Vec::new();
        for word in template.split(' ') {
            if word == "..." || word == "...+" {
                let mut wrapped = random.pick(self.wrapped);
                while word == "...+" && !wrapped.contains(' ') {
                    wrapped = random.pick(self.wrapped);
                }
                words.append(&mut self.command(wrapped, picked, random));
                continue;
            }
            let filled = match (word.strip_prefix('=').and_then(|name| picked.get(name)), word) {
                (Some(before), _) => before.clone(),
                (None, word) if word.starts_with("$c") => word.into(),
                (None, word) => (self.fill)(word, random).unwrap_or_else(|| fill(word, random)),
            };
            if let Some(name) = word.strip_prefix('$') {
                picked.insert(name.to_owned(), filled.clone());
            }
            words.push(filled);
        }
        words
    }
}

/// What a connection was given: behind which block, and what.
type Received = Vec<(usize, String)>;

struct Side {
    server: Server,
    clients: Vec<Client>,
    ids: Vec<u64>,
    next_id: u64,
    received: Vec<Received>,
}

impl Side {
    fn start(engine: Engine, play: &Play<'_>) -> Side {
        let server = Server::start(engine, play.directives);
        Side { server, clients: Vec::new(), ids: Vec::new(), next_id: 0, received: Vec::new() }
    }

    /// A connection that has the id, once connections with lower ones are gone.
    fn connect_first(&mut self, least: u64) -> u64 {
        for _ in 0..MOST_IDS {
            let mut client = self.server.client();
            let Value::Int(id) = client.line("CLIENT ID").expect("an id") else { panic!("no id") };
            if id as u64 >= least {
                self.clients = vec![client];
                (self.ids, self.next_id) = (vec![id as u64], id as u64 + 1);
                return id as u64;
            }
        }
        panic!("no connection gets the id {least}");
    }

    fn connect(&mut self) -> Client {
        let mut client = self.server.client();
        // Accepted, and in this order: the answer is an error for whoever may do nothing.
        client.line("ACCEPTED").expect("an answer");
        self.next_id += 1;
        client
    }

    fn connect_all(&mut self, connections: usize) {
        while self.clients.len() < connections {
            self.ids.push(self.next_id);
            let client = self.connect();
            self.clients.push(client);
        }
        self.received = vec![Vec::new(); connections];
    }

    /// Sends a block and reads what comes until its end.
    fn act(&mut self, number: usize, block: &Block) {
        let with_ids = |command: &Command| -> Command {
            let with_id = |word: &Vec<u8>| match word.as_slice() {
                [b'$', b'c', digit] => self.ids[usize::from(digit - b'0')].to_string().into_bytes(),
                _ => word.clone(),
            };
            command.iter().map(with_id).collect()
        };
        let mut commands: Vec<Command> = block.commands.iter().map(with_ids).collect();
        if block.fenced {
            commands.push(vec![b"FENCE".to_vec()]);
        }
        let until = if block.fenced { None } else { Some(commands.len()) };
        let (client, received) = (&mut self.clients[block.who], &mut self.received[block.who]);
        let mut given = Vec::new();
        // One that was closed takes nothing; what it was told before is there to be read.
        let _ = client.send(commands.iter().map(Vec::as_slice));
        let read = receive(client, until, |value| given.push(value));
        // Since 7.2 what a client tells itself follows the reply. Before it came first, or in the middle of an array
        // as one of its elements.
        let holds_told = |value: &Value| value.as_array().is_some_and(|items| items.iter().any(is_told));
        if given.iter().any(|value| is_told(value) || holds_told(value)) {
            given = given.into_iter().flat_map(elements).collect();
        }
        given.sort_by_key(is_told);
        // Which of several patterns is told of a message first is a table's order.
        let published = |value: &Value| match value {
            Value::Push(items) | Value::Array(items) if is_message(value) => {
                items[1..].iter().rev().take(2).cloned().collect()
            }
            _ => Vec::new(),
        };
        for same in given.chunk_by_mut(|one, other| is_message(one) && published(one) == published(other)) {
            same.sort_by_key(|value| told(&[], value));
        }
        received.extend(given.iter().map(|value| (number, told(&block.commands, value))));
        if let Err(error) = read {
            assert!(is_end(&error), "block {number}, {}: {error}", said(block));
            received.push((number, "closed".to_owned()));
            self.ids[block.who] = self.next_id;
            self.clients[block.who] = self.connect();
        }
    }
}

/// Reads so many replies, or up to the fence.
fn receive(client: &mut Client, count: Option<usize>, mut take: impl FnMut(Value)) -> io::Result<()> {
    let mut read = 0;
    while count != Some(read) {
        let value = client.reply()?;
        if value.as_error().is_some_and(|text| text.starts_with("ERR unknown command 'FENCE'")) {
            return Ok(());
        }
        read += usize::from(!is_told(&value));
        take(value);
    }
    Ok(())
}

/// What an array holds, arrays in it too, that is neither a message nor one of names and values.
fn elements(value: Value) -> Vec<Value> {
    let first = value.as_array().and_then(|items| items.first()).and_then(Value::as_bytes);
    let named = [b"server".as_slice(), b"flags", b"count"].contains(&first.unwrap_or_default());
    match value {
        Value::Array(items) if !named && !is_message(&Value::Array(items.clone())) => {
            items.into_iter().flat_map(elements).collect()
        }
        value => vec![value],
    }
}

/// Whether it came unasked.
fn is_told(value: &Value) -> bool {
    let seen = |text: &[u8]| super::told::is_monitor_line(text);
    is_message(value) || matches!(value, Value::Push(_)) || matches!(value, Value::Simple(text) if seen(text))
}

/// Whether it was published.
fn is_message(value: &Value) -> bool {
    let (Value::Push(items) | Value::Array(items)) = value else { return false };
    let kind = items.first().and_then(Value::as_bytes).unwrap_or_default();
    matches!(kind, b"message" | b"pmessage" | b"smessage" | b"invalidate")
}

/// Whether the server has closed the connection.
fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

fn said(block: &Block) -> String {
    let commands: Vec<String> = block.commands.iter().map(written).collect();
    format!("{}: {}", block.who, commands.join(" ; "))
}

/// Fails where a connection was given different things; shows what was sent before.
fn assert_same(ours: &[Received], real: &[Received], history: &VecDeque<(usize, String)>, seed: u64) {
    let differs = |who: usize| {
        let (ours, real) = (&ours[who], &real[who]);
        let at = (0..ours.len().max(real.len())).find(|&at| ours.get(at) != real.get(at))?;
        let number = [ours.get(at), real.get(at)].into_iter().flatten().map(|given| given.0).min();
        Some((number, who, at))
    };
    if let Some((number, who, at)) = (0..ours.len()).filter_map(differs).min() {
        let (ours, real) = (&ours[who], &real[who]);
        let before: String = history
            .iter()
            .filter(|(block, _)| Some(*block) <= number.map(|number| number + 2))
            .map(|(block, text)| format!("{block} {text}\n"))
            .collect();
        let some = |given: &Received, from: usize, to: usize| -> String {
            let lines = given[from.min(given.len())..to.min(given.len())].iter();
            lines.map(|(block, text)| format!("  {block} {text}\n")).collect()
        };
        panic!(
            "seed {seed}\n{before}connection {who} was given differently, behind\n{}ours\n{}real\n{}",
            some(real, at.saturating_sub(4), at),
            some(ours, at, at + 3),
            some(real, at, at + 3)
        );
    }
}

/// Plays it on both servers.
#[track_caller]
pub(super) fn compare_crowds(play: &Play<'_>) {
    let seed = setting("TOPPLE_DIFF_SEED").unwrap_or(20_240_501);
    let total = setting("TOPPLE_DIFF_COMMANDS").unwrap_or(20_000) as usize;
    let mut random = Random(seed);
    let (mut ours, mut real) = (Side::start(Engine::Topple, play), Side::start(Engine::Redis, play));
    let least = ours.connect_first(0);
    let least = real.connect_first(least);
    ours.connect_first(least);
    for side in [&mut ours, &mut real] {
        side.connect_all(play.connections);
    }
    let opening: Vec<Block> = play
        .opening
        .iter()
        .map(|line| Block {
            who: 0,
            commands: vec![play.command(line, &mut HashMap::new(), &mut random)],
            fenced: true,
        })
        .collect();
    let (mut commands, mut number) = (0, 0);
    let mut history: VecDeque<(usize, String)> = VecDeque::new();
    while commands < total {
        let mut blocks = Vec::new();
        while blocks.len() < BATCH {
            blocks.extend(play.blocks(&mut random));
        }
        let fences = (0..play.connections).map(|who| Block { who, commands: Vec::new(), fenced: true });
        let fences: Vec<Block> = fences.collect();
        // Twice: what the first fence lets happen is told before the second.
        for block in opening.iter().chain(&blocks).chain(&fences).chain(&fences) {
            number += 1;
            commands += block.commands.len();
            history.push_back((number, said(block)));
            ours.act(number, block);
            real.act(number, block);
        }
        assert_same(&ours.received, &real.received, &history, seed);
        for side in [&mut ours, &mut real] {
            side.received.iter_mut().for_each(Vec::clear);
        }
        // What a difference comes from may lie some batches back.
        let keep = 3 * (BATCH + 20);
        history.drain(..history.len().saturating_sub(keep));
    }
}
