//! The configuration file and what it asks for, ours beside the real one: each writes what the other reads, host
//! names, passwords and renamed commands have the same effect on the wire, and what is refused is refused alike.

use resp::Value;

use super::support::puppet::Puppet;
use super::support::scene::Scene;
use super::support::server::Engine;
use super::support::wait::until;
use super::support::watcher::{Watcher, both, field_of};

const COLLEAGUE: &str = "ffffffffffffffffffffffffffffffffffffffff";

/// What an operator wrote, with all that may stand between.
fn written(port: u16) -> String {
    format!(
        "# who we are\nprotected-mode no\n\n   # of the master\nsentinel   monitor mm 127.0.0.1 {port} 2\n\
         sentinel auth-pass mm \"one#word\"\nSENTINEL down-after-milliseconds mm 5000\n\n# the rest\n\
         sentinel failover-timeout mm 60000\nsentinel rename-command mm CONFIG hidden\n\
         sentinel deny-scripts-reconfig no\n"
    )
}

/// Has a sentinel learn and change all sorts of things and write them.
fn changed(engine: Engine) -> Scene {
    let puppets = Scene::puppets(2);
    let port = puppets[0].port();
    let scene = Scene::with(puppets, Watcher::start(engine, &written(port)));
    let hello = |epoch: u64, name: &str, port: u16, config: u64| {
        format!("PUBLISH __sentinel__:hello 127.0.0.1,1,{COLLEAGUE},{epoch},{name},127.0.0.1,{port},{config}")
    };
    for line in [
        "SENTINEL SET mm parallel-syncs 2 failover-timeout 70000",
        "SENTINEL SET mm master-reboot-down-after-period 3000 notification-script /bin/true",
        "SENTINEL MONITOR other 127.0.0.1 1 3",
        &hello(4, "mm", port, 0),
        &hello(4, "other", 1, 0),
        &format!("SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 {port} 9 {COLLEAGUE}"),
        "SENTINEL CONFIG SET announce-ip 127.0.0.1",
        "SENTINEL CONFIG SET announce-port 4",
        "SENTINEL CONFIG SET sentinel-user someone",
        "SENTINEL CONFIG SET sentinel-pass secret",
        "ACL SETUSER joe on >pw +@all -@dangerous",
        "SENTINEL FLUSHCONFIG",
    ] {
        scene.watcher().ok(line);
    }
    scene
}

/// The lines that say what both must say, in an order of their own.
fn said(scene: &Scene) -> Vec<String> {
    let file = scene.watcher().file();
    let ours = file.lines().filter(|line| {
        let first = line.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
        ["sentinel", "user"].contains(&first.as_str())
    });
    let plain: Vec<String> =
        ours.map(|line| line.replace("sanitize-payload ", "").replace('"', "")).collect();
    let mut lines = scene.named(&plain);
    lines.sort();
    lines
}

#[test]
fn the_same_is_written() {
    let (real, own) = both(|engine| {
        let scene = changed(engine);
        let file = scene.watcher().file();
        let comments: Vec<String> =
            file.lines().filter(|line| line.trim().starts_with('#')).map(str::to_owned).collect();
        (said(&scene), comments)
    });
    assert_eq!(own, real);
    assert!(own.0.iter().any(|line| line == "sentinel leader-epoch mm 9"), "{own:#?}");
}

/// What a sentinel makes of its file.
fn state(watcher: &Watcher) -> Vec<String> {
    let asked = [
        "SENTINEL MYID",
        "SENTINEL GET-MASTER-ADDR-BY-NAME mm",
        "SENTINEL GET-MASTER-ADDR-BY-NAME other",
        "SENTINEL CONFIG GET announce-*",
        "SENTINEL CONFIG GET sentinel-*",
        "ACL LIST",
    ];
    let plain = |line: &&str| text(&watcher.ok(line)).replace("sanitize-payload ", "");
    let mut state: Vec<String> = asked.iter().map(plain).collect();
    for (master, fields) in [
        (
            "mm",
            "quorum config-epoch down-after-milliseconds failover-timeout parallel-syncs notification-script",
        ),
        ("mm", "num-slaves num-other-sentinels"),
        ("other", "quorum port num-slaves num-other-sentinels"),
    ] {
        state.extend(fields.split(' ').map(|field| watcher.master_field(master, field)));
    }
    state
}

/// Moves a sentinel's file to one of the other kind.
fn handed_over(from: Engine, to: Engine) {
    let mut scene = changed(from);
    let before = state(scene.watcher());
    let (file, port) = (scene.watcher().file(), scene.watcher().port());
    scene.watcher_mut().node_mut().kill();
    let mut heir = Watcher::prepare_at(to, port, "");
    std::fs::write(heir.path(), file).expect("the file");
    heir.node_mut().launch();
    assert_eq!(state(&heir), before, "{}\n{}", heir.file(), heir.log());
    // A vote once given stays given.
    let line = format!("SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 {} 9 someone-else", scene.master().port());
    let answer = heir.ok(&line);
    let fields = answer.as_array().unwrap_or_default();
    assert_eq!((fields[1].to_text().as_deref(), fields[2].as_int()), (Some("*"), Some(9)));
}

#[test]
fn ours_goes_on_where_the_real_one_ended() {
    handed_over(Engine::Redis, Engine::Topple);
}

#[test]
fn the_real_one_goes_on_where_ours_ended() {
    handed_over(Engine::Topple, Engine::Redis);
}

#[test]
fn host_names_are_resolved_and_announced() {
    for announce in ["yes", "no"] {
        let (real, own) = both(|engine| {
            let puppets = Scene::puppets(1);
            let lines = format!(
                "sentinel resolve-hostnames yes\nsentinel announce-hostnames {announce}\n\
                 sentinel monitor mm localhost {} 1\n",
                puppets[0].port()
            );
            let scene = Scene::with(puppets, Watcher::start(engine, &lines));
            let asked = ["SENTINEL GET-MASTER-ADDR-BY-NAME mm", "INFO sentinel"];
            let mut told: Vec<String> = asked.iter().map(|line| text(&scene.watcher().ok(line))).collect();
            told.push(scene.watcher().master_field("mm", "ip"));
            scene.watcher().ok("SENTINEL FAILOVER mm");
            scene.watcher().await_event("+switch-master", 1);
            // Whom the old master is told to follow, once it is known to be none.
            scene.watcher().await_event("+convert-to-slave", 1);
            told.extend(
                scene.master().strings().said.iter().filter(|said| said.starts_with("SLAVEOF")).cloned(),
            );
            let monitor = scene.watcher().file();
            told.extend(monitor.lines().filter(|line| line.contains(" monitor ")).map(str::to_owned));
            let mut told = scene.named(&told.iter().map(|text| text.replace(':', " : ")).collect::<Vec<_>>());
            told.extend(scene.sorted_story());
            told
        });
        assert_eq!(own, real, "announce-hostnames {announce}");
    }
}

fn text(value: &Value) -> String {
    match value.as_array() {
        Some(items) => items.iter().map(text).collect::<Vec<_>>().join(" "),
        None => value.to_text().unwrap_or_default().replace("\r\n", " ").replace(',', " "),
    }
}

#[test]
fn connections_begin_and_failovers_are_ordered_in_the_same_words() {
    let (real, own) = both(|engine| {
        let scene = Scene::new(
            engine,
            1,
            1,
            "sentinel auth-user mm watcher\nsentinel auth-pass mm secret\nsentinel rename-command mm CLIENT klient\n\
             sentinel rename-command mm slaveof follow\n",
        );
        scene.watcher().ok("SENTINEL FAILOVER mm");
        until("the order", || scene.replica(1).heard("EXEC") > 0);
        let mut said = scene.replica(1).strings().said.clone();
        said.truncate(11);
        let id = text(&scene.watcher().ok("SENTINEL MYID"));
        let mut said: Vec<String> = said.iter().map(|line| line.replace(&id[..8], "<id>")).collect();
        // Two connections begin side by side; what follows has its order.
        said[..5].sort();
        said
    });
    assert_eq!(own, real);
    assert_eq!(own.len(), 11, "{own:#?}");
}

#[test]
fn a_sentinel_announces_itself_as_it_is_told() {
    for announced in ["", "sentinel announce-ip 10.9.8.7\nsentinel announce-port 4321\n"] {
        let (real, own) = both(|engine| {
            let scene = Scene::new(engine, 1, 1, announced);
            until("a hello", || !scene.master().strings().published.is_empty());
            let published = scene.master().strings().published.clone();
            scene.named(&[published]).remove(0)
        });
        assert_eq!(own, real);
        let from = if announced.is_empty() { "127.0.0.1,own" } else { "10.9.8.7,4321" };
        assert_eq!(own, format!("__sentinel__:hello {from},<id>,0,mm,127.0.0.1,m,0"));
    }
}

/// One real sentinel and one of ours that know each other through a master's channel.
fn colleagues(directives: &str, ask: impl Fn(&Watcher, &str) -> Value) {
    let master = Puppet::master();
    let lines = format!("sentinel monitor mm 127.0.0.1 {} 2\n{directives}", master.port());
    let mut pair = [Engine::Redis, Engine::Topple].map(|engine| Watcher::prepare(engine, &lines));
    pair.iter_mut().for_each(|watcher| watcher.node_mut().spawn());
    for watcher in &pair {
        until("a colleague in reach", || {
            // It may not listen yet.
            let up = std::net::TcpStream::connect(("127.0.0.1", watcher.port())).is_ok();
            let reply = if up { ask(watcher, "SENTINEL SENTINELS mm") } else { Value::Nil };
            let known = reply.as_array().unwrap_or_default();
            known.len() == 1
                && field_of(&known[0], "flags") == "sentinel"
                && field_of(&known[0], "last-ping-sent") == "0"
        });
        let quorum = ask(watcher, "SENTINEL CKQUORUM mm").to_text().unwrap_or_default();
        assert!(quorum.starts_with("OK 2 usable Sentinels."), "{quorum}");
    }
}

#[test]
fn sentinels_with_one_password_know_each_other() {
    colleagues("requirepass s3cret\nsentinel sentinel-pass s3cret\n", |watcher, line| {
        let mut client = watcher.client();
        client.line("AUTH s3cret").expect("a reply");
        client.line(line).expect("a reply")
    });
    // Without sentinel-pass the own password is offered.
    colleagues("requirepass s3cret\n", |watcher, line| {
        let mut client = watcher.client();
        client.line("AUTH s3cret").expect("a reply");
        client.line(line).expect("a reply")
    });
}

#[test]
fn sentinels_with_a_user_of_their_own_know_each_other() {
    let users = "user default off\nuser operator on >op allchannels +@all\nuser colleague on >pw allchannels +@all\n\
                 sentinel sentinel-user colleague\nsentinel sentinel-pass pw\n";
    colleagues(users, |watcher, line| {
        let mut client = watcher.client();
        client.line("AUTH operator op").expect("a reply");
        client.line(line).expect("a reply")
    });
}

#[test]
fn what_is_wrong_in_a_file_ends_both_at_once() {
    for wrong in [
        "sentinel monitor mm 127.0.0.1 99999 2",
        "sentinel monitor mm localhost 6379 2",
        "sentinel monitor mm 127.0.0.1 6379 0",
        "sentinel monitor mm 127.0.0.1 6379 2\nsentinel monitor mm 127.0.0.1 6380 2",
        "sentinel down-after-milliseconds mm 5000",
        "sentinel monitor mm 127.0.0.1 6379 2\nsentinel down-after-milliseconds mm 0",
        "sentinel monitor mm 127.0.0.1 6379 2\nsentinel notification-script mm /nowhere",
        "sentinel monitor mm 127.0.0.1 6379 2\nsentinel rename-command mm a b\nsentinel rename-command mm a c",
        "sentinel myid short",
        "sentinel nosuch 1",
        "sentinel resolve-hostnames maybe",
        "sentinel deny-scripts-reconfig maybe",
        "sentinel monitor mm 127.0.0.1",
        "sentinel monitor mm 127.0.0.1 6379 2\nsentinel known-replica mm nohost 1",
        "sentinel monitor mm 127.0.0.1 6379 2\nsentinel known-replica mm 127.0.0.1 99999",
        "sentinel monitor mm 127.0.0.1 6379 2\nsentinel known-sentinel mm 127.0.0.1 1 a\nsentinel known-sentinel mm 127.0.0.1 2 a",
        "sentinel monitor mm 127.0.0.1 6379 2\nsentinel client-reconfig-script mm /nowhere",
        "sentinel monitor mm 127.0.0.1 6379 2\nsentinel master-reboot-down-after-period mm -1",
    ] {
        let (real, own) = both(|engine| {
            let mut watcher = Watcher::prepare(engine, &format!("{wrong}\n"));
            watcher.node_mut().spawn();
            let status = watcher.node_mut().ended();
            let log = watcher.log();
            let told = log.lines().filter(|line| {
                line.starts_with(">>>") || line.starts_with("***") || line.starts_with("Reading the")
            });
            let told: Vec<String> = told.map(str::to_owned).collect();
            let reason = log.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().to_owned();
            (status.code(), told.last().cloned(), reason)
        });
        assert_eq!(own, real, "{wrong}");
    }
}
