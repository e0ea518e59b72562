//! The view as text: a state in, a screen out; keys in, commands out.

use std::path::Path;
use std::rc::Rc;

use expect_test::{Expect, expect};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::{Color, Modifier};

use super::draw::{Palette, draw};
use super::state::{Command, Page, Purpose, State};
use crate::control::protocol::{Description, NodeStatus, Verb};
use crate::history::{Event, Exit, Moment, ReloadStage, What};
use crate::lang::{Inputs, Script, evaluate};
use crate::plan::{NodeId, Plan};
use crate::ports::CountedPorts;

fn plan() -> Plan {
    let source = "let m = master(\"m\"); let r = replicas(\"r\", m, 2); let s = sentinels(\"s\", 3);
                  monitor(s, \"mymaster\", m); experiment(\"the master dies\", || {});";
    let script = Rc::new(Script::from_text("t.rhai", source, Path::new("/")));
    evaluate(&script, &Inputs::default(), Box::new(CountedPorts::default())).expect("right").plan
}

fn node(name: &str, port: u16, role: &str, of: &[&str]) -> NodeStatus {
    let sentinel = role == "sentinel";
    NodeStatus {
        name: name.to_owned(),
        address: format!("127.0.0.1:{port}"),
        state: "running".to_owned(),
        pid: Some(4711),
        role: Some(role.to_owned()),
        of: of.iter().map(|&name| name.to_owned()).collect(),
        linked: (role == "slave").then_some(true),
        offset: (!sentinel).then_some(15_590),
        keys: (!sentinel).then_some(3),
        used_bytes: (!sentinel).then_some(1_572_864),
        clients: Some(7),
        ops_per_s: Some(22),
        ..NodeStatus::default()
    }
}

fn event(at: u64, what: What) -> Event {
    Event { at: Moment(at), node_wall_ms: None, during: None, what }
}

/// A topology whose master has just been killed.
fn state(purpose: Purpose) -> State {
    let description =
        Description { file: "sentinel.rhai".to_owned(), pid: 1, started_wall_ms: 1000, plan: plan() };
    let mut state = State::new(purpose, description);
    state.now_ms = 124_000;
    let down = NodeStatus {
        name: "m".to_owned(),
        address: "127.0.0.1:6379".to_owned(),
        state: "ended (SIGKILL)".to_owned(),
        ..NodeStatus::default()
    };
    let mut broken = node("r2", 6381, "slave", &["r1"]);
    broken.linked = Some(false);
    let sentinel = |name, port| node(name, port, "sentinel", &["mymaster (ok)"]);
    state.status(vec![
        down,
        node("r1", 6380, "master", &[]),
        broken,
        sentinel("s1", 26379),
        sentinel("s2", 26380),
        sentinel("s3", 26381),
    ]);
    for (at, what) in [
        (12_000, What::Started { node: NodeId(0), pid: 4711 }),
        (171_000, What::Ready { took_us: 171_000 }),
        (1_500_000, What::Exited { node: NodeId(0), pid: 4711, how: Exit::Signal(9), expected: true }),
        (
            2_020_000,
            What::Sentinel {
                node: NodeId(3),
                monitor: None,
                event: "+switch-master".to_owned(),
                text: "mymaster 127.0.0.1 6379 127.0.0.1 6380".to_owned(),
            },
        ),
        (2_500_000, What::Plan { plan: Box::new(plan()) }),
        (
            3_000_000,
            What::Reload {
                stage: ReloadStage::Refused,
                node: None,
                text: "has mistakes\nerror: unknown word".to_owned(),
            },
        ),
    ] {
        state.event(&event(at, what));
    }
    state
}

fn drawn(state: &State, width: u16, height: u16, palette: Palette) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    terminal.draw(|frame| draw(frame, state, palette)).expect("drawn");
    terminal
}

fn text(state: &State, width: u16, height: u16) -> String {
    let terminal = drawn(state, width, height, Palette::Colours);
    let buffer = terminal.backend().buffer();
    let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..height).map(|y| format!("|{}\n", row(y).trim_end())).collect()
}

#[track_caller]
fn check(state: &State, width: u16, height: u16, expected: Expect) {
    expected.assert_eq(&text(state, width, height));
}

fn press(state: &mut State, code: KeyCode) -> Option<Command> {
    state.key(KeyEvent::new(code, KeyModifiers::NONE))
}

#[test]
fn the_usual_terminal() {
    check(
        &state(Purpose::Up),
        80,
        24,
        expect![[r#"
            | t  5 of 6 nodes run  up 2m03s                                    sentinel.rhai
            | NODE  STATE            ROLE      OF                   LAG  MEMORY  OPS/S
            | m     ended (SIGKILL)  -         -                      -       -      -
            | r1    running          master    -                      -    1.5M     22
            | r2    running          slave     r1             link down    1.5M     22
            | s1    running          sentinel  mymaster (ok)          -       -     22
            | s2    running          sentinel  mymaster (ok)          -       -     22
            | s3    running          sentinel  mymaster (ok)          -       -     22
            |── events ── experiments: the master dies ──────────────────────────────────────
            |    0.012  m         started, process 4711
            |    0.171  topology  ready after 171 ms
            |    1.500  m         ended: SIGKILL
            |    2.020  s1        +switch-master mymaster 127.0.0.1 6379 127.0.0.1 6380
            |    3.000  script    has mistakes
            |                     error: unknown word
            |
            |
            |
            |
            |
            |
            |
            |
            | q stop all  ? help  ↑↓ choose  k kill  p pause  s stop  r restart  l log
        "#]],
    );
}

#[test]
fn a_wide_one_has_every_column() {
    check(
        &state(Purpose::Attach),
        130,
        16,
        expect![[r#"
            | t  5 of 6 nodes run  up 2m03s                                                                                      sentinel.rhai
            | NODE  STATE            ROLE      OF             ADDRESS           PID  OFFSET        LAG  KEYS  MEMORY  CLIENTS  OPS/S
            | m     ended (SIGKILL)  -         -              127.0.0.1:6379      -       -          -     -       -        -      -
            | r1    running          master    -              127.0.0.1:6380   4711   15590          -     3    1.5M        7     22
            | r2    running          slave     r1             127.0.0.1:6381   4711   15590  link down     3    1.5M        7     22
            | s1    running          sentinel  mymaster (ok)  127.0.0.1:26379  4711       -          -     -       -        7     22
            | s2    running          sentinel  mymaster (ok)  127.0.0.1:26380  4711       -          -     -       -        7     22
            | s3    running          sentinel  mymaster (ok)  127.0.0.1:26381  4711       -          -     -       -        7     22
            |── events ── experiments: the master dies ────────────────────────────────────────────────────────────────────────────────────────
            |    0.012  m         started, process 4711
            |    0.171  topology  ready after 171 ms
            |    1.500  m         ended: SIGKILL
            |    2.020  s1        +switch-master mymaster 127.0.0.1 6379 127.0.0.1 6380
            |    3.000  script    has mistakes
            |                     error: unknown word
            | q leave  ? help  ↑↓ choose  k kill  p pause  s stop  r restart  l log
        "#]],
    );
}

#[test]
fn small_ones_keep_what_matters() {
    let mut state = state(Purpose::Up);
    state.selected = 5;
    check(
        &state,
        40,
        10,
        expect![[r#"
            | t  5 of 6 nodes run  up 2m03s  sentine…
            | NODE  STATE            ROLE
            | s1    running          sentinel
            | s2    running          sentinel
            | s3    running          sentinel
            |── events ── experiments: the master di…
            |    2.020  s1        +switch-master myma
            |    3.000  script    has mistakes
            |                     error: unknown word
            | q stop all  ? help  ↑↓ choose  k kill
        "#]],
    );
    check(
        &state,
        20,
        5,
        expect![[r#"
            | t  5 of 6 nodes run
            | NODE  STATE
            | s3    running
            |── events ── experi…
            | q stop all  ? help
        "#]],
    );
    for (width, height) in [(1, 1), (3, 2), (80, 1), (80, 2), (80, 3), (5, 24), (300, 100)] {
        drawn(&state, width, height, Palette::Plain);
    }
}

#[test]
fn before_the_first_answer_it_says_so() {
    let mut empty = state(Purpose::Up);
    empty.nodes.clear();
    empty.events.clear();
    check(
        &empty,
        60,
        6,
        expect![[r#"
            | t  0 of 6 nodes run  up 2m03s                sentinel.rhai
            | the nodes are being started …
            |── events ── experiments: the master dies ──────────────────
            |
            |
            | q stop all  ? help  ↑↓ choose  k kill  p pause  s stop  r r
        "#]],
    );
}

#[test]
fn a_log_fills_the_terminal_and_scrolls() {
    let mut state = state(Purpose::Up);
    assert_eq!(press(&mut state, KeyCode::Down), None);
    assert_eq!(press(&mut state, KeyCode::Char('l')), Some(Command::OpenLog("r1".to_owned())));
    state.log_lines((1..=20).map(|number| format!("line {number}\tof the log")).collect());
    check(
        &state,
        50,
        6,
        expect![[r#"
            | t  5 of 6 nodes run  up 2m03s          log of r1
            |line 17 of the log
            |line 18 of the log
            |line 19 of the log
            |line 20 of the log
            | ↑↓ PgUp PgDn scroll  End newest  q back
        "#]],
    );
    press(&mut state, KeyCode::PageUp);
    state.log_lines(vec!["one more".to_owned()]);
    check(
        &state,
        50,
        6,
        expect![[r#"
            | t  5 of 6 nodes run  up 2m03s          log of r1
            |line 7 of the log
            |line 8 of the log
            |line 9 of the log
            |line 10 of the log
            | ↑↓ PgUp PgDn scroll  End newest  q back
        "#]],
    );
    press(&mut state, KeyCode::End);
    assert!(text(&state, 50, 6).contains("one more"));
    assert_eq!(press(&mut state, KeyCode::Esc), Some(Command::CloseLog));
    assert_eq!(state.page, Page::Nodes);
}

#[test]
fn the_help_tells_what_leaving_means() {
    let mut up = state(Purpose::Up);
    press(&mut up, KeyCode::Char('?'));
    check(
        &up,
        80,
        14,
        expect![[r#"
            | t  5 of 6 nodes run  up 2m03s                                             keys
            |  ↑ ↓        choose a node
            |  k          kill it (SIGKILL)
            |  p          pause it (SIGSTOP), or let it go on
            |  s          stop it in order, or start it
            |  r          restart it
            |  l, Enter   its log; l, q or Esc closes it
            |  PgUp PgDn  older and newer events or log lines; Esc the newest
            |  Ctrl-L     draw anew
            |  Ctrl-Z     suspend the view; the nodes go on
            |  ?          these keys
            |  q, Ctrl-C  stop the topology in order; Ctrl-C once more: at once
            |
            | any key back
        "#]],
    );
    press(&mut up, KeyCode::Char('x'));
    assert_eq!(up.page, Page::Nodes);
    let mut attached = state(Purpose::Attach);
    press(&mut attached, KeyCode::Char('?'));
    assert!(text(&attached, 80, 14).contains("the topology stays up"));
}

#[test]
fn keys_act_on_the_chosen_node() {
    let mut state = state(Purpose::Up);
    let act = |verb, node: &str| Some(Command::Act(verb, node.to_owned()));
    assert_eq!(press(&mut state, KeyCode::Char('s')), act(Verb::Start, "m"));
    press(&mut state, KeyCode::Down);
    assert_eq!(press(&mut state, KeyCode::Char('k')), act(Verb::Kill, "r1"));
    assert!(text(&state, 80, 24).contains("kill r1 …"));
    assert_eq!(press(&mut state, KeyCode::Char('s')), act(Verb::Stop, "r1"));
    assert_eq!(press(&mut state, KeyCode::Char('p')), act(Verb::Pause, "r1"));
    state.acted(Ok(("r1".to_owned(), "paused".to_owned())));
    assert!(text(&state, 80, 24).contains("r1: paused"));
    assert_eq!(press(&mut state, KeyCode::Char('p')), act(Verb::Resume, "r1"));
    assert_eq!(press(&mut state, KeyCode::Char('r')), act(Verb::Restart, "r1"));
    state.acted(Err("r1 is not running".to_owned()));
    assert!(text(&state, 80, 24).contains("r1 is not running"));
    state.acted(Ok(("r1".to_owned(), "ended (SIGKILL)".to_owned())));
    assert_eq!(press(&mut state, KeyCode::Char('s')), act(Verb::Start, "r1"));
    press(&mut state, KeyCode::End);
    press(&mut state, KeyCode::Down);
    assert_eq!(state.selected, 5);
    assert_eq!(press(&mut state, KeyCode::Char('q')), Some(Command::Quit));
    assert_eq!(state.key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), Some(Command::Interrupt));
    // The choice stays with its node when others come and go.
    let fewer = state.nodes[3..].to_vec();
    state.status(fewer);
    assert_eq!(state.chosen().map(|node| node.name.as_str()), Some("s3"));
    state.status(Vec::new());
    assert_eq!(press(&mut state, KeyCode::Char('k')), None);
}

#[test]
fn events_scroll_back_and_stay_where_they_are() {
    let mut state = state(Purpose::Up);
    for number in 0..40 {
        state.event(&event(4_000_000, What::Print { text: format!("print {number}") }));
    }
    press(&mut state, KeyCode::PageUp);
    let before = text(&state, 80, 20);
    assert!(before.contains("print 34") && !before.contains("print 35"), "{before}");
    state.event(&event(5_000_000, What::Print { text: "later".to_owned() }));
    assert!(text(&state, 80, 20).contains("print 34") && !text(&state, 80, 20).contains("print 35"));
    press(&mut state, KeyCode::Esc);
    assert!(text(&state, 80, 20).contains("later"));
}

#[test]
fn without_colours_there_are_none() {
    let state = state(Purpose::Up);
    let coloured = |palette| {
        let terminal = drawn(&state, 80, 24, palette);
        let cells = terminal.backend().buffer().content().to_vec();
        cells.iter().any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
    };
    assert!(coloured(Palette::Colours));
    assert!(!coloured(Palette::Plain));
    let terminal = drawn(&state, 80, 24, Palette::Plain);
    assert!(terminal.backend().buffer()[(2, 2)].modifier.contains(Modifier::REVERSED), "the choice is seen");
}
