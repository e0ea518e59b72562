//! Readiness from hand-made facts: each case breaks one thing in a ready topology.

use std::time::Duration;

use super::*;
use crate::plan::{EngineChoice, Node, Position, RestartPolicy};

const M: NodeId = NodeId(0);
const R1: NodeId = NodeId(1);
const S1: NodeId = NodeId(2);
const S2: NodeId = NodeId(3);

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

fn plan() -> Plan {
    Plan {
        nodes: vec![
            node("m", 1, NodeKind::Master),
            node("r1", 2, NodeKind::Replica { of: M }),
            node("s1", 11, NodeKind::Sentinel),
            node("s2", 12, NodeKind::Sentinel),
        ],
        monitors: vec![Monitor {
            name: "mm".to_owned(),
            master: M,
            sentinels: vec![S1, S2],
            quorum: 2,
            down_after: Duration::from_secs(1),
            failover_timeout: Duration::from_secs(10),
            parallel_syncs: 1,
            notification_script: None,
            client_reconfig_script: None,
            position: Position::default(),
        }],
        ..Plan::default()
    }
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn peer(port: u16, flags: &str) -> Peer {
    Peer { address: at(port), flags: flags.to_owned(), linked: true }
}

fn ready_round() -> Round {
    let sentinel = |other: u16| {
        let facts = MonitorFacts {
            address: Some(at(1)),
            flags: "master".to_owned(),
            replicas: vec![peer(2, "slave")],
            sentinels: vec![peer(other, "sentinel")],
        };
        Facts::Sentinel(BTreeMap::from([("mm".to_owned(), facts)]))
    };
    let master = ServerFacts { role: "master".to_owned(), offset: 100, ..ServerFacts::default() };
    let replica = ServerFacts {
        role: "slave".to_owned(),
        master: Some(at(1)),
        linked: true,
        offset: 100,
        ..ServerFacts::default()
    };
    Round {
        facts: HashMap::from([
            (M, Facts::Server(master)),
            (R1, Facts::Server(replica)),
            (S1, sentinel(12)),
            (S2, sentinel(11)),
        ]),
        earlier_offsets: HashMap::new(),
    }
}

fn judged(expect: Expect, change: impl FnOnce(&mut Round)) -> Vec<String> {
    let mut round = ready_round();
    change(&mut round);
    let plan = plan();
    missing(&plan, &plan.node_ids().collect::<Vec<_>>(), expect, &round)
}

fn server(round: &mut Round, id: NodeId) -> &mut ServerFacts {
    match round.facts.get_mut(&id) {
        Some(Facts::Server(facts)) => facts,
        other => panic!("{other:?}"),
    }
}

fn monitored(round: &mut Round, id: NodeId) -> &mut MonitorFacts {
    match round.facts.get_mut(&id) {
        Some(Facts::Sentinel(facts)) => facts.get_mut("mm").expect("monitored"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_ready_topology_misses_nothing() {
    assert!(judged(Expect::DeclaredRoles, |_| {}).is_empty());
    assert!(judged(Expect::AnyConsistentRoles, |_| {}).is_empty());
}

#[test]
fn each_thing_missing_is_named() {
    let one = |expected: &str, change: fn(&mut Round)| {
        assert_eq!(judged(Expect::DeclaredRoles, change), [expected]);
    };
    one("r1: link to m is not up", |round| server(round, R1).linked = false);
    one("r1: at offset 99, its master m at 100", |round| server(round, R1).offset = 99);
    one("m: still loading its data", |round| server(round, M).loading = true);
    one("s1: mm: does not know s2 yet", |round| monitored(round, S1).sentinels.clear());
    one("s2: mm: does not know r1 yet", |round| monitored(round, S2).replicas.clear());
    one("s2: mm: sees r1 as slave,s_down", |round| {
        monitored(round, S2).replicas = vec![peer(2, "slave,s_down")];
    });
    one("s1: mm: sees m as master,s_down", |round| {
        monitored(round, S1).flags = "master,s_down".to_owned();
    });
    one("s1: does not monitor mm", |round| {
        round.facts.insert(S1, Facts::Sentinel(BTreeMap::new()));
    });
    one("s2: not running", |round| {
        round.facts.insert(S2, Facts::Silent("not running".to_owned()));
    });
}

#[test]
fn a_replica_whose_master_is_silent_is_not_ready() {
    let problems = judged(Expect::DeclaredRoles, |round| {
        round.facts.insert(M, Facts::Silent("not running".to_owned()));
    });
    assert_eq!(problems, ["m: not running", "r1: its master m does not answer"]);
}

#[test]
fn after_a_failover_roles_may_differ_from_the_declared_ones() {
    let swapped = |round: &mut Round| {
        *server(round, R1) = ServerFacts { role: "master".to_owned(), offset: 7, ..ServerFacts::default() };
        *server(round, M) = ServerFacts {
            role: "slave".to_owned(),
            master: Some(at(2)),
            linked: true,
            offset: 7,
            ..ServerFacts::default()
        };
        for sentinel in [S1, S2] {
            monitored(round, sentinel).address = Some(at(2));
            monitored(round, sentinel).replicas = vec![peer(1, "slave")];
        }
    };
    assert!(judged(Expect::AnyConsistentRoles, swapped).is_empty());
    assert_eq!(judged(Expect::DeclaredRoles, swapped).len(), 4);
}

#[test]
fn under_writes_keeping_up_is_enough_later_but_not_at_the_start() {
    let behind = |round: &mut Round| {
        server(round, M).offset = 150;
        server(round, R1).offset = 120;
        round.earlier_offsets.insert(M, 110);
    };
    assert!(judged(Expect::AnyConsistentRoles, behind).is_empty());
    assert_eq!(judged(Expect::DeclaredRoles, behind).len(), 1);
    let stuck = |round: &mut Round| {
        server(round, M).offset = 150;
        server(round, R1).offset = 100;
        round.earlier_offsets.insert(M, 110);
    };
    assert_eq!(judged(Expect::AnyConsistentRoles, stuck).len(), 1);
}
