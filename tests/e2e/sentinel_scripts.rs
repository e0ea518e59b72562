//! Notification and reconfiguration scripts, ours beside the real one: what they are told, how often they are
//! tried, what becomes of those that hang, and how many run at once.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::support::scene::Scene;
use super::support::server::Engine;
use super::support::wait::until;
use super::support::watcher::{Watcher, both};

/// Notes its arguments, then ends as the first of them wants. A script that waits does so as long as its
/// directory is there, so that none outlives its test.
const SCRIPT: &str = r#"#!/bin/sh
place=$(dirname "$0")
echo "$*" >> "$place/calls"
case "$2" in
  *"quorum 4") exit 1 ;;
  *"quorum 5") exit 3 ;;
  *"quorum 6") kill -KILL $$ ;;
  *"quorum 7") [ -e "$place/hung" ] && exit 0; touch "$place/hung"; while [ -e "$place" ]; do sleep 0.1; done ;;
  *"quorum 8") while [ -e "$place" ]; do sleep 0.1; done ;;
esac
"#;

/// A sentinel with scripts, and where they note their calls.
fn scene(engine: Engine) -> (Scene, PathBuf) {
    let puppets = Scene::puppets(1);
    let mut watcher = Watcher::prepare(engine, "");
    let (script, calls) = (watcher.beside("script.sh"), watcher.beside("calls"));
    std::fs::write(&script, SCRIPT).expect("the script");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("its mode");
    let path = script.display();
    let lines = format!(
        "sentinel monitor mm 127.0.0.1 {} 1\nsentinel down-after-milliseconds mm 500\n\
         sentinel notification-script mm {path}\nsentinel client-reconfig-script mm {path}\n",
        puppets[0].port()
    );
    std::fs::write(watcher.path(), watcher.file() + &lines).expect("its configuration");
    watcher.node_mut().launch();
    (Scene::with(puppets, watcher), calls)
}

fn lines(calls: &PathBuf) -> Vec<String> {
    std::fs::read_to_string(calls).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Events about scripts, without pids and directories.
fn told(scene: &Scene) -> Vec<String> {
    let place = scene.watcher().beside("").display().to_string();
    let events = scene.watcher().events().into_iter().filter(|event| event.contains("-script"));
    let words = events.map(|event| {
        let event = event.replace(&place, "");
        let pid = event.starts_with(". +script-child") || event.starts_with(". -script-child");
        let skip = if pid { Some(2) } else { event.contains("-script-timeout").then_some(3) };
        let kept = event.split(' ').enumerate().filter(|(n, _)| Some(*n) != skip).map(|(_, word)| word);
        kept.collect::<Vec<_>>().join(" ")
    });
    words.filter(|event| !event.starts_with(". +script-child")).collect()
}

#[test]
fn a_failover_calls_them_in_order() {
    let (real, own) = both(|engine| {
        let (scene, calls) = scene(engine);
        scene.master().die();
        scene.watcher().await_event("+switch-master", 1);
        until("the last call", || lines(&calls).iter().any(|call| call.starts_with("+switch-master")));
        scene.watcher().await_reply("SENTINEL PENDING-SCRIPTS", |reply| {
            reply.as_array().is_some_and(<[resp::Value]>::is_empty)
        });
        let mut calls = scene.named(&lines(&calls));
        // They run side by side.
        calls.sort();
        calls
    });
    assert_eq!(own, real);
    for call in ["mm leader start 127.0.0.1 m 127.0.0.1 r1", "+switch-master mm 127.0.0.1 m 127.0.0.1 r1"] {
        assert!(own.iter().any(|one| one == call), "{own:#?}");
    }
}

#[test]
fn an_observer_tells_clients_too() {
    let (real, own) = both(|engine| {
        let (scene, calls) = scene(engine);
        let (m, r1) = (scene.master().port(), scene.replica(1).port());
        let id = "f".repeat(40);
        scene.watcher().ok(&format!("PUBLISH __sentinel__:hello 127.0.0.1,1,{id},3,mm,127.0.0.1,{m},0"));
        scene.watcher().ok(&format!("PUBLISH __sentinel__:hello 127.0.0.1,1,{id},3,mm,127.0.0.1,{r1},3"));
        until("the call", || lines(&calls).iter().any(|call| call.contains("observer")));
        let calls = scene.named(&lines(&calls));
        calls.into_iter().filter(|call| call.contains("observer")).collect::<Vec<_>>()
    });
    assert_eq!(
        (own.as_slice(), &own),
        (["mm observer start 127.0.0.1 m 127.0.0.1 r1".to_owned()].as_slice(), &real)
    );
}

#[test]
fn exit_code_one_and_signals_are_tried_ten_times_and_others_once() {
    let (real, own) = both(|engine| {
        let (scene, calls) = scene(engine);
        scene.watcher().ok("SENTINEL DEBUG script-retry-delay 5");
        for quorum in [4, 5, 6] {
            scene.watcher().ok(&format!("SENTINEL SET mm quorum {quorum}"));
        }
        scene.watcher().await_event("-script-error", 3);
        let calls = lines(&calls);
        let mut counts = [4, 5, 6]
            .map(|n| calls.iter().filter(|call| call.ends_with(&format!("quorum {n}"))).count())
            .to_vec();
        let mut told = told(&scene);
        told.sort();
        counts.push(told.len());
        (counts, told)
    });
    assert_eq!(own, real);
    assert_eq!(own.0[..3], [10, 1, 10]);
    for error in
        ["# -script-error script.sh 0 1", "# -script-error script.sh 0 3", "# -script-error script.sh 9 0"]
    {
        assert!(own.1.iter().any(|one| one == error), "{:#?}", own.1);
    }
}

#[test]
fn a_script_that_hangs_is_killed_and_tried_again() {
    let (real, own) = both(|engine| {
        let (scene, calls) = scene(engine);
        scene.watcher().ok("SENTINEL DEBUG script-retry-delay 5 script-max-runtime 400");
        scene.watcher().ok("SENTINEL SET mm quorum 7");
        scene.watcher().await_event("-script-timeout", 1);
        until("the second run", || {
            lines(&calls).iter().filter(|call| call.ends_with("quorum 7")).count() == 2
        });
        scene.watcher().await_reply("SENTINEL PENDING-SCRIPTS", |reply| {
            reply.as_array().is_some_and(<[resp::Value]>::is_empty)
        });
        told(&scene)
    });
    // The end of a killed one may be seen before the second line about it is due.
    let distinct = |mut lines: Vec<String>| {
        lines.dedup();
        lines
    };
    assert_eq!(distinct(own), distinct(real));
}

#[test]
fn sixteen_run_at_once_and_256_are_kept() {
    let (real, own) = both(|engine| {
        let (scene, calls) = scene(engine);
        let mut client = scene.watcher().client();
        for _ in 0..300 {
            client.line("SENTINEL SET mm quorum 8").expect("a reply");
        }
        until("sixteen calls", || {
            lines(&calls).iter().filter(|call| call.ends_with("quorum 8")).count() == 16
        });
        let info = scene.watcher().ok("INFO sentinel").to_text().unwrap_or_default();
        let pending = scene.watcher().ok("SENTINEL PENDING-SCRIPTS");
        let jobs = pending.as_array().unwrap_or_default();
        let one = |job: &resp::Value| {
            let words = job.as_array().unwrap_or_default();
            let text = |word: &resp::Value| word.to_text().unwrap_or_default();
            let names = words.iter().step_by(2).map(text).collect::<Vec<_>>().join(" ");
            let argv =
                words[1].as_array().unwrap_or_default()[1..].iter().map(text).collect::<Vec<_>>().join(" ");
            scene.named(&[format!("{names} {argv} {} {}", text(&words[3]), text(&words[9]))]).remove(0)
        };
        let scripts: Vec<String> =
            info.lines().filter(|line| line.contains("scripts")).map(str::to_owned).collect();
        (scripts, jobs.len(), one(&jobs[0]), one(&jobs[255]))
    });
    assert_eq!(own, real);
    assert_eq!(own.0, ["sentinel_running_scripts:16", "sentinel_scripts_queue_length:256"]);
}
