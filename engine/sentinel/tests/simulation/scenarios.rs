//! Situations operators know, one by one.

use topple_sentinel::Reply;

use crate::{
    checks::{self, address, has_converged},
    world::{Fact, World, ip_of},
};

const THREE: &str = "sentinel monitor mymaster $IP0 6379 2\n\
    sentinel down-after-milliseconds mymaster 500\nsentinel failover-timeout mymaster 6000\n";

/// A world that is ready: everyone knows everyone.
fn ready(replicas: usize, sentinels: usize, directives: &str) -> World {
    let mut world = World::new(11, 1, replicas, sentinels, directives);
    world.run_for(300);
    for n in 0..sentinels {
        let text = world.nodes[n].machine.as_ref().expect("alive").info_section();
        let expected = format!("slaves={replicas},sentinels={sentinels}");
        assert!(text.contains(&expected), "ready within 0.3 s, not {text}");
    }
    world
}

/// The kinds of events of one sentinel since `from`, in order.
fn kinds(world: &World, sentinel: usize, from: u64) -> Vec<&'static str> {
    let events = world.events().filter(|(at, who, _)| *at >= from && *who == sentinel);
    events.map(|(_, _, e)| e.kind).filter(|k| !k.ends_with("reconnection") && !k.contains("script")).collect()
}

fn leader_of(world: &World) -> usize {
    world.events().find(|(_, _, e)| e.kind == "+elected-leader").expect("a leader").1
}

fn when(world: &World, kind: &str) -> u64 {
    let found = world.events().find(|(_, _, e)| e.kind == kind);
    found.unwrap_or_else(|| panic!("no {kind}\n{}", world.story())).0
}

#[test]
fn a_killed_master_is_failed_over_once() {
    let mut world = ready(2, 3, THREE);
    let killed = world.now;
    world.kill(0);
    world.run_for(1_000);
    checks::history(&world, 2);
    let leader = leader_of(&world);
    assert_eq!(
        kinds(&world, leader, killed),
        [
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
            "+slave",
            "+slave",
        ]
    );
    let observer = (leader + 1) % 3;
    let last = kinds(&world, observer, killed);
    let expected =
        ["+new-epoch", "+vote-for-leader", "+config-update-from", "+switch-master", "+slave", "+slave"];
    assert!(last.ends_with(&expected), "{last:?}");
    assert_eq!((world.count("+switch-master"), world.count("+try-failover")), (3, 1));
    let orders = world.history.iter().filter(|(_, _, fact)| matches!(fact, Fact::Promotes { .. }));
    assert_eq!(orders.map(|(_, who, _)| *who).collect::<Vec<_>>(), [leader]);
    let chosen = address(&world, 0, "mymaster").expect("an address");
    let switch = world.events().find(|(_, _, e)| e.kind == "+switch-master").expect("one").2;
    assert_eq!(switch.text, format!("mymaster 10.0.0.1 6379 {chosen} 6379"));
}

/// What is discovered is on disk at once: with the master dead nobody could discover it again.
#[test]
fn sentinels_that_crash_with_the_master_as_soon_as_they_know_each_other_fail_it_over_when_back() {
    let mut world = World::new(11, 1, 2, 3, THREE);
    let complete = |world: &World| {
        (0..3).all(|n| {
            let machine = world.nodes[n].machine.as_ref().expect("alive");
            machine.info_section().contains("slaves=2,sentinels=3")
        })
    };
    assert!(world.run_until(300, complete), "{}", world.story());
    world.kill(0);
    (0..3).for_each(|n| world.crash(n));
    world.run_for(1_000);
    (0..3).for_each(|n| world.start(n));
    world.run_for(3_000);
    assert_eq!(world.count("+switch-master"), 3, "{}", world.story());
    checks::history(&world, 2);
}

#[test]
fn a_returning_master_is_demoted_after_four_hello_periods() {
    let mut world = ready(2, 3, THREE);
    world.kill(0);
    world.run_for(3_000);
    world.revive(0);
    let back = world.now;
    world.run_for(14_000);
    assert!(has_converged(&world, "mymaster", 0..3), "{}", world.story());
    let told = when(&world, "+convert-to-slave") - back;
    assert!((8_000..11_000).contains(&told), "told after {told} ms");
    checks::history(&world, 2);
}

#[test]
fn a_minority_never_fails_over() {
    let mut world = ready(2, 5, &THREE.replace(" 2\n", " 3\n"));
    // The master and two sentinels on one side.
    for a in [0, 3, 4] {
        for b in [1, 2, 5, 6, 7] {
            world.cut(a, b);
        }
    }
    world.run_for(8_000);
    checks::history(&world, 3);
    for minority in [0, 1] {
        assert_eq!(address(&world, minority, "mymaster"), Some(ip_of(0)));
        assert!(!kinds(&world, minority, 0).contains(&"+try-failover"));
    }
    let elsewhere = address(&world, 2, "mymaster");
    assert_ne!(elsewhere, Some(ip_of(0)), "{}", world.story());
    world.heal();
    assert!(world.run_until(60_000, |w| has_converged(w, "mymaster", 0..3)), "{}", world.story());
    assert_eq!(address(&world, 0, "mymaster"), elsewhere);
    checks::history(&world, 3);
}

#[test]
fn quorum_without_majority_is_not_enough() {
    let mut world = ready(1, 3, &THREE.replace(" 2\n", " 1\n"));
    world.crash(1);
    world.crash(2);
    world.kill(0);
    world.run_for(10_000);
    assert_eq!(kinds(&world, 0, 0).iter().filter(|k| **k == "+odown").count(), 1);
    let tried = when(&world, "+try-failover");
    let aborted = when(&world, "-failover-abort-not-elected") - tried;
    // min(10 s, failover-timeout), counted from a start up to a second later.
    assert!((6_000..=7_002).contains(&aborted), "{aborted}");
    assert_eq!(world.count("+elected-leader"), 0);
    world.run_for(5_000);
    // Twice the failover time-out after the last attempt, not before.
    let again = world.events().filter(|(_, _, e)| e.kind == "+try-failover").nth(1).expect("two").0;
    assert!((12_000..=13_000).contains(&(again - tried)), "{}", world.story());
    world.start(1);
    assert!(world.run_until(30_000, |w| w.count("+switch-master") == 2), "{}", world.story());
    checks::history(&world, 1);
}

#[test]
fn a_clock_step_stops_verdicts_for_thirty_seconds() {
    // A replica whose link was down for longer than ten times this is unfit.
    let mut world = ready(1, 3, &THREE.replace("500", "4000"));
    for n in 0..3 {
        world.nodes[n].wall_step_ms += if n == 0 { -60_000 } else { 60_000 };
    }
    world.run_for(600);
    assert_eq!(world.count("+tilt"), 3);
    world.kill(0);
    world.run_for(29_000);
    assert_eq!(world.count("+sdown"), 0, "{}", world.story());
    let answer = world.command(0, &["SENTINEL", "IS-MASTER-DOWN-BY-ADDR", "10.0.0.1", "6379", "0", "*"]);
    assert!(matches!(answer, Some(Reply::Array(f)) if f[0] == Reply::Int(0)));
    world.run_for(3_000);
    assert_eq!((world.count("-tilt"), world.count("+switch-master")), (3, 3), "{}", world.story());
}

#[test]
fn a_paused_process_knows_that_time_passed_without_it() {
    let mut world = ready(1, 3, THREE);
    world.pause_sentinel(0);
    world.run_for(5_000);
    world.resume_sentinel(0);
    world.run_for(100);
    assert_eq!(kinds(&world, 0, world.now - 100)[0], "+tilt");
}

#[test]
fn a_vote_survives_the_crash_before_its_reply() {
    let mut world = ready(1, 3, THREE);
    let ask = |world: &mut World, candidate: char| {
        let id = candidate.to_string().repeat(40);
        world.command(0, &["SENTINEL", "IS-MASTER-DOWN-BY-ADDR", "10.0.0.1", "6379", "5", &id])
    };
    // The file is written, the reply is not.
    world.nodes[0].crash_in = Some(1);
    assert_eq!(ask(&mut world, 'a'), None);
    assert!(String::from_utf8_lossy(&world.nodes[0].disk).contains("sentinel leader-epoch mymaster 5\n"));
    world.start(0);
    let Some(Reply::Array(fields)) = ask(&mut world, 'b') else { panic!("an answer") };
    assert_eq!(fields[1..], [Reply::Bulk(b"*".to_vec()), Reply::Int(5)]);
    // Before the file is written, nothing was promised.
    world.nodes[1].crash_in = Some(0);
    let id = "c".repeat(40);
    let question = ["SENTINEL", "IS-MASTER-DOWN-BY-ADDR", "10.0.0.1", "6379", "7", &id];
    assert_eq!(world.command(1, &question), None);
    assert!(!String::from_utf8_lossy(&world.nodes[1].disk).contains("leader-epoch mymaster 7"));
    // A vote in an epoch that is known already is written as well.
    let hello = format!("10.0.0.4,26379,{},9,mymaster,10.0.0.1,6379,0", world.nodes[1].id);
    world.command(2, &["PUBLISH", "__sentinel__:hello", &hello]);
    world.command(2, &["SENTINEL", "IS-MASTER-DOWN-BY-ADDR", "10.0.0.1", "6379", "9", &id]);
    assert!(String::from_utf8_lossy(&world.nodes[2].disk).contains("leader-epoch mymaster 9\n"));
}

#[test]
fn two_masters_that_die_together_are_both_failed_over() {
    let directives = format!("{THREE}{}", THREE.replace("mymaster", "other").replace("$IP0", "$IP1"));
    for seed in 0..20 {
        let mut world = World::new(seed, 2, 1, 3, &directives);
        world.run_for(300);
        world.kill(0);
        world.kill(2);
        world.run_for(1_200);
        assert_eq!(world.count("+switch-master"), 6, "seed {seed}\n{}", world.story());
        checks::history(&world, 2);
    }
}

#[test]
fn a_failover_by_hand_asks_nobody() {
    let mut world = ready(2, 3, THREE);
    assert_eq!(world.command(1, &["SENTINEL", "FAILOVER", "mymaster"]), Some(Reply::Status("OK".into())));
    let again = world.command(1, &["SENTINEL", "FAILOVER", "mymaster"]);
    assert_eq!(again, Some(Reply::Error("INPROG Failover already in progress".into())));
    world.run_for(500);
    assert_eq!(world.count("+switch-master"), 3, "{}", world.story());
    // The old master lives and is told like the others.
    assert!(world.run_until(20_000, |w| has_converged(w, "mymaster", 0..3)), "{}", world.story());
    checks::history(&world, 2);
}

#[test]
fn priority_then_offset_then_run_id_choose_the_replica() {
    for (priorities, offset_of_2, expected) in [
        ([100, 10, 100], 0, Some(2)),
        ([100, 100, 100], 500, Some(2)),
        ([100, 100, 100], 0, Some(1)),
        ([0, 0, 0], 0, None),
    ] {
        let mut world = ready(3, 3, THREE);
        for (n, priority) in priorities.into_iter().enumerate() {
            world.servers[n + 1].priority = priority;
        }
        world.run_for(1_500);
        world.kill(0);
        world.run_for(1);
        for host in 1..=3 {
            world.servers[host].offset = 10_000;
        }
        world.servers[2].offset += offset_of_2;
        world.run_for(1_500);
        match expected {
            Some(host) => assert_eq!(address(&world, 0, "mymaster"), Some(ip_of(host)), "{priorities:?}"),
            None => assert!(world.count("-failover-abort-no-good-slave") > 0, "{}", world.story()),
        }
    }
    let mut world = ready(1, 1, THREE);
    world.servers[1].priority = 0;
    world.run_for(1_500);
    let refused = world.command(0, &["SENTINEL", "FAILOVER", "mymaster"]);
    assert_eq!(refused, Some(Reply::Error("NOGOODSLAVE No suitable replica to promote".into())));
}

#[test]
fn replicas_follow_a_few_at_a_time() {
    for (parallel, at_once) in [(1, 1), (2, 2)] {
        let mut world = ready(4, 3, &format!("{THREE}sentinel parallel-syncs mymaster {parallel}\n"));
        world.servers.iter_mut().for_each(|s| s.sync_ms = 400);
        world.kill(0);
        world.run_for(4_000);
        let (mut running, mut most) = (0, 0);
        for (_, _, event) in world.events() {
            match event.kind {
                "+slave-reconf-sent" => running += 1,
                "+slave-reconf-done" => running -= 1,
                _ => {}
            }
            most = most.max(running);
        }
        assert_eq!((most, running), (at_once, 0), "{}", world.story());
        assert_eq!(world.count("+failover-end"), 1);
    }
}

#[test]
fn a_failover_that_takes_too_long_ends_all_the_same() {
    let mut world = ready(3, 3, THREE);
    world.servers.iter_mut().for_each(|s| s.sync_ms = 60_000);
    world.kill(0);
    world.run_for(9_000);
    let promoted = when(&world, "+promoted-slave");
    let ended = when(&world, "+failover-end-for-timeout") - promoted;
    assert_eq!(ended, 6_001, "{}", world.story());
    assert_eq!((world.count("+slave-reconf-sent"), world.count("+slave-reconf-sent-be")), (1, 2));
    let leader = leader_of(&world);
    assert!(kinds(&world, leader, 0).contains(&"+switch-master"));
}

/// A failover in which one of two replicas answers OK and follows nobody new.
fn with_a_stubborn_replica(parallel_syncs: u32) -> World {
    let directives = THREE.replace("6000", "15000");
    let mut world = ready(3, 3, &format!("{directives}sentinel parallel-syncs mymaster {parallel_syncs}\n"));
    world.servers[1].priority = 1;
    world.servers[2].obeys = false;
    world.run_for(1_500);
    world.kill(0);
    assert!(world.run_until(30_000, |w| w.count("+failover-end") == 1), "{}", world.story());
    world
}

#[test]
fn a_replica_that_never_follows_holds_up_the_rest_until_the_failover_times_out() {
    let world = with_a_stubborn_replica(1);
    assert_eq!(world.count("-slave-reconf-sent-timeout"), 0);
    let begun = when(&world, "+promoted-slave");
    assert_eq!(when(&world, "+failover-end-for-timeout"), begun + 15_001, "{}", world.story());
    let others: Vec<_> = world.events().filter(|(_, _, e)| e.kind == "+slave-reconf-sent-be").collect();
    assert!(others.len() == 1 && others[0].2.text.contains(" 10.0.0.4 "), "{}", world.story());
}

#[test]
fn a_replica_that_never_follows_is_given_up_while_others_may_be_told() {
    let world = with_a_stubborn_replica(2);
    let told = when(&world, "+slave-reconf-sent");
    assert_eq!(when(&world, "-slave-reconf-sent-timeout"), told + 10_001, "{}", world.story());
    // Once more, for the last time.
    assert_eq!(world.count("+slave-reconf-sent"), 3);
    assert_eq!(when(&world, "+failover-end"), told + 10_001);
    assert_eq!(world.count("+failover-end-for-timeout"), 0);
}

#[test]
fn a_leader_that_was_overtaken_gives_its_failover_up() {
    let mut world = ready(2, 3, THREE);
    world.servers[1].priority = 1;
    world.servers[2].obeys = false;
    world.run_for(1_500);
    world.kill(0);
    assert!(world.run_until(5_000, |w| w.count("+slave-reconf-sent") == 1), "{}", world.story());
    let leader = leader_of(&world);
    assert_eq!(address(&world, leader, "mymaster").as_deref(), Some("10.0.0.1"));
    // Another failover has led back to the old master meanwhile.
    let other = (0..3).find(|n| *n != leader).expect("three");
    let (ip, id) = (ip_of(world.nodes[other].host), world.nodes[other].id.clone());
    let hello = format!("{ip},26379,{id},2,mymaster,10.0.0.1,6379,2");
    let now = world.now;
    world.command(leader, &["PUBLISH", "__sentinel__:hello", &hello]);
    world.run_for(20_000);
    let told = kinds(&world, leader, now);
    assert!(told.contains(&"+config-update-from") && !told.contains(&"+failover-end"), "{}", world.story());
    let switch =
        world.events().find(|(at, who, e)| *at >= now && *who == leader && e.kind == "+switch-master");
    assert_eq!(switch.expect("told").2.text, "mymaster 10.0.0.2 6379 10.0.0.1 6379");
}

#[test]
fn a_promotion_that_never_comes_is_given_up() {
    let mut world = ready(1, 3, &THREE.replace("500", "3000"));
    world.kill(0);
    assert!(world.run_until(5_000, |w| w.count("+failover-state-wait-promotion") == 1));
    world.pause(1);
    let asked = world.now;
    assert!(world.run_until(10_000, |w| w.count("-failover-abort-slave-timeout") == 1), "{}", world.story());
    assert_eq!(world.now - asked, 6_001);
    assert_eq!(world.count("+switch-master"), 0);
}

#[test]
fn a_replica_of_someone_else_is_brought_back() {
    let mut world = ready(2, 3, THREE);
    world.servers[2].follows = Some(1);
    let strayed = world.now;
    assert!(world.run_until(12_000, |w| has_converged(w, "mymaster", 0..3)), "{}", world.story());
    let fixed = when(&world, "+fix-slave-config") - strayed;
    assert!((6_000..9_000).contains(&fixed), "{fixed}");
}

#[test]
fn a_reboot_is_noticed_and_may_count_as_down() {
    let mut world = ready(1, 3, &format!("{THREE}sentinel master-reboot-down-after-period mymaster 200\n"));
    world.kill(0);
    world.revive(0);
    world.run_for(400);
    assert_eq!(world.count("+reboot"), 3, "{}", world.story());
    // It answered PING with PONG at once, so it is not held to be down.
    assert_eq!(world.count("+sdown"), 0, "{}", world.story());
}

#[test]
fn sentinels_that_move_or_are_replaced_are_recognised() {
    let mut world = ready(1, 3, THREE);
    let id = world.nodes[1].id.clone();
    let epoch_and_master = format!("0,mymaster,{},6379,0", ip_of(0));
    let hello = format!("10.9.9.9,26379,{id},{epoch_and_master}");
    assert_eq!(world.command(0, &["PUBLISH", "__sentinel__:hello", &hello]), Some(Reply::Int(1)));
    let switch = world.events().find(|(_, _, e)| e.kind == "+sentinel-address-switch").expect("noticed").2;
    assert_eq!(switch.text, format!("master mymaster 10.0.0.1 6379 ip 10.9.9.9 port 26379 for {id}"));
    let newcomer = "d".repeat(40);
    let hello = format!("10.9.9.9,26379,{newcomer},{epoch_and_master}");
    world.command(0, &["PUBLISH", "__sentinel__:hello", &hello]);
    assert_eq!(world.count("+sentinel-invalid-addr"), 1);
    let sentinels = world.command(0, &["SENTINEL", "SENTINELS", "mymaster"]);
    let Some(Reply::Array(list)) = sentinels else { panic!("a list") };
    let ids: Vec<_> = list.iter().filter_map(|s| checks::field(s, "runid")).collect();
    assert!(ids.contains(&newcomer) && !ids.contains(&id), "{ids:?}");
}

#[test]
fn simulated_crashes_happen_where_they_were_ordered() {
    for (mode, last) in
        [("CRASH-AFTER-ELECTION", "+elected-leader"), ("CRASH-AFTER-PROMOTION", "+promoted-slave")]
    {
        let mut world = ready(2, 3, THREE);
        for n in 0..3 {
            world.command(n, &["SENTINEL", "SIMULATE-FAILURE", mode]);
        }
        world.kill(0);
        assert!(world.run_until(3_000, |w| w.nodes.iter().any(|n| n.machine.is_none())));
        let crashed = world.history.iter().rfind(|(_, _, f)| *f == Fact::Crashed).expect("a crash").1;
        assert_eq!(kinds(&world, crashed, 0).last(), Some(&last));
        for n in 0..3 {
            world.command(n, &["SENTINEL", "SIMULATE-FAILURE"]);
        }
        world.start(crashed);
        // The others try again after twice the failover time-out.
        assert!(world.run_until(60_000, |w| has_converged(w, "mymaster", 0..3)), "{}", world.story());
        checks::history(&world, 2);
    }
}
