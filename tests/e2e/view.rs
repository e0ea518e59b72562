//! The live view in a real terminal.

use std::time::Duration;

use super::support::terminal::Terminal;
use super::support::topple::{Place, free_ports};

const LIMIT: Duration = Duration::from_secs(40);

fn place(port: u16) -> Place {
    let place = Place::new();
    let more = port + 10;
    let text = format!(
        "topology(#{{ name: \"t\" }});\nlet m = master(\"m\", #{{ port: {port} }});\n\
         let r = replicas(\"r\", m, 2, #{{ port: {} }});\nlet s = sentinels(\"s\", 3, #{{ port: {more} }});\n\
         monitor(s, \"mm\", m, #{{ quorum: 2, down_after: \"500ms\" }});\n",
        port + 1
    );
    place.write("t.rhai", &text);
    place
}

/// `topple up t.rhai` in a terminal, once the nodes are shown.
fn up(place: &Place, args: &[&str], rows: u16, columns: u16) -> Terminal {
    let mut command = place.command(&["up", "t.rhai"]);
    command.args(args);
    let mut terminal = Terminal::start(&command, rows, columns);
    terminal.wait_for("6 of 6 nodes run", LIMIT);
    terminal.wait_for("ready after", LIMIT);
    terminal
}

/// What must hold once the view is gone, however it went.
#[track_caller]
fn expect_restored(terminal: &mut Terminal, before: &rustix::termios::Termios) {
    let after = terminal.modes();
    assert_eq!(
        (before.local_modes, before.input_modes, before.output_modes),
        (after.local_modes, after.input_modes, after.output_modes)
    );
    let screen = terminal.screen();
    assert!(!screen.alternate_screen(), "the terminal's own screen is back");
    assert!(!screen.hide_cursor(), "the cursor is back");
}

#[test]
fn it_shows_the_nodes_acts_by_keys_and_gives_the_terminal_back() {
    let place = place(free_ports(20));
    // Before anything has touched the terminal.
    let fresh = Terminal::start(place.shell("true").arg("-c").arg("true"), 24, 80).modes();
    let mut terminal = up(&place, &[], 24, 80);
    assert!(terminal.screen().alternate_screen());
    assert_ne!(terminal.modes().local_modes, fresh.local_modes);
    terminal.wait_for("q stop all", LIMIT);
    terminal.press("k");
    terminal.wait_for("ended (SIGKILL)", LIMIT);
    terminal.wait_for("+switch-master", LIMIT);
    // `s` starts what is down; the choice is on the first node still.
    terminal.press("s");
    terminal.wait_until("the old master follows", LIMIT, |screen| {
        screen.contents().lines().any(|line| line.trim_start().starts_with("m ") && line.contains("slave"))
    });
    terminal.press("\x1b[B");
    terminal.press("p");
    terminal.wait_for("r1: paused", LIMIT);
    terminal.press("p");
    terminal.wait_for("r1: running", LIMIT);
    terminal.press("l");
    terminal.wait_for("log of r1", LIMIT);
    terminal.wait_for("MASTER <-> REPLICA sync", LIMIT);
    terminal.press("q");
    terminal.wait_for("── events", LIMIT);
    terminal.resize(8, 30);
    terminal.wait_until("drawn in the new size", LIMIT, |screen| {
        let rows: Vec<String> = screen.rows(0, 30).collect();
        rows[0].starts_with(" t ") && rows[1].contains("NODE") && rows[7].contains("q stop all")
    });
    terminal.resize(40, 160);
    terminal.wait_for("CLIENTS", LIMIT);
    terminal.press("q");
    let status = terminal.finish(LIMIT);
    assert!(status.success(), "{status}");
    expect_restored(&mut terminal, &fresh);
    let left = terminal.text();
    assert!(left.contains("left with q: stopping") && left.contains("ended: exit code 0"), "{left}");
    place.expect_nothing_left(Duration::from_secs(10));
}

#[test]
fn ctrl_c_stops_in_order_and_twice_at_once() {
    let place = place(free_ports(20));
    let fresh = Terminal::start(place.shell("true").arg("-c").arg("true"), 24, 80).modes();
    let mut terminal = up(&place, &[], 24, 80);
    terminal.press("\x03");
    let status = terminal.finish(LIMIT);
    assert!(status.success(), "{status}");
    expect_restored(&mut terminal, &fresh);
    assert!(terminal.text().contains("interrupted (Ctrl-C): stopping (once more ends everything at once)"));
    place.expect_nothing_left(Duration::from_secs(10));
    // A process that does not stop would be waited for.
    let text = std::fs::read_to_string(place.path().join("t.rhai")).expect("text");
    let deaf = "process(\"p\", #{ command: [\"sh\", \"-c\", \"trap '' TERM; echo on; while :; do sleep 1; done\"], ready: \"on\" });";
    place.write("t.rhai", &format!("{text}{deaf}\n"));
    let mut terminal = Terminal::start(&place.command(&["up", "t.rhai"]), 24, 80);
    terminal.wait_for("7 of 7 nodes run", LIMIT);
    terminal.press("\x03");
    terminal.wait_for("stopping (once more ends everything at once)", LIMIT);
    terminal.wait_for("still runs 2 s after SIGTERM: it is waited for", LIMIT);
    terminal.press("\x03");
    let status = terminal.finish(Duration::from_secs(5));
    assert_eq!(status.code(), Some(130));
    expect_restored(&mut terminal, &fresh);
    place.expect_nothing_left(Duration::from_secs(10));
}

#[test]
fn a_bring_up_that_is_left_says_so() {
    let place = place(free_ports(20));
    let text = std::fs::read_to_string(place.path().join("t.rhai")).expect("text");
    let slow = "process(\"p\", #{ command: [\"sleep\", \"1000\"], ready: \"never\" });";
    place.write("t.rhai", &format!("{text}{slow}\n"));
    let fresh = Terminal::start(place.shell("true").arg("-c").arg("true"), 24, 80).modes();
    let mut terminal = Terminal::start(&place.command(&["up", "t.rhai"]), 24, 80);
    terminal.wait_for("7 of 7 nodes run", LIMIT);
    terminal.press("q");
    assert_eq!(terminal.finish(LIMIT).code(), Some(130));
    expect_restored(&mut terminal, &fresh);
    assert!(terminal.text().contains("left with q: ending what was started"), "{}", terminal.text());
    place.expect_nothing_left(Duration::from_secs(10));
}

/// Sets how much address space a process may have; none: as much as it likes.
fn limit_address_space(pid: i32, bytes: Option<u64>) {
    let limit = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
    let status = std::process::Command::new("prlimit")
        .args(["--pid", &pid.to_string(), &format!("--as={limit}:unlimited")])
        .status();
    assert!(status.expect("prlimit starts: apt-get install util-linux").success());
}

#[test]
fn a_panic_of_the_view_gives_the_terminal_back_before_its_message() {
    let place = place(free_ports(20));
    let fresh = Terminal::start(place.shell("true").arg("-c").arg("true"), 24, 80).modes();
    let mut terminal = up(&place, &[], 24, 80);
    // A key that does something has the view start a thread, for whose stack there is no room: that is a panic.
    let status = std::fs::read_to_string(format!("/proc/{}/status", terminal.pid())).expect("its status");
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).expect("its size");
    let size_kb: u64 = size.trim().trim_end_matches(" kB").parse().expect("a number");
    limit_address_space(terminal.pid(), Some(size_kb * 1024 + (1 << 20)));
    terminal.press("k");
    terminal.wait_for("the live view is gone, the topology is up: Ctrl-C stops it", LIMIT);
    limit_address_space(terminal.pid(), None);
    expect_restored(&mut terminal, &fresh);
    let raw = terminal.raw();
    let at = |text: &str| raw.find(text).unwrap_or_else(|| panic!("no {text:?} in {raw:?}"));
    assert!(
        at("\x1b[?1049h") < at("\x1b[?1049l") && at("\x1b[?1049l") < at("failed to spawn thread"),
        "{raw:?}"
    );
    let (_, status) = place.start(&["status"]).finish(LIMIT);
    assert_eq!(status.matches(" running ").count(), 6, "{status}");
    // The terminal's own Ctrl-C again.
    terminal.press("\x03");
    assert!(terminal.finish(LIMIT).success());
    place.expect_nothing_left(Duration::from_secs(10));
}

#[test]
fn signals_give_the_terminal_back_too() {
    let place = place(free_ports(20));
    let fresh = Terminal::start(place.shell("true").arg("-c").arg("true"), 24, 80).modes();
    let mut terminal = up(&place, &[], 24, 80);
    sys::signal_process(terminal.pid(), 15).expect("it runs");
    assert!(terminal.finish(LIMIT).success());
    expect_restored(&mut terminal, &fresh);
    assert!(terminal.text().contains("terminated (SIGTERM): stopping"), "{}", terminal.text());
    place.expect_nothing_left(Duration::from_secs(10));
}

#[test]
fn a_topology_that_does_not_come_up_is_explained_on_the_terminals_own_screen() {
    let port = free_ports(20);
    let place = place(port);
    let fresh = Terminal::start(place.shell("true").arg("-c").arg("true"), 24, 80).modes();
    let _taken = std::net::TcpListener::bind(("127.0.0.1", port + 1)).expect("the port of r1");
    let mut terminal = Terminal::start(&place.command(&["up", "t.rhai"]), 24, 80);
    let status = terminal.finish(LIMIT);
    assert_eq!(status.code(), Some(3));
    expect_restored(&mut terminal, &fresh);
    let text = terminal.text();
    assert!(text.contains("r1 cannot listen") && !text.contains("live view"), "{text}");
}

#[test]
fn ctrl_z_suspends_the_view_and_the_nodes_go_on() {
    let place = place(free_ports(20));
    let mut terminal = Terminal::start(place.shell("bash").args(["--norc", "-i"]), 24, 80);
    terminal.press(&format!("PS1='$ '; {} up t.rhai\n", env!("CARGO_BIN_EXE_topple")));
    terminal.wait_for("6 of 6 nodes run", LIMIT);
    terminal.press("\x1a");
    terminal.wait_for("Stopped", LIMIT);
    let modes = terminal.modes();
    assert!(!terminal.screen().alternate_screen());
    terminal.press("fg\n");
    terminal.wait_until("the view again", LIMIT, |screen| {
        screen.alternate_screen() && screen.contents().contains("6 of 6 nodes run")
    });
    terminal.press("q");
    terminal.wait_until("the shell again", LIMIT, |screen| {
        !screen.alternate_screen() && screen.contents().trim_end().ends_with('$')
    });
    // The shell sets modes of its own while it reads a line, the same before and after.
    assert_eq!(terminal.modes().local_modes, modes.local_modes);
    terminal.press("exit\n");
    terminal.finish(LIMIT);
    place.expect_nothing_left(Duration::from_secs(10));
}

#[test]
fn colours_are_left_out_on_demand_and_plain_lines_are_plain() {
    let place = place(free_ports(20));
    let coloured = |screen: &vt100::Screen| {
        let (rows, columns) = screen.size();
        let mut cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        cells.any(|(row, column)| {
            screen.cell(row, column).is_some_and(|cell| cell.fgcolor() != vt100::Color::Default)
        })
    };
    let mut terminal = up(&place, &[], 24, 80);
    terminal.wait_until("in colour", LIMIT, coloured);
    terminal.press("q");
    terminal.finish(LIMIT);
    let mut command = place.command(&["up", "t.rhai"]);
    command.env("NO_COLOR", "1");
    let mut terminal = Terminal::start(&command, 24, 80);
    terminal.wait_for("6 of 6 nodes run", LIMIT);
    terminal.press("k");
    terminal.wait_for("+switch-master", LIMIT);
    assert!(!coloured(&terminal.screen()));
    terminal.press("q");
    terminal.finish(LIMIT);
    let mut terminal = Terminal::start(&place.command(&["up", "t.rhai", "--plain"]), 24, 80);
    terminal.wait_for("Ctrl-C stops the topology", LIMIT);
    assert!(!terminal.raw().contains("\x1b[?1049h"), "no screen of its own");
    // The terminal's own Ctrl-C, not a key.
    terminal.press("\x03");
    assert!(terminal.finish(LIMIT).success());
    let mut piped = place.start(&["up", "t.rhai"]);
    let line = piped.wait_for("ready after", LIMIT);
    assert!(!line.contains('\x1b'), "{line:?}");
    piped.signal(2);
    assert!(!piped.finish(LIMIT).1.contains('\x1b'));
    place.expect_nothing_left(Duration::from_secs(10));
}

#[test]
fn attach_shows_what_is_up_and_leaves_it_up() {
    let place = place(free_ports(20));
    let (status, output) = place.start(&["attach"]).finish(LIMIT);
    assert_eq!(status.code(), Some(3), "{output}");
    assert!(output.contains("the live view needs a terminal"), "{output}");
    let (status, output) = place.start(&["up", "t.rhai", "-d"]).finish(LIMIT);
    assert!(status.success(), "{output}");
    let fresh = Terminal::start(place.shell("true").arg("-c").arg("true"), 24, 80).modes();
    for key in ["q", "\x03"] {
        let mut terminal = Terminal::start(&place.command(&["attach"]), 24, 80);
        terminal.wait_for("6 of 6 nodes run", LIMIT);
        terminal.wait_for("q leave", LIMIT);
        terminal.press(key);
        assert!(terminal.finish(LIMIT).success());
        expect_restored(&mut terminal, &fresh);
    }
    let mut terminal = Terminal::start(&place.command(&["attach"]), 24, 80);
    terminal.wait_for("6 of 6 nodes run", LIMIT);
    let (_, output) = place.start(&["down"]).finish(LIMIT);
    assert!(output.contains("t is down"), "{output}");
    assert!(terminal.finish(LIMIT).success());
    expect_restored(&mut terminal, &fresh);
    assert!(terminal.text().contains("t is down"), "{}", terminal.text());
    place.expect_nothing_left(Duration::from_secs(10));
}
