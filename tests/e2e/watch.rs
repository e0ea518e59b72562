//! `up --watch`: scripts that change while their topology is up.

use std::fs;
use std::time::{Duration, Instant};

use super::support::topple::{Place, Running, free_ports, on_path};

const LIMIT: Duration = Duration::from_secs(40);
const DONE: &str = "the topology is what the script says";
const TAKEN_BACK: &str = "the topology is what it was before the script changed";

/// A master with replicas under sentinels.
struct Script {
    port: u16,
    replicas: u16,
    sentinels: u16,
    quorum: u16,
    more: String,
    config: String,
}

impl Script {
    fn new(port: u16) -> Self {
        Self { port, replicas: 2, sentinels: 3, quorum: 2, more: String::new(), config: String::new() }
    }

    fn text(&self) -> String {
        let Self { port, replicas, sentinels, quorum, more, config } = self;
        format!(
            r#"
topology(#{{ name: "t" }});
let m = master("m", #{{ port: {port}, config: #{{ {config} }} }});
let rs = replicas("r", m, {replicas}, #{{ port: {} }});
let ss = sentinels("s", {sentinels}, #{{ port: {} }});
let mm = monitor(ss, "mm", m, #{{ quorum: {quorum}, down_after: "500ms", failover_timeout: "5s" }});
{more}
"#,
            port + 1,
            port + 10
        )
    }
}

/// Runs `topple` to its end; gives the exit code and all output.
fn topple(place: &Place, args: &[&str]) -> (i32, String) {
    let (status, output) = place.start(args).finish(LIMIT);
    (status.code().expect("an exit code"), output)
}

#[track_caller]
fn ok(place: &Place, args: &[&str]) -> String {
    let (status, output) = topple(place, args);
    assert_eq!(status, 0, "{args:?}: {output}");
    output
}

/// Asks until the output has the text.
#[track_caller]
fn await_output(place: &Place, args: &[&str], text: &str) {
    let deadline = Instant::now() + LIMIT;
    loop {
        let (_, output) = topple(place, args);
        if output.contains(text) {
            return;
        }
        assert!(Instant::now() < deadline, "{args:?} never has {text:?}: {output}");
    }
}

/// Brings the script up, followed, and gives its output behind "ready".
fn up(place: &Place, script: &Script) -> Running {
    place.write("t.rhai", &script.text());
    let mut running = place.start(&["up", "t.rhai", "--watch"]);
    running.wait_for("Ctrl-C stops the topology", LIMIT);
    running
}

fn down(place: &Place, running: Running) {
    ok(place, &["down"]);
    assert!(running.finish(LIMIT).0.success());
    place.expect_nothing_left(Duration::from_secs(10));
}

#[test]
fn nodes_join_leave_and_are_set_live_and_ports_never_move() {
    on_path("redis-cli");
    let place = Place::new();
    let mut script = Script::new(free_ports(20));
    script.config = "maxmemory: \"100mb\"".to_owned();
    let mut running = up(&place, &script);
    let pid = |name: &str| {
        let status = ok(&place, &["status"]);
        let row = status.lines().find(|line| line.starts_with(&format!("{name} "))).expect("a row");
        row.split_whitespace().nth(5).expect("a pid").to_owned()
    };
    let before = pid("m");
    script.replicas = 3;
    script.sentinels = 5;
    script.quorum = 3;
    script.config = "maxmemory: \"200mb\"".to_owned();
    place.write("t.rhai", &script.text());
    running.wait_for("maxmemory 100mb → 200mb, set live", LIMIT);
    running.wait_for("quorum 2 → 3", LIMIT);
    running.wait_for(DONE, LIMIT);
    let (_, memory) = topple(&place, &["cli", "m", "CONFIG", "GET", "maxmemory"]);
    assert!(memory.contains("209715200"), "{memory}");
    assert_eq!(pid("m"), before, "it was not restarted");
    for sentinel in ["s1", "s5"] {
        let master = ok(&place, &["cli", sentinel, "SENTINEL", "MASTER", "mm"]);
        let field = |name: &str| {
            let mut lines = master.lines().skip_while(|line| *line != name);
            lines.nth(1).expect("its value").to_owned()
        };
        assert_eq!(
            (field("quorum"), field("num-slaves"), field("num-other-sentinels")),
            ("3".into(), "3".into(), "4".into())
        );
    }
    // Written beside and renamed, as editors do.
    let fewer = Script { port: script.port, config: script.config.clone(), ..Script::new(script.port) };
    let beside = place.write("t.rhai.new", &fewer.text());
    fs::rename(beside, place.path().join("t.rhai")).expect("renamed");
    running.wait_for("- leaves: replica of m", LIMIT);
    running.wait_for(DONE, LIMIT);
    let master = ok(&place, &["cli", "s1", "SENTINEL", "MASTER", "mm"]);
    assert!(master.contains("num-slaves\n2") && master.contains("num-other-sentinels\n2"), "{master}");
    let listed = ok(&place, &["status"]);
    assert!(!listed.contains("r3") && !listed.contains("s4"), "{listed}");
    // A directive that only a start can set; the file that it restarts with has the live one too.
    script = fewer;
    script.config = "maxmemory: \"200mb\", databases: 4".to_owned();
    place.write("t.rhai", "");
    place.write("t.rhai", &script.text());
    running.wait_for("restarts: databases cannot be set while it runs", LIMIT);
    running.wait_for(DONE, LIMIT);
    await_output(&place, &["cli", "m", "CONFIG", "GET", "databases"], "4");
    let (_, memory) = topple(&place, &["cli", "m", "CONFIG", "GET", "maxmemory"]);
    assert!(memory.contains("209715200"), "{memory}");
    down(&place, running);
}

#[test]
fn what_is_wrong_or_impossible_changes_nothing() {
    let place = Place::new();
    let mut script = Script::new(free_ports(20));
    let mut running = up(&place, &script);
    let before = ok(&place, &["status", "--json"]);
    let names = |text: &str| {
        text.lines()
            .filter(|line| line.contains("\"name\"") || line.contains("\"pid\""))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let right = script.text();
    place.write("t.rhai", &right.replace("replicas(", "replcas("));
    running.wait_for("has mistakes; the topology stays as it is", LIMIT);
    running.wait_for("did you mean `replicas`?", LIMIT);
    place.write(
        "t.rhai",
        &right.replace(&format!("port: {},", script.port), &format!("port: {},", script.port + 9)),
    );
    running.wait_for("addresses do not move while a topology is up", LIMIT);
    place.write("t.rhai", "// nothing\n");
    running.wait_for("declares no nodes any more", LIMIT);
    fs::remove_file(place.path().join("t.rhai")).expect("removed");
    running.wait_for("there is no file `t.rhai`", LIMIT);
    place.write("t.rhai", &right);
    running.wait_for("has changed, and nothing of the topology with it", LIMIT);
    // A node that cannot live: everything done before it is taken back.
    script.config = "maxmemory: \"50mb\"".to_owned();
    script.quorum = 3;
    script.more =
        "process(\"p\", #{ command: [\"sh\", \"-c\", \"echo no luck; exit 3\"], ready: \"luck to you\" });"
            .to_owned();
    place.write("t.rhai", &script.text());
    running.wait_for("p: not running (exit code 3)", LIMIT);
    running.wait_for("no luck", LIMIT);
    running.wait_for(TAKEN_BACK, LIMIT);
    assert_eq!(names(&ok(&place, &["status", "--json"])), names(&before), "nobody was restarted");
    let (_, memory) = topple(&place, &["cli", "m", "CONFIG", "GET", "maxmemory"]);
    assert!(!memory.contains("52428800"), "{memory}");
    let master = ok(&place, &["cli", "s1", "SENTINEL", "MASTER", "mm"]);
    assert!(master.contains("quorum\n2"), "{master}");
    // Saved once more as it is, it is tried once more; a node that is paused cannot be changed.
    ok(&place, &["pause", "m"]);
    script.more.clear();
    place.write("t.rhai", &script.text());
    running.wait_for("m is paused: `topple resume m`, then save the script again", LIMIT);
    running.wait_for(TAKEN_BACK, LIMIT);
    ok(&place, &["resume", "m"]);
    place.write("t.rhai", &script.text());
    running.wait_for(DONE, LIMIT);
    let (_, memory) = topple(&place, &["cli", "m", "CONFIG", "GET", "maxmemory"]);
    assert!(memory.contains("52428800"), "{memory}");
    down(&place, running);
}

#[test]
fn a_failover_meanwhile_is_not_undone() {
    let place = Place::new();
    let mut script = Script::new(free_ports(20));
    let mut running = up(&place, &script);
    ok(&place, &["kill", "m"]);
    running.wait_for("+switch-master", LIMIT);
    await_output(&place, &["cli", "mm:master", "ROLE"], "master");
    ok(&place, &["start", "m"]);
    await_output(&place, &["status"], "m     running  slave");
    let named = ok(&place, &["cli", "s1", "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mm"]);
    // An unrelated change, with a restart of the old master; a replica more, a sentinel more.
    script.config = "databases: 4".to_owned();
    script.replicas = 3;
    script.sentinels = 4;
    place.write("t.rhai", &script.text());
    running.wait_for(DONE, LIMIT);
    assert_eq!(ok(&place, &["cli", "s1", "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mm"]), named);
    assert_eq!(ok(&place, &["cli", "s4", "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mm"]), named);
    assert!(ok(&place, &["cli", "m", "ROLE"]).starts_with("slave"));
    let port = named.lines().nth(1).expect("a port").to_owned();
    let role = ok(&place, &["cli", "r3", "ROLE"]);
    assert!(role.starts_with("slave") && role.contains(&port), "{role}");
    // The master of now is taken out of the script: it hands its role over first.
    let master = if port == (script.port + 1).to_string() { "r1" } else { "r2" };
    let list = format!(
        "let rs = [replica(\"{}\", m, #{{ port: {} }})];",
        if master == "r1" { "r2" } else { "r1" },
        script.port + if master == "r1" { 2 } else { 1 }
    );
    let text = script.text();
    let line = text.lines().find(|line| line.starts_with("let rs")).expect("declared");
    place.write("t.rhai", &text.replace(line, &list));
    running.wait_for("the sentinels choose another before it leaves", LIMIT);
    running.wait_for(DONE, LIMIT);
    let now = ok(&place, &["cli", "s1", "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mm"]);
    assert_ne!(now, named);
    down(&place, running);
}

#[test]
fn imports_and_programs_are_followed_in_the_background_too() {
    let place = Place::new();
    let port = free_ports(2);
    place.write("part.rhai", &format!("export const PORT = {port};\nexport const KEYS = \"10mb\";\n"));
    place.write(
        "t.rhai",
        "import \"part\" as part;\nlet m = master(\"m\", #{ port: part::PORT, config: #{ maxmemory: part::KEYS } });\n",
    );
    ok(&place, &["up", "t.rhai", "-d", "--watch"]);
    let mut events = place.start(&["events", "-f"]);
    events.wait_for("ready after", LIMIT);
    place.write("part.rhai", &format!("export const PORT = {port};\nexport const KEYS = \"20mb\";\n"));
    events.wait_for("maxmemory 10mb → 20mb, set live", LIMIT);
    events.wait_for(DONE, LIMIT);
    // What an imported file imports, from its own folder: missing at first, then there.
    fs::create_dir(place.path().join("parts")).expect("a folder");
    place.write("part.rhai", &format!("import \"parts/inner\" as inner;\nexport const PORT = {port};\nexport const KEYS = inner::KEYS;\n"));
    events.wait_for("inner.rhai to import", LIMIT);
    events.wait_for("part.rhai:1:8", LIMIT);
    place.write("parts/inner.rhai", "import \"innermost\" as i;\nexport const KEYS = i::KEYS;\n");
    events.wait_for("parts/inner.rhai:1:8", LIMIT);
    place.write("parts/innermost.rhai", "import \"../part\" as part;\nexport const KEYS = \"30mb\";\n");
    events.wait_for("imports itself", LIMIT);
    place.write("parts/innermost.rhai", "export const KEYS = \"30mb\";\n");
    events.wait_for("maxmemory 20mb → 30mb, set live", LIMIT);
    place.write("parts/innermost.rhai", "export const KEYS = \"40mb\";\n");
    events.wait_for("maxmemory 30mb → 40mb, set live", LIMIT);
    events.wait_for(DONE, LIMIT);
    let program =
        "process(\"p\", #{ command: [\"sh\", \"-c\", \"echo on; exec sleep 1000\"], ready: \"on\" });\n";
    let text = fs::read_to_string(place.path().join("t.rhai")).expect("text");
    place.write("t.rhai", &format!("{text}{program}"));
    events.wait_for("+ joins: process", LIMIT);
    events.wait_for(DONE, LIMIT);
    ok(&place, &["down"]);
    assert!(events.finish(LIMIT).0.success());
    place.expect_nothing_left(Duration::from_secs(10));
    let (code, output) = topple(&place, &["up", "sentinel", "--watch"]);
    assert_eq!(code, 2, "{output}");
    assert!(output.contains("topple init sentinel"), "{output}");
}

#[test]
fn handlers_are_those_of_the_script_as_it_is_now() {
    let place = Place::new();
    let mut script = Script::new(free_ports(20));
    script.more =
        "on_event(\"+switch-master\", #{ from: ss[0] }, |e| { sleep(\"1s\"); print(\"the first ends\"); });"
            .to_owned();
    let mut running = up(&place, &script);
    ok(&place, &["kill", "m"]);
    running.wait_for("+switch-master", LIMIT);
    // A node in front of all others, so that everybody's place in the script is another; the handler that runs
    // comes to its end.
    script.more = "on_ready(|| print(\"not again\"));\n\
                   on_event(\"+sdown\", #{ from: ss[0] }, |e| { print(`${e.node.name} heard it`); m.start(); });"
        .to_owned();
    let front = format!("let front = master(\"front\", #{{ port: {} }});\nlet m =", script.port + 9);
    place.write("t.rhai", &script.text().replace("let m =", &front));
    running.wait_for("its handlers begin anew, as the script has them now; `on_ready` runs when", LIMIT);
    running.wait_for("the first ends", LIMIT);
    await_output(&place, &["status"], "m      running");
    ok(&place, &["kill", "r1"]);
    running.wait_for("s1 heard it", LIMIT);
    // One with a mistake leaves them as they are; one without handlers has none.
    place.write("t.rhai", &script.text().replace("m.start()", "m.strat()"));
    running.wait_for("did you mean `start`?", LIMIT);
    ok(&place, &["start", "r1"]);
    await_output(&place, &["cli", "s1", "SENTINEL", "CKQUORUM", "mm"], "OK");
    ok(&place, &["kill", "r2"]);
    running.wait_for("s1 heard it", LIMIT);
    script.more.clear();
    place.write("t.rhai", &script.text().replace("let m =", &front));
    running.wait_for("its handlers listen no more", LIMIT);
    assert!(!running.saw("not again"));
    down(&place, running);
}

#[test]
fn a_process_restarts_when_a_file_that_it_names_changes() {
    let place = Place::new();
    let port = free_ports(2);
    let app = |says: &str| format!("echo {says}\nexec sleep 1000\n");
    let process = "process(\"p\", #{ command: [\"sh\", \"app.txt\"], ready: \"listening\" });";
    place.write("app.txt", &app("listening first"));
    place.write("t.rhai", &format!("let m = master(\"m\", #{{ port: {port} }});\n{process}\n"));
    let mut running = place.start(&["up", "t.rhai", "--watch"]);
    running.wait_for("Ctrl-C stops the topology", LIMIT);
    place.write("app.txt", &app("listening second"));
    running.wait_for("~ restarts: app.txt has changed", LIMIT);
    running.wait_for("runs with the changed app.txt", LIMIT);
    assert!(ok(&place, &["logs", "p"]).contains("listening second"));
    // One that is wrong ends by itself; the next one has it start again.
    place.write("app.txt", "echo oh no; exit 3\n");
    running.wait_for("does not come up with the changed app.txt", LIMIT);
    running.wait_for("oh no", LIMIT);
    place.write("app.txt", &app("listening third"));
    running.wait_for("~ starts: app.txt has changed", LIMIT);
    running.wait_for("runs with the changed app.txt", LIMIT);
    // One that its user has stopped stays so.
    ok(&place, &["stop", "p"]);
    place.write("app.txt", &app("listening fourth"));
    running.wait_for("it is down, and starts with it", LIMIT);
    ok(&place, &["start", "p"]);
    await_output(&place, &["logs", "p"], "listening fourth");
    fs::remove_file(place.path().join("app.txt")).expect("removed");
    running.wait_for("app.txt is gone: nothing restarts", LIMIT);
    place.write("app.txt", &app("listening fifth"));
    running.wait_for("runs with the changed app.txt", LIMIT);
    // A file that it writes itself does not have it restart for ever.
    place.write("out.txt", "");
    let writes = process
        .replace("\"app.txt\"]", "\"-c\", \"echo listening; date +%N | tee out.txt; exec sleep 1000\"]");
    place.write("t.rhai", &format!("let m = master(\"m\", #{{ port: {port} }});\n{writes}\n"));
    running.wait_for("restarts: its command is another", LIMIT);
    running
        .wait_for("out.txt changes after every restart: it is not watched until the script changes", LIMIT);
    down(&place, running);
}

#[test]
fn a_changed_restart_policy_counts_for_a_node_that_is_down_too() {
    let place = Place::new();
    let port = free_ports(1);
    let script = |policy: &str| {
        format!(
            r#"master("m", #{{ port: {port} }});
process("p", #{{ command: ["sh", "-c", "test -e fails && exit 3; echo on; exec sleep 1000"], ready: "on", restart: "{policy}" }});
"#
        )
    };
    place.write("t.rhai", &script("on-failure"));
    let mut running = place.start(&["up", "t.rhai", "--watch"]);
    running.wait_for("Ctrl-C stops the topology", LIMIT);
    place.write("fails", "");
    ok(&place, &["kill", "p"]);
    // By then the next start is seconds away.
    for _ in 0..5 {
        running.wait_for("ended by itself: exit code 3", LIMIT);
    }
    place.write("t.rhai", &script("no"));
    running.wait_for("restart policy on-failure → no", LIMIT);
    running.wait_for("stays down", LIMIT);
    place.write("t.rhai", &script("always"));
    running.wait_for("is down, and starts again", LIMIT);
    running.wait_for("ended by itself: exit code 3", LIMIT);
    assert!(ok(&place, &["status"]).contains("starts again in"));
    assert!(ok(&place, &["stop", "p"]).contains("p: ended (exit code 3)"));
    assert!(!ok(&place, &["status"]).contains("starts again in"));
    let (code, output) = topple(&place, &["stop", "p"]);
    assert!(code != 0 && output.contains("p is not running"), "{output}");
    down(&place, running);
}

#[test]
fn real_servers_and_sentinels_are_changed_too() {
    let place = Place::new();
    let server = on_path("redis-server");
    let mut script = Script::new(free_ports(20));
    let real = |script: &Script| {
        format!(
            "defaults(#{{ engine: \"{server}\" }});{}",
            script.text().replace("topology(#{ name: \"t\" });", "")
        )
    };
    place.write("t.rhai", &real(&script));
    let mut running = place.start(&["up", "t.rhai", "--watch"]);
    running.wait_for("Ctrl-C stops the topology", LIMIT);
    script.replicas = 1;
    script.sentinels = 4;
    script.quorum = 3;
    script.config = "maxmemory: \"100mb\"".to_owned();
    place.write("t.rhai", &real(&script));
    running.wait_for(DONE, LIMIT);
    let master = ok(&place, &["cli", "s4", "SENTINEL", "MASTER", "mm"]);
    assert!(master.contains("num-slaves\n1") && master.contains("quorum\n3"), "{master}");
    down(&place, running);
}
