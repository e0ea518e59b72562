//! Reports of histories made by hand.

use std::collections::BTreeMap;
use std::time::Duration;

use expect_test::{Expect, expect};

use super::failover::failovers;
use super::paint::Paint;
use super::summary::summarise;
use super::text::text;
use crate::history::{
    During, Event, Exit, HISTORY_VERSION, History, Ledger, LostWrite, Moment, Outcome, What,
};
use crate::plan::{
    EngineChoice, Experiment, Monitor, MonitorId, Node, NodeId, NodeKind, Plan, Position, RestartPolicy,
};

const M: NodeId = NodeId(0);
const R1: NodeId = NodeId(1);
const S1: NodeId = NodeId(2);
const S2: NodeId = NodeId(3);
const MASTER: &str = "master mm 127.0.0.1 7000";
const SWITCH: &str = "mm 127.0.0.1 7000 127.0.0.1 7001";

fn node(name: &str, port: u16, kind: NodeKind) -> Node {
    Node {
        name: name.to_owned(),
        kind,
        ip: [127, 0, 0, 1].into(),
        port,
        engine: EngineChoice::Topple,
        config: BTreeMap::new(),
        env: BTreeMap::new(),
        data: None,
        restart: RestartPolicy::No,
        position: Position::default(),
    }
}

fn plan(repeats: u32) -> Plan {
    Plan {
        name: "drill".to_owned(),
        nodes: vec![
            node("m", 7000, NodeKind::Master),
            node("r1", 7001, NodeKind::Replica { of: M }),
            node("s1", 7010, NodeKind::Sentinel),
            node("s2", 7011, NodeKind::Sentinel),
        ],
        monitors: vec![Monitor {
            name: "mm".to_owned(),
            master: M,
            sentinels: vec![S1, S2],
            quorum: 2,
            down_after: Duration::from_millis(500),
            failover_timeout: Duration::from_secs(10),
            parallel_syncs: 1,
            notification_script: None,
            client_reconfig_script: None,
            position: Position::default(),
        }],
        experiments: vec![Experiment {
            name: "the master dies".to_owned(),
            repeat: repeats,
            timeout: Duration::from_secs(60),
            fresh: true,
            position: Position::default(),
        }],
        ..Plan::default()
    }
}

/// Events of the repeat at milliseconds after `start_ms`.
struct Story {
    repeat: u32,
    start_ms: u64,
    events: Vec<Event>,
}

impl Story {
    fn new(repeat: u32, start_ms: u64) -> Self {
        Self { repeat, start_ms, events: Vec::new() }
    }

    fn at(mut self, ms: u64, what: What) -> Self {
        let during = Some(During { experiment: 0, repeat: self.repeat });
        let at = Moment((self.start_ms + ms) * 1000);
        self.events.push(Event { at, node_wall_ms: None, during, what });
        self
    }

    fn said(self, ms: u64, node: NodeId, event: &str, text: &str) -> Self {
        let (event, text) = (event.to_owned(), text.to_owned());
        self.at(ms, What::Sentinel { node, monitor: Some(MonitorId(0)), event, text })
    }

    fn did(self, ms: u64, verb: &str, node: NodeId) -> Self {
        let action = What::Action { verb: verb.to_owned(), nodes: vec![node], detail: String::new() };
        self.at(ms, action)
    }
}

/// A failover as sentinels tell it, `slower` milliseconds slower in its detection.
fn failover(repeat: u32, start_ms: u64, slower: u64) -> Story {
    Story::new(repeat, start_ms)
        .at(0, What::RepeatBegin)
        .at(1, What::Started { node: M, pid: 100 })
        .at(240, What::Ready { took_us: 239_000 })
        .at(250, What::WorkloadBegin { workload: 0, detail: "2 clients, set via sentinels of mm".to_owned() })
        .did(1000, "kill", M)
        .at(1001, What::Exited { node: M, pid: 100, how: Exit::Signal(9), expected: true })
        .said(1500 + slower, S1, "+sdown", MASTER)
        .said(1510 + slower, S2, "+sdown", MASTER)
        .said(1520 + slower, S2, "+sdown", "slave 127.0.0.1:7001 127.0.0.1 7001 @ mm 127.0.0.1 7000")
        .said(1560 + slower, S2, "+odown", &format!("{MASTER} #quorum 2/2"))
        .said(1600 + slower, S2, "+elected-leader", MASTER)
        .said(1700 + slower, S2, "+promoted-slave", "slave 127.0.0.1:7001 127.0.0.1 7001 @ mm 127.0.0.1 7000")
        .said(1720 + slower, S1, "+switch-master", SWITCH)
        .at(1735 + slower, What::FirstWrite { workload: 0, node: R1 })
        .at(
            1740 + slower,
            What::Outage {
                workload: 0,
                from: Moment((start_ms + 998) * 1000),
                until: Some(Moment((start_ms + 1740 + slower) * 1000)),
                clients: 2,
                errors: BTreeMap::from([
                    ("connection refused".to_owned(), 40),
                    ("connection closed".to_owned(), 2),
                ]),
            },
        )
        .said(1750 + slower, S2, "+switch-master", SWITCH)
}

fn end(story: Story, ms: u64, lost: u64) -> Story {
    let ledger = Ledger {
        acked: 12_345,
        failed: 2,
        lost,
        lost_writes: (0..lost)
            .map(|seq| LostWrite { key: format!("topple:1.1.0:0:{seq}"), node: M, at: Moment(995_000) })
            .collect(),
        longest_outage_us: 742_000,
        latency_us: [210, 900, 1_500, 9_000],
    };
    let held = lost == 0;
    let run = |path: &str, how| What::ScriptRun {
        node: S1,
        argv: vec![path.to_owned(), "+switch-master".to_owned(), "mm".to_owned()],
        output: String::new(),
        how: Some(how),
        took_us: 4_200,
    };
    let outcome = if held { Outcome::Passed } else { Outcome::Failed };
    story
        .at(ms, run("/scripts/notify.sh", Exit::Code(0)))
        .at(ms, run("/scripts/notify.sh", if held { Exit::Code(0) } else { Exit::Code(1) }))
        .at(ms, What::WorkloadEnd { workload: 0, ledger })
        .at(
            ms,
            What::Measure {
                name: "failover".to_owned(),
                value: 720.0 + (lost * 100) as f64,
                unit: "ms".to_owned(),
                max: Some(800.0),
                min: None,
            },
        )
        .at(ms, What::Check { label: "nothing is lost".to_owned(), held, fatal: false, line: 12, file: None })
        .at(ms, What::Print { text: "done".to_owned() })
        .at(ms, What::RepeatEnd { outcome })
        .at(ms + 5, What::Exited { node: R1, pid: 101, how: Exit::Signal(9), expected: true })
}

fn history(stories: Vec<Story>) -> History {
    let repeats = u32::try_from(stories.len()).unwrap_or(1);
    History {
        version: HISTORY_VERSION,
        started_wall_ms: 1_800_000_000_000,
        plan: plan(repeats),
        events: stories.into_iter().flat_map(|story| story.events).collect(),
    }
}

fn check_text(history: &History, expected: &Expect) {
    expected.assert_eq(&text(history, Paint::default()));
}

#[test]
fn checks_of_different_files_are_not_one() {
    let check = |file: Option<&str>| What::Check {
        label: "it is up".to_owned(),
        held: true,
        fatal: false,
        line: 3,
        file: file.map(str::to_owned),
    };
    let story =
        Story::new(0, 0).at(0, What::RepeatBegin).at(1, check(None)).at(2, check(Some("parts/lib.rhai")));
    let text =
        text(&history(vec![story.at(3, What::RepeatEnd { outcome: Outcome::Passed })]), Paint::default());
    let checks: String =
        text.lines().filter(|line| line.contains("1/1")).map(|line| format!("{}\n", line.trim())).collect();
    expect![[r#"
            ok  1/1  it is up  line 3
            ok  1/1  it is up  parts/lib.rhai:3
    "#]]
    .assert_eq(&checks);
}

#[test]
fn one_repeat_that_passed() {
    let history = history(vec![end(failover(0, 0, 0), 3000, 0)]);
    check_text(
        &history,
        &expect![[r#"

        the master dies: passed, 3.00 s
          topology ready in 239 ms

          checks
            ok  1/1  nothing is lost  line 12

          measures
            failover  720  ms  ≤ 800

          failover of mm after kill m: r1 takes over, led by s2, ms
            detection    510  █████████████████████  +sdown
            agreement     50  ██                     +odown
            election      40  ██                     +elected-leader
            promotion    100  ████                   +promoted-slave
            switch        20  █                      +switch-master
            first write   15  █                      first write
            total        735

          clients: 2 clients, set via sentinels of mm
            acknowledged                12,345
            failed, fate unknown             2
            acknowledged and lost            0
            longest outage of a client  742 ms
            latency p50                 210 µs
            latency p99                 900 µs
            latency p99.9               1.5 ms
            latency max                   9 ms
            outage of 2 clients: 742 ms (2 × connection closed, 40 × connection refused)

          scripts run by the sentinels
            notify.sh  2  runs  all with exit code 0  4.2 to 4.2 ms

          printed
            done

          timeline, ms since kill m
            -750.0  clients     begin: 2 clients, set via sentinels of mm
               0.0  experiment  kill m
               1.0  m           ended: SIGKILL
             500.0  s1          +sdown master mm 127.0.0.1 7000
             510.0  s2          +sdown master mm 127.0.0.1 7000
             520.0  s2          +sdown slave 127.0.0.1:7001 127.0.0.1 7001 @ mm 127.0.0.1 7000
             560.0  s2          +odown master mm 127.0.0.1 7000 #quorum 2/2
             600.0  s2          +elected-leader master mm 127.0.0.1 7000
             700.0  s2          +promoted-slave slave 127.0.0.1:7001 127.0.0.1 7001 @ mm 127.0.0.1 7000
             720.0  s1          +switch-master mm 127.0.0.1 7000 127.0.0.1 7001
             735.0  clients     first write acknowledged by r1
             740.0  clients     outage of 2 clients, lasted 742 ms (2 × connection closed, 40 × connection refused)
             750.0  s2          +switch-master mm 127.0.0.1 7000 127.0.0.1 7001
            2000.0  clients     end: 12345 acknowledged, 0 lost
            2000.0  measure     failover 720 ms
            2000.0  check       held: nothing is lost

        1 experiment, 1 of 1 repeats passed
    "#]],
    );
}

#[test]
fn three_repeats_of_which_one_lost_writes() {
    let history = history(vec![
        end(failover(0, 0, 0), 3000, 0),
        end(failover(1, 5000, 100), 3000, 7),
        end(failover(2, 10_000, 50), 3000, 0),
    ]);
    check_text(
        &history,
        &expect![[r#"

        the master dies: FAILED, 2 of 3 repeats passed, 9.00 s
          topology ready in 239 ms (median)

          checks
            FAILED  2/3  nothing is lost (not in repeat 2)  line 12

          measures
                      min  median    p90    max      limit
            failover  720     720  1,420  1,420  ms  ≤ 800 (1 beyond)

          failover of mm after kill m: r1 takes over, led by s2, ms over 3 repeats
                         min  median  p90  max                         ends with
            detection    510     560  610  610  █████████████████████  +sdown
            agreement     50      50   50   50  ██                     +odown
            election      40      40   40   40  ██                     +elected-leader
            promotion    100     100  100  100  ████                   +promoted-slave
            switch        20      20   20   20  █                      +switch-master
            first write   15      15   15   15  █                      first write
            total        735     785  835  835

          clients, repeat 2: 2 clients, set via sentinels of mm
            acknowledged                12,345
            failed, fate unknown             2
            acknowledged and lost            7
            longest outage of a client  742 ms
            latency p50                 210 µs
            latency p99                 900 µs
            latency p99.9               1.5 ms
            latency max                   9 ms
            outage of 2 clients: 842 ms (2 × connection closed, 40 × connection refused)
            lost: topple:1.1.0:0:0, acknowledged by m at -5,005 ms
            lost: topple:1.1.0:0:1, acknowledged by m at -5,005 ms
            lost: topple:1.1.0:0:2, acknowledged by m at -5,005 ms
            lost: topple:1.1.0:0:3, acknowledged by m at -5,005 ms
            lost: topple:1.1.0:0:4, acknowledged by m at -5,005 ms
            and 2 more

          scripts run by the sentinels, repeat 2
            notify.sh  2  runs  1 did not end with exit code 0  4.2 to 4.2 ms

          printed, repeat 2
            done

          timeline, repeat 2, ms since kill m
            -750.0  clients     begin: 2 clients, set via sentinels of mm
               0.0  experiment  kill m
               1.0  m           ended: SIGKILL
             600.0  s1          +sdown master mm 127.0.0.1 7000
             610.0  s2          +sdown master mm 127.0.0.1 7000
             620.0  s2          +sdown slave 127.0.0.1:7001 127.0.0.1 7001 @ mm 127.0.0.1 7000
             660.0  s2          +odown master mm 127.0.0.1 7000 #quorum 2/2
             700.0  s2          +elected-leader master mm 127.0.0.1 7000
             800.0  s2          +promoted-slave slave 127.0.0.1:7001 127.0.0.1 7001 @ mm 127.0.0.1 7000
             820.0  s1          +switch-master mm 127.0.0.1 7000 127.0.0.1 7001
             835.0  clients     first write acknowledged by r1
             840.0  clients     outage of 2 clients, lasted 842 ms (2 × connection closed, 40 × connection refused)
             850.0  s2          +switch-master mm 127.0.0.1 7000 127.0.0.1 7001
            2000.0  s1          ran notify.sh +switch-master mm: exit code 1 after 4.2 ms
            2000.0  clients     end: 12345 acknowledged, 7 lost
            2000.0  measure     failover 1,420 ms
            2000.0  check       FAILED: nothing is lost

        1 experiment, 2 of 3 repeats passed
    "#]],
    );
}

#[test]
fn a_repeat_that_ended_in_an_error() {
    let story = Story::new(0, 0)
        .at(0, What::RepeatBegin)
        .at(1, What::Started { node: M, pid: 100 })
        .at(30, What::Exited { node: M, pid: 100, how: Exit::Code(1), expected: false })
        .at(40, What::RepeatEnd { outcome: Outcome::Error("m did not answer: port in use".to_owned()) });
    check_text(
        &history(vec![story]),
        &expect![[r#"

        the master dies: FAILED, 40 ms

          error
            m did not answer: port in use

          timeline
             1.0  m  started, process 100
            30.0  m  ended by itself: exit code 1

        1 experiment, 0 of 1 repeats passed
    "#]],
    );
}

#[test]
fn phases_add_up_and_belong_to_the_leader() {
    let history = history(vec![failover(0, 0, 0)]);
    let events: Vec<&Event> = history.events.iter().collect();
    let found = failovers(&history, &events);
    assert_eq!(found.len(), 1, "the second +switch-master says the same");
    let failover = &found[0];
    assert_eq!(failover.leader.as_deref(), Some("s2"));
    assert_eq!((failover.from.as_deref(), failover.to.as_deref()), (Some("m"), Some("r1")));
    assert_eq!(failover.cause.as_deref(), Some("kill m"));
    let phases: Vec<(&str, f64)> =
        failover.phases.iter().map(|phase| (phase.name.as_str(), phase.ms)).collect();
    let expected = [
        ("detection", 510.0),
        ("agreement", 50.0),
        ("election", 40.0),
        ("promotion", 100.0),
        ("switch", 20.0),
        ("first write", 15.0),
    ];
    assert_eq!(phases, expected);
    assert_eq!(failover.total_ms, failover.phases.iter().map(|phase| phase.ms).sum::<f64>());
}

#[test]
fn a_failback_is_a_failover_of_its_own() {
    let back = "mm 127.0.0.1 7001 127.0.0.1 7000";
    let story = failover(0, 0, 0)
        .at(5000, What::Action { verb: "failover".to_owned(), nodes: vec![S1], detail: "mm".to_owned() })
        .said(5010, S1, "+elected-leader", "master mm 127.0.0.1 7001")
        .said(5100, S1, "+promoted-slave", "slave x @ mm 127.0.0.1 7001")
        .said(5130, S1, "+switch-master", back)
        .said(5140, S2, "+switch-master", back);
    let history = history(vec![story]);
    let events: Vec<&Event> = history.events.iter().collect();
    let found = failovers(&history, &events);
    let causes: Vec<Option<&str>> = found.iter().map(|failover| failover.cause.as_deref()).collect();
    assert_eq!(causes, [Some("kill m"), Some("failover mm")]);
    assert_eq!(found[1].total_ms, 130.0);
    assert_eq!(found[1].phases.len(), 3, "nobody was down");
}

#[test]
fn a_late_receipt_is_corrected_by_the_nodes_own_time() {
    let mut story = failover(0, 0, 0);
    for event in &mut story.events {
        if matches!(&event.what, What::Sentinel { event, node, .. } if event == "+sdown" && *node == S2) {
            // Received 30 ms late, because the supervisor was busy.
            event.node_wall_ms = Some(1_800_000_000_000 + 1480);
        }
    }
    let history = history(vec![story]);
    let events: Vec<&Event> = history.events.iter().collect();
    assert_eq!(failovers(&history, &events)[0].phases[0].ms, 480.0);
}

#[test]
fn what_follows_the_end_of_a_repeat_is_not_part_of_it() {
    let history = history(vec![end(failover(0, 0, 0), 3000, 0)]);
    let summary = summarise(&history);
    assert_eq!(summary.experiments[0].repeats[0].took_ms, 3000.0);
    assert_eq!(summary.experiments[0].repeats[0].ready_ms, Some(239.0));
}

#[test]
fn the_json_form_holds_the_whole_history() {
    let history = history(vec![end(failover(0, 0, 0), 3000, 1)]);
    let document: serde_json::Value = serde_json::from_str(&super::json::json(&history)).expect("JSON");
    assert_eq!(document["version"], 1);
    assert_eq!(document["summary"]["experiments"][0]["failovers"][0]["total"]["median"], 735.0);
    let read_back: History = serde_json::from_value(document["history"].clone()).expect("a history");
    assert_eq!(read_back, history);
}

#[test]
fn colours_change_nothing_but_colours() {
    let history = history(vec![end(failover(0, 0, 0), 3000, 2)]);
    let mut plain = String::new();
    let mut rest = text(&history, Paint::new(true));
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        rest = after.split_once('m').map_or(String::new(), |(_, after)| after.to_owned());
    }
    plain.push_str(&rest);
    // Padding before the end of a painted line is cut in the plain form only.
    let trimmed = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    assert_eq!(trimmed(&plain), trimmed(&text(&history, Paint::default())));
}
