//! A server on strings: what it answers to a sentinel is what the test wants, at once and exactly.
//!
//! It knows as much of Redis as a sentinel can tell: PING, INFO, the channel of hello messages, SLAVEOF in a
//! transaction. Everything a sentinel says to it is kept.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use resp::Value;

/// What a puppet is and says.
pub struct Strings {
    /// Its run id, of 40 digits.
    pub run_id: String,
    /// The port of its master; `None` makes it a master itself.
    pub follows: Option<u16>,
    /// Ports of the replicas it names.
    pub replicas: Vec<u16>,
    /// Whether its link to its master is up.
    pub link_up: bool,
    /// Its answer to PING, as it goes over the wire.
    pub pong: String,
    /// `slave_priority`.
    pub priority: u32,
    /// `slave_repl_offset`.
    pub offset: u64,
    /// `replica_announced`.
    pub announced: bool,
    /// It does what SLAVEOF says, not only answers OK.
    pub obeys: bool,
    /// It takes what is sent and answers nothing.
    pub silent: bool,
    /// It refuses every connection, and ends those there are.
    pub dead: bool,
    /// Commands other than PING, INFO and PUBLISH, in order.
    pub said: Vec<String>,
    /// The last message published here.
    pub published: String,
    subscribers: Vec<TcpStream>,
    connections: Vec<TcpStream>,
}

/// A running puppet.
pub struct Puppet {
    port: u16,
    strings: Arc<Mutex<Strings>>,
    over: Arc<AtomicBool>,
    doorman: Option<JoinHandle<()>>,
}

impl Puppet {
    /// A master.
    pub fn master() -> Puppet {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("the port's number").port();
        let strings = Strings {
            run_id: format!("{port:040}"),
            follows: None,
            replicas: Vec::new(),
            link_up: true,
            pong: "+PONG\r\n".into(),
            priority: 100,
            offset: 1,
            announced: true,
            obeys: true,
            silent: false,
            dead: false,
            said: Vec::new(),
            published: String::new(),
            subscribers: Vec::new(),
            connections: Vec::new(),
        };
        let (strings, over) = (Arc::new(Mutex::new(strings)), Arc::new(AtomicBool::new(false)));
        let (shared, ended) = (strings.clone(), over.clone());
        let doorman = std::thread::spawn(move || receive(&listener, &shared, &ended));
        Puppet { port, strings, over, doorman: Some(doorman) }
    }

    /// A replica of `master`, which names it from now on.
    pub fn replica(master: &Puppet) -> Puppet {
        let puppet = Puppet::master();
        puppet.strings().follows = Some(master.port);
        master.strings().replicas.push(puppet.port);
        puppet
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its strings, to pull or to look at.
    pub fn strings(&self) -> MutexGuard<'_, Strings> {
        self.strings.lock().expect("no test panics while it holds them")
    }

    /// Ends all connections and takes no more.
    pub fn die(&self) {
        let mut strings = self.strings();
        strings.dead = true;
        strings.connections.drain(..).for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
        strings.subscribers.clear();
    }

    /// Comes back as another process in the same role.
    pub fn rise(&self) {
        let mut strings = self.strings();
        strings.dead = false;
        strings.run_id = format!("1{}", &strings.run_id[1..]);
    }

    /// How often it was told a command that begins so.
    pub fn heard(&self, command: &str) -> usize {
        self.strings().said.iter().filter(|said| said.starts_with(command)).count()
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        // Wakes the doorman; there is nobody else to be told.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        self.die();
        if let Some(doorman) = self.doorman.take() {
            let _ = doorman.join();
        }
    }
}

fn receive(listener: &TcpListener, strings: &Arc<Mutex<Strings>>, over: &AtomicBool) {
    for stream in listener.incoming().flatten() {
        if over.load(Ordering::Acquire) {
            return;
        }
        let mut held = strings.lock().expect("unpoisoned");
        if held.dead {
            continue;
        }
        held.connections.extend(stream.try_clone());
        drop(held);
        let strings = strings.clone();
        // It ends with the connection, which ends with the puppet at the latest.
        std::thread::spawn(move || serve(stream, &strings));
    }
}

fn serve(mut stream: TcpStream, strings: &Mutex<Strings>) {
    let (mut input, mut queued) = (Vec::new(), None);
    let mut chunk = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut chunk) {
        input.extend_from_slice(&chunk[..length]);
        while let Ok(Some((request, length))) = Value::parse(&input) {
            input.drain(..length);
            let words: Vec<String> =
                request.as_array().unwrap_or_default().iter().filter_map(Value::to_text).collect();
            let mut held = strings.lock().expect("unpoisoned");
            while held.silent && !held.dead {
                drop(held);
                std::thread::sleep(Duration::from_millis(5));
                held = strings.lock().expect("unpoisoned");
            }
            let answer = held.take(&words, &mut queued, &stream);
            drop(held);
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}

impl Strings {
    fn take(
        &mut self,
        words: &[String],
        queued: &mut Option<Vec<Vec<String>>>,
        stream: &TcpStream,
    ) -> String {
        let upper: Vec<String> = words.iter().map(|word| word.to_ascii_uppercase()).collect();
        let upper: Vec<&str> = upper.iter().map(String::as_str).collect();
        if !matches!(upper[0], "PING" | "INFO" | "PUBLISH") {
            self.said.push(words.join(" "));
        }
        match (upper.as_slice(), &mut *queued) {
            (["EXEC"], Some(commands)) => {
                let answers: Vec<String> = commands.iter().map(|words| self.run(words)).collect();
                *queued = None;
                format!("*{}\r\n{}", answers.len(), answers.concat())
            }
            (_, Some(commands)) => {
                commands.push(words.to_vec());
                "+QUEUED\r\n".into()
            }
            (["MULTI"], None) => {
                *queued = Some(Vec::new());
                "+OK\r\n".into()
            }
            (["SUBSCRIBE", _], None) => {
                self.subscribers.extend(stream.try_clone());
                format!("*3\r\n$9\r\nsubscribe\r\n{}:1\r\n", bulk(&words[1]))
            }
            _ => self.run(words),
        }
    }

    fn run(&mut self, words: &[String]) -> String {
        let upper: Vec<String> = words.iter().map(|word| word.to_ascii_uppercase()).collect();
        let upper: Vec<&str> = upper.iter().map(String::as_str).collect();
        match upper.as_slice() {
            ["PING"] => self.pong.clone(),
            ["INFO"] => bulk(&self.info()),
            ["PUBLISH", ..] => {
                self.published = words[1..].join(" ");
                let message = format!("*3\r\n$7\r\nmessage\r\n{}{}", bulk(&words[1]), bulk(&words[2]));
                self.subscribers.retain_mut(|stream| stream.write_all(message.as_bytes()).is_ok());
                ":1\r\n".into()
            }
            ["SLAVEOF", host, port] if self.obeys => {
                self.follows = if *host == "NO" { None } else { port.parse().ok() };
                "+OK\r\n".into()
            }
            ["CLIENT", "KILL", ..] => ":0\r\n".into(),
            _ => "+OK\r\n".into(),
        }
    }

    fn info(&self) -> String {
        let mut text = format!("# Server\r\nrun_id:{}\r\n# Replication\r\n", self.run_id);
        match self.follows {
            None => text += "role:master\r\n",
            Some(port) => {
                let status = if self.link_up { "up" } else { "down" };
                text += &format!(
                    "role:slave\r\nmaster_host:127.0.0.1\r\nmaster_port:{port}\r\nmaster_link_status:{status}\r\n\
                     slave_repl_offset:{}\r\nslave_priority:{}\r\nreplica_announced:{}\r\n",
                    self.offset,
                    self.priority,
                    u8::from(self.announced)
                );
                if !self.link_up {
                    text += "master_link_down_since_seconds:1\r\n";
                }
            }
        }
        text += &format!("connected_slaves:{}\r\n", self.replicas.len());
        for (n, port) in self.replicas.iter().enumerate() {
            text += &format!("slave{n}:ip=127.0.0.1,port={port},state=online,offset=1,lag=0\r\n");
        }
        text
    }
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}
