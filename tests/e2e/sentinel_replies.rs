//! What a sentinel answers, ours beside the real one: the same commands to both, each with puppets of its own, and
//! the same replies, names and order of fields included. Times and ids are compared by their presence.

use resp::Value;

use super::support::scene::Scene;
use super::support::server::Engine;
use super::support::watcher::both;

/// Fields whose values are times or passing counts.
const PASSING: [&str; 13] = [
    "last-ping-sent",
    "last-ok-ping-reply",
    "last-ping-reply",
    "info-refresh",
    "role-reported-time",
    "last-hello-message",
    "link-pending-commands",
    "s-down-time",
    "o-down-time",
    "runid",
    "pid",
    "run-time",
    "run-delay",
];

/// A reply as text, with passing values left out.
fn shown(reply: &Value) -> String {
    match reply {
        Value::Array(items) | Value::Push(items) | Value::Set(items) => {
            let mut text = String::from("[");
            let mut passing = false;
            for item in items {
                text += &if passing { "…".to_owned() } else { shown(item) };
                text.push(' ');
                passing = !passing && item.to_text().is_some_and(|name| PASSING.contains(&name.as_str()));
            }
            text + "]"
        }
        Value::Map(pairs) => {
            let pairs = pairs.iter().map(|(name, value)| {
                let passing = name.to_text().is_some_and(|name| PASSING.contains(&name.as_str()));
                let value = if passing { "…".to_owned() } else { shown(value) };
                format!("{} => {value}", shown(name))
            });
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(" "))
        }
        Value::Error(text) => format!("-{}", String::from_utf8_lossy(text)),
        Value::Int(number) => format!(":{number}"),
        Value::Nil => "nil".into(),
        other => other.to_text().unwrap_or_default(),
    }
}

/// Asks every line and gives the replies, with names for ports.
fn ask_all(scene: &Scene, lines: &[&str]) -> Vec<String> {
    let mut client = scene.watcher().client();
    let answers = lines.iter().map(|line| {
        let line = line
            .replace("$M", &scene.master().port().to_string())
            .replace("$R", &scene.replica(1).port().to_string());
        let words: Vec<&str> = line.split(' ').map(|word| if word == "''" { "" } else { word }).collect();
        let reply = client.call(&words).expect("a reply");
        // The greeting names the version.
        format!("{line} => {}", if words[0] == "HELLO" { String::new() } else { shown(&reply) })
    });
    let answers: Vec<String> = answers.collect();
    scene.named(&answers)
}

fn same_answers(lines: &[&str], directives: &str) {
    let (real, own) = both(|engine| {
        let scene = Scene::new(engine, 1, 2, directives);
        ask_all(&scene, lines)
    });
    for (own, real) in own.iter().zip(&real) {
        assert_eq!(own, real);
    }
    assert_eq!(own.len(), lines.len());
}

#[test]
fn what_is_shown() {
    same_answers(
        &[
            "SENTINEL MASTERS",
            "SENTINEL MASTER mm",
            "SENTINEL MASTER nope",
            "SENTINEL MASTER",
            "SENTINEL REPLICAS mm",
            "SENTINEL SLAVES mm",
            "SENTINEL SLAVES nope",
            "SENTINEL SENTINELS mm",
            "SENTINEL SENTINELS nope",
            "PUBLISH __sentinel__:hello 127.0.0.1,1,ffffffffffffffffffffffffffffffffffffffff,0,mm,127.0.0.1,$M,0",
            "SENTINEL SENTINELS mm",
            "SENTINEL CKQUORUM mm",
            "SENTINEL CKQUORUM nope",
            "SENTINEL GET-MASTER-ADDR-BY-NAME mm",
            "SENTINEL GET-MASTER-ADDR-BY-NAME nope",
            "SENTINEL INFO-CACHE nope",
            "SENTINEL INFO-CACHE",
            "SENTINEL PENDING-SCRIPTS",
            "SENTINEL DEBUG",
            "SENTINEL SIMULATE-FAILURE HELP",
            "ROLE",
            "INFO sentinel",
            "SENTINEL RESET nope*",
            "SENTINEL FLUSHCONFIG",
            "HELLO 3",
            "SENTINEL MASTERS",
            "SENTINEL REPLICAS mm",
            "SENTINEL DEBUG",
            "SENTINEL GET-MASTER-ADDR-BY-NAME nope",
            "SENTINEL PENDING-SCRIPTS",
            "ROLE",
            "SENTINEL SET mm quorum 3",
            "SENTINEL CKQUORUM mm",
            "SENTINEL SET mm quorum 9 client-reconfig-script /bin/true notification-script /bin/true",
            "SENTINEL CKQUORUM mm",
            "SENTINEL MASTER mm",
        ],
        "sentinel deny-scripts-reconfig no\n",
    );
}

#[test]
fn what_is_asked_of_colleagues() {
    same_answers(
        &[
            "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 $M 0 *",
            "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 1 0 *",
            "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 x 0 *",
            "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 $M x *",
            "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 $M 0 first",
            "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 $M 5 first",
            "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 $M 5 second",
            "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 $M 4 second",
            "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 $M 6 second",
            "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 $M 6 *",
            "SENTINEL IS-MASTER-DOWN-BY-ADDR localhost $M 6 *",
            "PUBLISH x y",
            "PUBLISH __sentinel__:hello y",
        ],
        "",
    );
}

#[test]
fn what_is_changed() {
    same_answers(
        &[
            "SENTINEL",
            "SENTINEL nosuch",
            "SENTINEL MONITOR a b c d",
            "SENTINEL MONITOR a b 1 d",
            "SENTINEL MONITOR a b c 1",
            "SENTINEL MONITOR a localhost 1 1",
            "SENTINEL MONITOR a 127.0.0.1 1 0",
            "SENTINEL MONITOR mm 127.0.0.1 1 1",
            "SENTINEL MONITOR z 127.0.0.1 99999 1",
            "SENTINEL MONITOR z 127.0.0.1 -1 1",
            "SENTINEL MONITOR z 127.0.0.1 0 1",
            "SENTINEL REMOVE z",
            "SENTINEL REMOVE z",
            "SENTINEL SET mm",
            "SENTINEL SET mm quorum",
            "SENTINEL SET mm quorum 0",
            "SENTINEL SET mm QUORUM x",
            "SENTINEL SET mm quorum 2 nosuch 1",
            "SENTINEL SET mm quorum 2 parallel-syncs",
            "SENTINEL SET mm parallel-syncs 0",
            "SENTINEL SET mm auth-pass secret",
            "SENTINEL SET mm auth-pass ''",
            "SENTINEL SET mm auth-user joe",
            "SENTINEL SET mm auth-user ''",
            "SENTINEL SET mm notification-script /bin/true",
            "SENTINEL SET mm client-reconfig-script /bin/true",
            "SENTINEL SET mm rename-command PING zing",
            "SENTINEL SET mm rename-command PING ''",
            "SENTINEL SET mm rename-command '' x",
            "SENTINEL SET mm rename-command x",
            "SENTINEL SET mm rename-command PING PING",
            "SENTINEL SET mm master-reboot-down-after-period 0",
            "SENTINEL SET mm master-reboot-down-after-period -1",
            "SENTINEL SET mm failover-timeout 1x",
            "SENTINEL SET nope quorum 1",
            "SENTINEL CONFIG GET announce-ip",
            "SENTINEL CONFIG GET nosuch",
            "SENTINEL CONFIG SET announce-ip 127.0.0.1",
            "SENTINEL CONFIG SET announce-port 7301",
            "SENTINEL CONFIG SET announce-port x",
            "SENTINEL CONFIG SET announce-port 99999",
            "SENTINEL CONFIG SET nosuch 1",
            "SENTINEL CONFIG SET resolve-hostnames maybe",
            "SENTINEL CONFIG SET resolve-hostnames YES",
            "SENTINEL CONFIG SET announce-hostnames yes",
            "SENTINEL CONFIG SET sentinel-user u",
            "SENTINEL CONFIG SET sentinel-pass p",
            "SENTINEL CONFIG GET announce-*",
            "SENTINEL CONFIG GET *e*-hostnames",
            "SENTINEL CONFIG GET sentinel-*",
            "SENTINEL DEBUG x",
            "SENTINEL DEBUG x 1",
            "SENTINEL DEBUG ping-period 0",
            "SENTINEL DEBUG ping-period x",
            "SENTINEL DEBUG PING-period 100",
            "SENTINEL SIMULATE-FAILURE",
            "SENTINEL SIMULATE-FAILURE x",
            "SENTINEL SIMULATE-FAILURE crash-after-election CRASH-AFTER-PROMOTION",
            "INFO sentinel",
            "SENTINEL FAILOVER nope",
        ],
        "",
    );
}

#[test]
fn what_a_sentinel_does_not_know() {
    same_answers(
        &[
            "GET x",
            "ECHO x",
            "SELECT 1",
            "CONFIG GET port",
            "DEBUG SLEEP 0",
            "MULTI",
            "EVAL x 0",
            "SAVE",
            "MONITOR",
            "SLOWLOG GET",
            "REPLICAOF NO ONE",
            "SPUBLISH x y",
            "RESET",
            "QUIT",
            "COMMAND COUNT",
            "INFO foo",
            "PING x",
            "ACL WHOAMI",
            "CLIENT GETNAME",
            "SUBSCRIBE",
        ],
        "",
    );
}

#[test]
fn a_failover_by_hand_needs_a_replica_and_only_one_at_a_time() {
    let (real, own) = both(|engine| {
        let scene = Scene::new(engine, 1, 2, "sentinel failover-timeout mm 20000\n");
        scene.replica(1).strings().obeys = false;
        let mut answers = ask_all(&scene, &["SENTINEL FAILOVER mm", "SENTINEL FAILOVER mm"]);
        scene.watcher().await_event("+failover-state-wait-promotion", 1);
        answers.extend(ask_all(&scene, &["SENTINEL MASTER mm", "SENTINEL REPLICAS mm"]));
        answers.extend(ask_all(&scene, &["SENTINEL RESET mm", "SENTINEL FAILOVER mm"]));
        answers
    });
    assert_eq!(own, real);
    assert!(
        own[1].contains("-INPROG ") && own[2].contains("failover_in_progress,force_failover"),
        "{own:#?}"
    );
}

#[test]
fn the_cache_of_info_holds_what_instances_said() {
    let texts = |engine: Engine| {
        let scene = Scene::new(engine, 1, 2, "");
        let reply = scene.watcher().ok("SENTINEL INFO-CACHE mm");
        let parts = reply.as_array().unwrap_or_default();
        let servers = parts[1].as_array().unwrap_or_default();
        let text = |one: &Value| {
            let fields = one.as_array().unwrap_or_default();
            assert!(fields[0].as_int().is_some_and(|age| age < 60_000), "{one:?}");
            fields[1].to_text().unwrap_or_default().replace("\r\n", " ")
        };
        let mut texts = vec![parts.len().to_string(), parts[0].to_text().unwrap_or_default()];
        texts.extend(servers.iter().map(text));
        let ids = scene.named(&texts).into_iter();
        ids.collect::<Vec<_>>()
    };
    let (real, own) = both(texts);
    assert_eq!(own, real);
    assert!(own.len() == 4 && own[3].contains("role:slave"), "{own:?}");
}

#[test]
fn a_replica_that_is_not_announced_is_hidden_and_promoted_all_the_same() {
    let (real, own) = both(|engine| {
        let scene = Scene::new(engine, 1, 1, "");
        scene.replica(1).strings().announced = false;
        scene
            .watcher()
            .await_reply("SENTINEL REPLICAS mm", |reply| reply.as_array().is_some_and(<[Value]>::is_empty));
        let mut answers =
            ask_all(&scene, &["SENTINEL REPLICAS mm", "SENTINEL MASTER mm", "SENTINEL FAILOVER mm"]);
        scene.watcher().await_event("+switch-master", 1);
        answers.extend(ask_all(&scene, &["SENTINEL GET-MASTER-ADDR-BY-NAME mm"]));
        answers
    });
    assert_eq!(own, real);
    assert!(own[3].ends_with("[127.0.0.1 r1 ]"), "{own:?}");
}

/// Several parameters in one call, and `loglevel`, came with 7.2: the real one here is older.
#[test]
fn what_7_2_adds_to_sentinel_config() {
    let scene = Scene::new(Engine::Topple, 1, 2, "");
    let answers = ask_all(
        &scene,
        &[
            "SENTINEL CONFIG GET",
            "SENTINEL CONFIG NOSUCH x",
            "SENTINEL CONFIG SET announce-ip",
            "SENTINEL CONFIG SET announce-ip 127.0.0.2 loglevel Verbose",
            "SENTINEL CONFIG SET announce-ip 127.0.0.3 announce-ip 127.0.0.4",
            "SENTINEL CONFIG SET announce-ip 127.0.0.3 loglevel loud",
            "SENTINEL CONFIG GET announce-ip loglevel log*",
        ],
    );
    assert_eq!(
        answers,
        [
            "SENTINEL CONFIG GET => -ERR wrong number of arguments for 'sentinel|config' command",
            "SENTINEL CONFIG NOSUCH x => -ERR Only SENTINEL CONFIG GET <param> [<param> <param> ...] / SET <param> \
             <value> [<param> <value> ...] are supported.",
            "SENTINEL CONFIG SET announce-ip => -ERR Missing argument 'announce-ip' value",
            "SENTINEL CONFIG SET announce-ip 127.0.0.2 loglevel Verbose => OK",
            "SENTINEL CONFIG SET announce-ip 127.0.0.3 announce-ip 127.0.0.4 => -ERR Duplicate argument \
             'announce-ip' to SENTINEL CONFIG SET",
            "SENTINEL CONFIG SET announce-ip 127.0.0.3 loglevel loud => -ERR Invalid value 'loud' to SENTINEL \
             CONFIG SET 'loglevel'",
            "SENTINEL CONFIG GET announce-ip loglevel log* => [announce-ip 127.0.0.2 loglevel verbose ]",
        ]
    );
    let file = scene.watcher().file();
    assert!(
        file.contains("loglevel verbose\n") && file.contains("sentinel announce-ip 127.0.0.2\n"),
        "{file}"
    );
}
