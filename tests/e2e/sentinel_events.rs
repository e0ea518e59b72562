//! The events of a sentinel, ours beside the real one: both meet the same situation among puppets of their own,
//! and what their logs tell must be the same, in weight and words; where Redis decides the order, in order too.
//!
//! Every event there is comes about in one of these tests. `-dup-sentinel` and `+failover-detected`, of which the
//! public documentation still tells, are in no Sentinel since 2.8.

use std::time::{Duration, Instant};

use super::support::puppet::Puppet;
use super::support::scene::Scene;
use super::support::server::Engine;
use super::support::wait::until;
use super::support::watcher::{Watcher, both, field_of, same_story};

const STRANGER: &str = "ffffffffffffffffffffffffffffffffffffffff";
const SUCCESSOR: &str = "eeffffffffffffffffffffffffffffffffffffff";

#[test]
fn an_outage() {
    let situation = |engine| {
        let scene = Scene::new(
            engine,
            2,
            1,
            "sentinel down-after-milliseconds mm 700\nsentinel failover-timeout mm 20000\n",
        );
        scene.master().die();
        scene.watcher().await_event("+switch-master", 1);
        // The new master's own replicas: the other one, and the old master, which is gone.
        scene.replica(1).strings().replicas = vec![scene.replica(2).port()];
        scene.watcher().await_event("+sdown", 2);
        scene.story()
    };
    same_story(
        situation,
        &[
            "+monitor",
            "+slave",
            "+sdown",
            "+odown",
            "+new-epoch",
            "+try-failover",
            "+vote-for-leader",
            "+elected-leader",
            "+failover-state-select-slave",
            "+selected-slave",
            "+failover-state-send-slaveof-noone",
            "+failover-state-wait-promotion",
            "-role-change",
            "+promoted-slave",
            "+failover-state-reconf-slaves",
            "+slave-reconf-sent",
            "+slave-reconf-inprog",
            "+slave-reconf-done",
            "+failover-end",
            "+switch-master",
        ],
    );
}

#[test]
fn an_old_master_that_returns() {
    let situation = |engine| {
        let scene = Scene::new(engine, 1, 1, "sentinel down-after-milliseconds mm 700\n");
        scene.master().die();
        scene.watcher().await_event("+switch-master", 1);
        scene.watcher().await_event("+sdown", 2);
        scene.master().rise();
        scene.watcher().await_event("+convert-to-slave", 1);
        scene.watcher().await_event("+role-change", 1);
        assert_eq!(scene.master().strings().follows, Some(scene.replica(1).port()));
        scene.sorted_story()
    };
    same_story(situation, &["+convert-to-slave", "+role-change", "-role-change", "-sdown"]);
}

#[test]
fn an_election_that_cannot_be_won() {
    let situation = |engine| {
        let absent = format!("sentinel known-sentinel mm 127.0.0.1 1 {STRANGER}\n");
        let scene = Scene::new(
            engine,
            1,
            1,
            &format!("{absent}sentinel down-after-milliseconds mm 700\nsentinel failover-timeout mm 1500\n"),
        );
        scene.watcher().await_event("+sdown", 1);
        scene.master().strings().silent = true;
        scene.watcher().await_event("-failover-abort-not-elected", 1);
        scene.watcher().node().await_log("Next failover delay: I will not start a failover before ", 1);
        scene.master().strings().silent = false;
        scene.watcher().await_event("-odown", 1);
        scene.story()
    };
    same_story(situation, &["-failover-abort-not-elected", "-sdown", "-odown"]);
}

#[test]
fn nobody_to_promote() {
    let situation = |engine| {
        let scene = Scene::new(
            engine,
            1,
            1,
            "sentinel down-after-milliseconds mm 500\nsentinel failover-timeout mm 20000\n",
        );
        scene.replica(1).strings().priority = 0;
        scene.watcher().await_reply("SENTINEL REPLICAS mm", |reply| {
            field_of(&reply.as_array().unwrap_or_default()[0], "slave-priority") == "0"
        });
        scene.master().die();
        scene.watcher().await_event("-failover-abort-no-good-slave", 1);
        scene.story()
    };
    same_story(situation, &["-failover-abort-no-good-slave"]);
}

#[test]
fn a_promotion_that_does_not_come() {
    let situation = |engine| {
        let scene = Scene::new(
            engine,
            1,
            1,
            "sentinel down-after-milliseconds mm 500\nsentinel failover-timeout mm 1000\n",
        );
        scene.replica(1).strings().obeys = false;
        scene.master().die();
        scene.watcher().await_event("-failover-abort-slave-timeout", 1);
        scene.story()
    };
    same_story(situation, &["-failover-abort-slave-timeout"]);
}

/// A failover asked for by hand, with a replica that says OK and follows nobody new.
fn stubborn(engine: Engine, parallel_syncs: u32) -> Scene {
    let scene = Scene::new(
        engine,
        3,
        1,
        &format!("sentinel failover-timeout mm 4000\nsentinel parallel-syncs mm {parallel_syncs}\n"),
    );
    scene.watcher().ok("SENTINEL DEBUG slave-reconf-timeout 1000");
    for n in [2, 3] {
        scene.replica(n).strings().obeys = false;
    }
    scene.watcher().ok("SENTINEL FAILOVER mm");
    // The old master, not told yet, is the second that is no replica.
    scene.watcher().await_event("-role-change", 2);
    scene
}

#[test]
fn replicas_that_do_not_follow_while_all_may_be_told() {
    // Redis walks its replicas in no order.
    same_story(|engine| stubborn(engine, 3).sorted_story(), &["-slave-reconf-sent-timeout"]);
}

#[test]
fn replicas_that_do_not_follow_while_one_may_be_told() {
    let (real, own) = both(|engine| {
        let scene = stubborn(engine, 1);
        let story = scene.story();
        story.iter().map(|line| line.replace("r3", "r2").replace("r2", "another")).collect::<Vec<_>>()
    });
    let kinds = |story: &[String]| -> Vec<String> {
        story.iter().filter_map(|line| line.split(' ').nth(1)).map(str::to_owned).collect()
    };
    assert_eq!(kinds(&own), kinds(&real), "{own:#?}\n{real:#?}");
    for kind in ["+failover-end-for-timeout", "+slave-reconf-sent-be", "+failover-end"] {
        assert!(kinds(&real).iter().any(|told| told == kind), "no {kind} in {real:#?}");
    }
}

#[test]
fn a_replica_of_someone_else() {
    let situation = |engine| {
        let scene = Scene::new(engine, 2, 1, "sentinel failover-timeout mm 700\n");
        scene.replica(2).strings().follows = Some(scene.replica(1).port());
        scene.watcher().await_event("+fix-slave-config", 1);
        until("the replica back at its master", || {
            scene.replica(2).strings().follows == Some(scene.master().port())
        });
        scene.story()
    };
    same_story(situation, &["+fix-slave-config"]);
}

#[test]
fn a_replica_that_makes_itself_a_master() {
    let situation = |engine| {
        let scene = Scene::new(engine, 1, 1, "");
        scene.replica(1).strings().follows = None;
        scene.watcher().await_event("+role-change", 1);
        scene.story()
    };
    same_story(situation, &["-role-change", "+convert-to-slave", "+role-change"]);
}

#[test]
fn a_master_that_reboots_and_loads_for_long() {
    let situation = |engine| {
        let scene = Scene::new(engine, 1, 2, "sentinel master-reboot-down-after-period mm 500\n");
        {
            let mut strings = scene.master().strings();
            strings.pong = "-LOADING Redis is loading the dataset in memory\r\n".into();
            strings.run_id = "7".repeat(40);
        }
        scene.watcher().await_event("+sdown", 1);
        let flags = scene.watcher().master_field("mm", "flags");
        scene.master().strings().pong = "+PONG\r\n".into();
        scene.watcher().await_event("-sdown", 1);
        scene.replica(1).strings().run_id = "8".repeat(40);
        scene.watcher().await_event("+reboot", 2);
        let mut story = scene.story();
        // That it rebooted is shown from 7.2 on.
        story.push(flags.replace(",master_reboot", ""));
        story
    };
    same_story(situation, &["+reboot", "+sdown", "-sdown"]);
}

#[test]
fn a_master_that_says_it_is_a_replica() {
    let situation = |engine| {
        let scene = Scene::new(engine, 1, 2, "sentinel down-after-milliseconds mm 500\n");
        scene.master().strings().follows = Some(scene.replica(1).port());
        scene.watcher().await_event("+sdown", 1);
        scene.master().strings().follows = None;
        scene.watcher().await_event("-sdown", 1);
        scene.story()
    };
    same_story(situation, &["-role-change", "+sdown", "+role-change", "-sdown"]);
}

#[test]
fn a_script_that_keeps_a_master_busy() {
    let situation = |engine| {
        let scene = Scene::new(engine, 1, 2, "sentinel down-after-milliseconds mm 500\n");
        scene.master().strings().pong =
            "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n"
                .into();
        scene.watcher().await_event("+sdown", 1);
        until("SCRIPT KILL", || scene.master().heard("SCRIPT KILL") > 0);
        let flags = scene.watcher().master_field("mm", "flags");
        scene.master().strings().pong = "+PONG\r\n".into();
        scene.watcher().await_event("-sdown", 1);
        assert_eq!(scene.master().heard("SCRIPT KILL"), 1, "once is enough");
        let mut story = scene.story();
        story.push(flags);
        story
    };
    same_story(situation, &["+sdown", "-sdown"]);
}

#[test]
fn a_sentinel_that_stood_still() {
    let situation = |engine| {
        let scene = Scene::new(engine, 1, 1, "sentinel down-after-milliseconds mm 60000\n");
        scene.watcher().ok("SENTINEL DEBUG tilt-period 700");
        scene.watcher().node().pause();
        // The trigger is two seconds: that time itself is the condition.
        let stopped = Instant::now();
        until("two seconds and a half", || stopped.elapsed() > Duration::from_millis(2500));
        scene.watcher().node().resume();
        scene.watcher().await_event("+tilt", 1);
        let shown = scene.watcher().ok("INFO sentinel").to_text().expect("a text");
        assert!(shown.contains("sentinel_tilt:1\r\nsentinel_tilt_since_seconds:0\r\n"), "{shown}");
        scene.watcher().await_event("-tilt", 1);
        scene.story()
    };
    same_story(situation, &["+tilt", "-tilt"]);
}

#[test]
fn what_operators_do() {
    let situation = |engine| {
        let scene = Scene::new(engine, 1, 2, "");
        for line in [
            "SENTINEL SET mm QUORUM 3",
            "SENTINEL SET mm down-after-milliseconds 50000 Parallel-Syncs 2",
            "SENTINEL SET mm auth-pass secret auth-user joe",
            "SENTINEL SET mm rename-command PING zing",
            "SENTINEL SET mm rename-command PING PING",
            "SENTINEL MONITOR other 127.0.0.1 1 2",
            "SENTINEL REMOVE other",
            "SENTINEL RESET m?",
        ] {
            scene.watcher().ok(line);
        }
        scene.watcher().await_event("+slave", 2);
        scene.story()
    };
    same_story(situation, &["+set", "-monitor", "+reset-master"]);
}

#[test]
fn crashes_on_purpose() {
    for (mode, last) in
        [("crash-after-election", "+elected-leader"), ("crash-after-promotion", "+promoted-slave")]
    {
        let situation = |engine| {
            let mut scene = Scene::new(engine, 1, 1, "");
            scene.watcher().ok(&format!("SENTINEL SIMULATE-FAILURE {mode}"));
            scene.watcher().ok("SENTINEL FAILOVER mm");
            let status = scene.watcher_mut().node_mut().ended();
            let log = scene.watcher().log();
            assert!(log.contains("# Sentinel CRASH because of SENTINEL simulate-failure"), "{log}");
            let mut story = scene.story();
            story.push(format!("exit {:?}", status.code()));
            story
        };
        same_story(situation, &[last]);
    }
}

/// Whom both promote of three replicas of one priority but for what `strings` does to them.
fn chosen(pull: impl Fn(&[Puppet]) + Sync, field: &str, value: &str) -> String {
    let situation = |engine| {
        let puppets = Scene::puppets(3);
        puppets[1].strings().priority = 100;
        pull(&puppets);
        let line = format!("sentinel monitor mm 127.0.0.1 {} 1\n", puppets[0].port());
        let scene = Scene::with(puppets, Watcher::start(engine, &line));
        scene.watcher().await_reply("SENTINEL REPLICAS mm", |reply| {
            reply.as_array().unwrap_or_default().iter().any(|one| field_of(one, field) == value)
        });
        scene.watcher().ok("SENTINEL FAILOVER mm");
        scene.watcher().await_event("+selected-slave", 1);
        let selected = scene.story().into_iter().find(|line| line.contains("+selected-slave")).expect("told");
        vec![selected]
    };
    let (real, own) = both(situation);
    assert_eq!(own, real);
    own[0].split(' ').nth(3).expect("a name").to_owned()
}

#[test]
fn priority_then_offset_then_run_id_decide() {
    let third_by_id = |puppets: &[Puppet]| puppets[3].strings().run_id = "0".repeat(40);
    assert_eq!(chosen(third_by_id, "runid", &"0".repeat(40)), "127.0.0.1:r3");
    let second_by_offset = |puppets: &[Puppet]| {
        third_by_id(puppets);
        puppets[2].strings().offset = 900;
    };
    assert_eq!(chosen(second_by_offset, "slave-repl-offset", "900"), "127.0.0.1:r2");
    let first_by_priority = |puppets: &[Puppet]| {
        second_by_offset(puppets);
        puppets[1].strings().priority = 99;
    };
    assert_eq!(chosen(first_by_priority, "slave-priority", "99"), "127.0.0.1:r1");
}

/// A hello as another sentinel would send it.
fn hello(scene: &Scene, sentinel: (u16, &str), epoch: u64, master: (&str, u16), config_epoch: u64) {
    let (port, id) = sentinel;
    let (name, at) = master;
    scene.watcher().ok(&format!(
        "PUBLISH __sentinel__:hello 127.0.0.1,{port},{id},{epoch},{name},127.0.0.1,{at},{config_epoch}"
    ));
}

#[test]
fn what_other_sentinels_tell() {
    let situation = |engine| {
        let scene = Scene::new(engine, 1, 2, "");
        let at = scene.master().port();
        scene.watcher().ok("SENTINEL MONITOR other 127.0.0.1 1 2");
        hello(&scene, (2, STRANGER), 0, ("mm", at), 0);
        hello(&scene, (2, STRANGER), 0, ("other", 1), 0);
        // It moved; then another one has its place.
        hello(&scene, (3, STRANGER), 7, ("mm", at), 0);
        hello(&scene, (3, SUCCESSOR), 7, ("mm", at), 0);
        // Nothing of this is news.
        hello(&scene, (3, SUCCESSOR), 6, ("mm", at), 0);
        hello(&scene, (3, SUCCESSOR), 7, ("unknown", at), 9);
        scene.watcher().ok("PUBLISH __sentinel__:hello 127.0.0.1,3,too,few");
        // A newer configuration.
        hello(&scene, (3, SUCCESSOR), 8, ("mm", scene.replica(1).port()), 8);
        let moved = scene.watcher().ok("SENTINEL GET-MASTER-ADDR-BY-NAME mm");
        let port = scene.replica(1).port().to_string();
        assert_eq!(moved.as_array().and_then(|words| words[1].to_text()), Some(port));
        let wanted = [
            "+sentinel",
            "+sentinel-address-switch",
            "+sentinel-address-update",
            "+sentinel-invalid-addr",
            "+new-epoch",
            "+config-update-from",
            "+switch-master",
        ];
        let events = scene.story().into_iter();
        events.filter(|line| line.split(' ').nth(1).is_some_and(|kind| wanted.contains(&kind))).collect()
    };
    same_story(
        situation,
        &[
            "+sentinel",
            "+sentinel-address-switch",
            "+sentinel-address-update",
            "+sentinel-invalid-addr",
            "+new-epoch",
            "+config-update-from",
            "+switch-master",
        ],
    );
}

#[test]
fn an_address_nobody_can_reach() {
    let situation = |engine| {
        let watcher = Watcher::start(engine, "sentinel monitor mm 255.255.255.255 6379 2\n");
        watcher.await_event("-cmd-link-reconnection", 1);
        watcher.await_event("-pubsub-link-reconnection", 1);
        let mut story = watcher.events();
        story.sort();
        story.dedup();
        story
    };
    same_story(situation, &["-cmd-link-reconnection", "-pubsub-link-reconnection"]);
}

#[test]
fn what_is_published_is_what_is_logged() {
    let situation = |engine| {
        let scene = Scene::new(engine, 1, 2, "");
        let mut listener = scene.watcher().client();
        listener.line("PSUBSCRIBE *").expect("a reply");
        scene.watcher().ok("SENTINEL SET mm quorum 3");
        scene.watcher().ok("SENTINEL MONITOR other 127.0.0.1 1 1");
        scene.watcher().ok("SENTINEL REMOVE other");
        let mut heard = Vec::new();
        while heard.last().is_none_or(|(kind, _): &(String, String)| kind != "-monitor") {
            let message = listener.reply().expect("a message");
            let words: Vec<String> =
                message.as_array().unwrap_or_default().iter().filter_map(resp::Value::to_text).collect();
            heard.push((words[2].clone(), words[3].clone()));
        }
        let told: Vec<String> = heard.iter().map(|(kind, text)| format!("{kind} {text}")).collect();
        let log = scene.watcher().log();
        assert!(told.iter().all(|line| log.contains(line.as_str())), "{told:?}\n{log}");
        scene.named(&told)
    };
    let (real, own) = both(situation);
    assert_eq!(own, real);
    assert_eq!(own.len(), 3, "{own:?}");
}
