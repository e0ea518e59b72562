//! One sentinel and what it says on its links, to the millisecond.

use topple_sentinel::{
    Action, Config, Host, Input, LinkId, MonoMs, Now, Sentinel, Surroundings, Value, WallMs,
};

struct AnyScript;

impl Host for AnyScript {
    fn is_executable(&self, _path: &str) -> bool {
        true
    }

    fn resolve(&self, _name: &str) -> Option<std::net::IpAddr> {
        None
    }
}

/// A machine under a hand-held clock, with all it has ordered so far.
struct Bench {
    machine: Sentinel,
    now: u64,
    connects: Vec<(LinkId, String, u16)>,
    sent: Vec<(LinkId, String)>,
    closed: Vec<LinkId>,
    events: Vec<(u64, String)>,
}

impl Bench {
    fn new(directives: &str) -> Bench {
        let around =
            Surroundings { listen_port: 26379, requirepass: Some("own".into()), ..Surroundings::default() };
        let config = Config::from_text(directives.as_bytes(), around, &AnyScript).expect("a good file");
        let now = 10_000;
        let mut bench = Bench {
            machine: Sentinel::new(config, 9, moment(now)),
            now,
            connects: Vec::new(),
            sent: Vec::new(),
            closed: Vec::new(),
            events: Vec::new(),
        };
        bench.input(Input::Tick);
        bench
    }

    fn input(&mut self, input: Input) {
        self.machine.handle(moment(self.now), input);
        while let Some(action) = self.machine.poll_action() {
            match action {
                Action::Connect { link, host, port } => self.connects.push((link, host, port)),
                Action::Send { link, args } => {
                    let words: Vec<String> =
                        args.iter().map(|a| String::from_utf8_lossy(a).into_owned()).collect();
                    self.sent.push((link, words.join(" ")));
                }
                Action::Close { link } => self.closed.push(link),
                Action::Event(event) => {
                    self.events.push((self.now, format!("{} {}", event.kind, event.text)))
                }
                _ => {}
            }
        }
    }

    /// Lets time pass, tick by tick as the machine asks.
    fn pass(&mut self, ms: u64) {
        let end = self.now + ms;
        while self.machine.next_timeout().0 <= end {
            self.now = self.now.max(self.machine.next_timeout().0);
            self.input(Input::Tick);
        }
        self.now = end;
    }

    fn connect(&mut self, index: usize) -> LinkId {
        let link = self.connects[index].0;
        self.input(Input::Connected { link, local_ip: "10.0.0.9".parse().expect("an address") });
        link
    }

    /// Answers everything open on a link: PONG to PING, the given text to
    /// INFO, OK to the rest.
    fn answer(&mut self, link: LinkId, pong: &Value, info: &str) {
        let sent = std::mem::take(&mut self.sent);
        for (at, command) in sent {
            if at == link {
                let reply = match command.as_str() {
                    "PING" => pong.clone(),
                    "INFO" => Value::Bulk(info.as_bytes().to_vec()),
                    _ => Value::Simple(b"OK".to_vec()),
                };
                self.input(Input::Reply { link, reply });
            } else {
                self.sent.push((at, command));
            }
        }
    }

    fn when(&self, start: &str) -> Option<u64> {
        self.events.iter().find(|(_, text)| text.starts_with(start)).map(|(at, _)| *at)
    }

    fn said(&self, link: LinkId) -> Vec<&str> {
        self.sent.iter().filter(|(at, _)| *at == link).map(|(_, command)| command.as_str()).collect()
    }
}

fn moment(ms: u64) -> Now {
    Now { mono: MonoMs(ms), wall: WallMs(1_700_000_000_000 + ms as i64) }
}

fn pong() -> Value {
    Value::Simple(b"PONG".to_vec())
}

const MASTER_INFO: &str = "run_id:1111111111111111111111111111111111111111\r\nrole:master\r\n";
const MONITOR: &str = "sentinel myid 94c4780c72f02fcc49c6501a0287066936bacdd6\nsentinel monitor m 10.0.0.1 6379 1\n\
     sentinel down-after-milliseconds m 500\n";

#[test]
fn a_link_is_introduced_with_password_and_name_under_renamed_commands() {
    let extra = "sentinel auth-pass m secret\nsentinel auth-user m watcher\n\
                 sentinel rename-command m CLIENT klient\nsentinel rename-command m ping zing\n\
                 sentinel known-sentinel m 10.0.0.5 26379 a9aaef81a7e2c8aa4d5acd86ef8e4d27d38a48be\n";
    let mut bench = Bench::new(&format!("{MONITOR}{extra}"));
    let hosts: Vec<&str> = bench.connects.iter().map(|(_, host, _)| host.as_str()).collect();
    assert_eq!(hosts, ["10.0.0.1", "10.0.0.1", "10.0.0.5"]);
    let (command, pubsub, peer) = (bench.connect(0), bench.connect(1), bench.connect(2));
    let name = "SETNAME sentinel-94c4780c";
    assert_eq!(
        bench.said(command)[..4],
        ["AUTH watcher secret", &format!("klient {name}-cmd"), "zing", "INFO"]
    );
    assert_eq!(
        bench.said(pubsub),
        ["AUTH watcher secret", &format!("klient {name}-pubsub"), "SUBSCRIBE __sentinel__:hello"]
    );
    assert_eq!(bench.said(peer)[..3], ["AUTH own", &format!("CLIENT {name}-cmd"), "PING"]);
    let hello = "PUBLISH __sentinel__:hello 10.0.0.9,26379,94c4780c72f02fcc49c6501a0287066936bacdd6,0,m,10.0.0.1,6379,0";
    assert!(bench.said(command).contains(&hello), "{:?}", bench.said(command));
}

#[test]
fn other_sentinels_get_their_own_credentials() {
    let extra = "sentinel sentinel-user s\nsentinel sentinel-pass p\nsentinel announce-ip 9.9.9.9\n\
                 sentinel announce-port 77\n\
                 sentinel known-sentinel m 10.0.0.5 26379 a9aaef81a7e2c8aa4d5acd86ef8e4d27d38a48be\n";
    let mut bench = Bench::new(&format!("{}{extra}", MONITOR.replace(" 1\n", " 2\n")));
    let peer = bench.connect(2);
    assert_eq!(bench.said(peer)[0], "AUTH s p");
    bench.pass(2_100);
    let hello =
        "PUBLISH __sentinel__:hello 9.9.9.9,77,94c4780c72f02fcc49c6501a0287066936bacdd6,0,m,10.0.0.1,6379,0";
    assert!(bench.said(peer).contains(&hello), "{:?}", bench.said(peer));
}

#[test]
fn silence_is_counted_from_the_oldest_unanswered_ping() {
    for pace in ["redis", "prompt"] {
        let mut bench = Bench::new(&format!("{MONITOR}sentinel pace {pace}\n"));
        let (command, _) = (bench.connect(0), bench.connect(1));
        for _ in 0..40 {
            bench.answer(command, &pong(), MASTER_INFO);
            bench.pass(25);
        }
        assert_eq!(bench.when("+sdown"), None);
        bench.answer(command, &pong(), MASTER_INFO);
        let last_answer = bench.now;
        bench.pass(700);
        let verdict = bench.when("+sdown master m").expect("down") - last_answer;
        let pings = if pace == "prompt" { 100 } else { 600 };
        assert!((501..=501 + pings + 2).contains(&verdict), "{pace}: {verdict} ms");
        bench.answer(command, &pong(), MASTER_INFO);
        bench.pass(110);
        assert!(bench.when("-sdown master m").is_some(), "{pace}");
    }
}

#[test]
fn a_closed_connection_counts_from_the_last_answer_or_the_next_greeting() {
    let mut bench = Bench::new(MONITOR);
    let (command, pubsub) = (bench.connect(0), bench.connect(1));
    bench.answer(command, &pong(), MASTER_INFO);
    for _ in 0..40 {
        bench.pass(25);
        bench.answer(command, &pong(), MASTER_INFO);
    }
    let died = bench.now;
    for link in [command, pubsub] {
        bench.input(Input::Closed { link });
    }
    for _ in 0..60 {
        let dialled: Vec<LinkId> = bench.connects.drain(..).map(|(link, ..)| link).collect();
        for link in dialled {
            bench.input(Input::ConnectFailed { link, error: "Connection refused".into() });
        }
        bench.pass(10);
    }
    let verdict = bench.when("+sdown").expect("down") - died;
    assert!((501..=510).contains(&verdict), "{verdict}");
}

#[test]
fn loading_and_masterdown_are_signs_of_life_and_busy_is_not() {
    for (reply, lives) in [
        ("LOADING Redis is loading the dataset in memory", true),
        ("MASTERDOWN Link with MASTER is down", true),
        ("NOAUTH Authentication required.", false),
        ("BUSY Redis is busy running a script.", false),
    ] {
        let mut bench = Bench::new(MONITOR);
        let (command, _) = (bench.connect(0), bench.connect(1));
        let mut killed = 0;
        for _ in 0..60 {
            killed += bench.said(command).iter().filter(|c| **c == "SCRIPT KILL").count();
            bench.answer(command, &Value::Error(reply.as_bytes().to_vec()), MASTER_INFO);
            bench.pass(50);
        }
        assert_eq!(bench.when("+sdown").is_none(), lives, "{reply}");
        assert_eq!(killed, usize::from(reply.starts_with("BUSY")), "once while it is down");
    }
}

#[test]
fn a_master_that_claims_to_be_a_replica_is_down_after_two_info_periods() {
    let mut bench = Bench::new(MONITOR);
    let (command, _) = (bench.connect(0), bench.connect(1));
    bench.answer(command, &pong(), MASTER_INFO);
    let info = MASTER_INFO.replace("role:master", "role:slave\r\nmaster_host:10.0.0.7\r\nmaster_port:1");
    bench.pass(120);
    for _ in 0..1_000 {
        bench.answer(command, &pong(), &info);
        bench.pass(25);
    }
    let changed = bench.when("-role-change master m").expect("noticed");
    let verdict = bench.when("+sdown").expect("down") - changed;
    assert!((20_501..=20_503).contains(&verdict), "{verdict}");
}

#[test]
fn a_silent_connection_is_given_up_and_tried_anew() {
    for (pace, at_least) in [("redis", 15_000), ("prompt", 2_000)] {
        let mut bench = Bench::new(&format!("{MONITOR}sentinel pace {pace}\n"));
        let (command, pubsub) = (bench.connect(0), bench.connect(1));
        let opened = bench.now;
        while !bench.closed.contains(&command) {
            bench.pass(10);
            assert!(bench.now < opened + 20_000, "{pace} never gives up");
        }
        assert!(bench.now - opened > at_least, "{pace}");
        bench.pass(1_100);
        assert!(bench.connects.len() >= 3, "{pace}: dialled again");
        // The subscription hears nothing either.
        bench.pass(16_000);
        assert!(bench.closed.contains(&pubsub), "{pace}");
    }
}

#[test]
fn an_answer_counts_for_five_asking_periods() {
    let peer_line = "sentinel known-sentinel m 10.0.0.5 26379 a9aaef81a7e2c8aa4d5acd86ef8e4d27d38a48be\n";
    let mut bench =
        Bench::new(&format!("{}{peer_line}sentinel pace redis\n", MONITOR.replace(" 1\n", " 2\n")));
    let peer = bench.connect(2);
    let mut answered = 0;
    while answered == 0 && bench.now < 15_000 {
        for (link, command) in std::mem::take(&mut bench.sent) {
            let asks = command.starts_with("SENTINEL is-master-down-by-addr 10.0.0.1 6379 0 *");
            let down = [Value::Int(1), Value::Bulk(b"*".to_vec()), Value::Int(0)];
            let reply = if asks { Value::Array(down.to_vec()) } else { pong() };
            if link == peer {
                bench.input(Input::Reply { link, reply });
                answered = if asks { bench.now } else { answered };
            }
        }
        bench.pass(10);
    }
    bench.pass(7_000);
    assert!(bench.when("+odown master m 10.0.0.1 6379 #quorum 2/2").expect("agreed") - answered <= 100);
    let forgotten = bench.when("-odown").expect("not for ever") - answered;
    assert!((5_001..=5_201).contains(&forgotten), "{forgotten}");
}

#[test]
fn what_is_said_of_a_closed_link_is_ignored() {
    let mut bench = Bench::new(MONITOR);
    let (command, _) = (bench.connect(0), bench.connect(1));
    bench.input(Input::Closed { link: command });
    bench.input(Input::Closed { link: command });
    bench.input(Input::Reply { link: command, reply: pong() });
    bench.input(Input::Connected { link: command, local_ip: "10.0.0.9".parse().expect("an address") });
    bench.input(Input::Reply { link: LinkId(999), reply: Value::Other });
    bench.pass(100);
    assert!(bench.connects.len() >= 3, "dialled again");
}

#[test]
fn nonsense_from_instances_changes_nothing() {
    let mut bench = Bench::new(MONITOR);
    let (command, pubsub) = (bench.connect(0), bench.connect(1));
    let nonsense = [
        Value::Nil,
        Value::Int(-1),
        Value::Array(vec![]),
        Value::Bulk(vec![0xff; 100]),
        Value::Array(vec![Value::Bulk(b"message".to_vec()), Value::Nil, Value::Bulk(vec![b','; 9])]),
        Value::Push(vec![Value::Bulk(b"message".to_vec()), Value::Nil, Value::Bulk(b"1,2,3".to_vec())]),
        Value::Other,
    ];
    for reply in nonsense {
        for link in [command, pubsub] {
            bench.input(Input::Reply { link, reply: reply.clone() });
        }
        bench.pass(30);
    }
    assert!(bench.events.iter().all(|(_, text)| text.starts_with("+monitor")), "{:?}", bench.events);
}

#[test]
fn an_idle_sentinel_of_the_pace_redis_keeps_its_periods() {
    let mut bench =
        Bench::new(&format!("{MONITOR}sentinel down-after-milliseconds m 30000\nsentinel pace redis\n"));
    let (command, _) = (bench.connect(0), bench.connect(1));
    let mut counts = [0_usize; 3];
    for _ in 0..6_000 {
        for (word, count) in ["PING", "INFO", "PUBLISH"].iter().zip(&mut counts) {
            *count += bench.said(command).iter().filter(|c| c.starts_with(word)).count();
        }
        bench.answer(command, &pong(), MASTER_INFO);
        bench.pass(10);
    }
    let [pings, infos, hellos] = counts;
    assert!((52..=61).contains(&pings), "{pings} PING a minute");
    assert!((6..=7).contains(&infos), "{infos} INFO a minute");
    assert!((27..=31).contains(&hellos), "{hellos} hellos a minute");
}

#[test]
fn silence_is_probed_at_half_the_ping_period() {
    let mut bench = Bench::new(&MONITOR.replace(" 1\n", " 2\n"));
    let (command, _) = (bench.connect(0), bench.connect(1));
    bench.answer(command, &pong(), MASTER_INFO);
    bench.pass(1_000);
    let pings = bench.said(command).iter().filter(|c| **c == "PING").count();
    // 101 ms after the answer, then every 51 ms, and each an eighth of that later at most.
    assert!((16..=18).contains(&pings), "{:?}", bench.said(command));
}
