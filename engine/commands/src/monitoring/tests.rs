//! What is told of commands: as they run, when they were slow, and how long they take.

use crate::tests::{World, at};

#[test]
fn monitors_see_commands_but_no_secrets() {
    let mut world = World::new(&[]);
    let (watcher, client) = (world.client(), world.client());
    assert_eq!(world.send(watcher, "MONITOR\nMONITOR"), "+OK");
    world.send(client, "SET k \"a\\x01\\\"b\"\nGET\nNOSUCH\nSELECT 3\nMULTI\nGET k\nEXEC");
    let head = |db| format!("+1700000000.000007 [{db} 127.0.0.1:50000]");
    assert_eq!(
        world.output(watcher),
        [
            format!("{} \"SET\" \"k\" \"a\\x01\\\"b\"", head(0)),
            format!("{} \"SELECT\" \"3\"", head(3)),
            format!("{} \"MULTI\"", head(3)),
            format!("{} \"GET\" \"k\"", head(3)),
            format!("{} \"EXEC\"", head(3)),
        ]
        .join(" ")
    );
    world.send(client, "AUTH u p\nHELLO 3 AUTH u p SETNAME n\nCONFIG SET hz 10\nSLOWLOG LEN\nPING");
    assert_eq!(
        world.output(watcher),
        [
            format!("{} \"AUTH\" \"(redacted)\" \"(redacted)\"", head(3)),
            format!("{} \"HELLO\" \"3\" \"AUTH\" \"(redacted)\" \"(redacted)\" \"SETNAME\" \"n\"", head(3)),
            format!("{} \"PING\"", head(3)),
        ]
        .join(" ")
    );
    assert!(world.send(client, "CLIENT LIST").contains(" flags=O "));
    assert_eq!(world.send(watcher, "RESET"), "+RESET");
    world.send(client, "PING");
    assert_eq!(world.output(watcher), "");
    assert_eq!(
        world.send(watcher, "MULTI\nMONITOR\nEXEC"),
        "+OK +QUEUED *1 -ERR MONITOR isn't allowed for DENY BLOCKING client"
    );
}

#[test]
fn slow_commands_are_kept() {
    let mut world = World::new(&[("enable-debug-command", "yes"), ("slowlog-max-len", "2")]);
    let client = world.client();
    world.send(client, "CLIENT SETNAME n\nDEBUG SLEEP 0.02\nSET k v\nGET k");
    assert_eq!(
        world.send(client, "SLOWLOG LEN\nSLOWLOG GET"),
        ":1 *1 *6 :0 :1700000000 :20001 *3 $5 DEBUG $5 SLEEP $4 0.02 $15 127.0.0.1:50000 $1 n"
    );
    world.send(client, "CONFIG SET slowlog-log-slower-than 0");
    world.send(client, "SLOWLOG RESET");
    let long = "x".repeat(130);
    let many: String = (0..40).map(|n| format!(" {n}")).collect();
    world.send(client, &format!("SET k {long}\nMGET{many}\nAUTH u p"));
    let shown = world.send(client, "SLOWLOG GET -1");
    assert!(shown.starts_with("*2 *6 "), "the latest two: {shown}");
    assert!(shown.contains("*3 $4 AUTH $10 (redacted) $10 (redacted) "), "{shown}");
    assert!(
        shown.contains(" $2 29 $2 30 $24 ... (10 more arguments) ")
            || shown.contains("... (10 more arguments)")
    );
    world.send(client, &format!("SET k {long}"));
    let shown = world.send(client, "SLOWLOG GET 1");
    assert!(shown.contains(&format!("$146 {}... (2 more bytes) ", "x".repeat(128))), "{shown}");
    world.send(client, "CONFIG SET slowlog-log-slower-than -1 slowlog-max-len 1");
    assert_eq!(world.send(client, "SLOWLOG LEN\nSLOWLOG RESET\nSLOWLOG LEN"), ":1 +OK :0");
}

#[test]
fn a_quick_command_that_was_slow_is_kept_where_it_came_alone() {
    let mut world = World::new(&[]);
    let client = world.client();
    world.outside.borrow_mut().clock_step_us = 30_000;
    world.send(client, "LPUSH l x");
    world.outside.borrow_mut().clock_step_us = 0;
    assert!(world.send(client, "SLOWLOG GET").contains("*3 $5 LPUSH $1 l $1 x"));
}

#[test]
fn commands_are_counted_and_timed() {
    let mut world = World::new(&[("enable-debug-command", "yes")]);
    let client = world.client();
    // The clock goes on a microsecond at each reading: once for the run of four.
    let commands = ["SET k 1", "SET k 2", "GET k", "GET k", "GET", "APPEND", "LCS k k IDX LEN"];
    let encoded = commands.iter().map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let args: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
        format!("*{}\r\n{args}", words.len())
    });
    let mut input = encoded.collect::<String>().into_bytes();
    world.server.handle(client, &mut input, at(0));
    world.output(client);
    let shown = world.send(client, "INFO commandstats");
    assert!(
        shown.contains("cmdstat_set:calls=2,usec=0,usec_per_call=0.25,rejected_calls=0,failed_calls=0"),
        "{shown}"
    );
    assert!(
        shown.contains("cmdstat_get:calls=2,usec=0,usec_per_call=0.25,rejected_calls=1,failed_calls=0"),
        "{shown}"
    );
    assert!(
        shown.contains("cmdstat_append:calls=0,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0")
    );
    assert!(shown.contains("cmdstat_lcs:calls=1,usec=1,usec_per_call=1.00,rejected_calls=0,failed_calls=1"));
    assert!(
        world
            .send(client, "INFO latencystats")
            .contains("latency_percentiles_usec_set:p50=0.250,p99=0.250,p99.9=0.250")
    );
    world.send(client, "CONFIG SET latency-tracking-info-percentiles \"50 99.99\"");
    assert!(world.send(client, "INFO latencystats").contains("_get:p50=0.250,p99.99=0.250"));
    assert_eq!(
        world.send(client, "DEBUG SLEEP 0.003\nLATENCY HISTOGRAM set debug nosuch"),
        "+OK *4 $3 set *4 $5 calls :2 $14 histogram_usec *2 :1 :2 $5 debug *4 $5 calls :1 $14 histogram_usec \
         *2 :4227 :1"
    );
    world.send(client, "CONFIG RESETSTAT");
    assert!(!world.send(client, "INFO commandstats").contains("cmdstat_set"));
}

#[test]
fn what_takes_long_is_noted_by_event() {
    let mut world = World::new(&[("enable-debug-command", "yes"), ("latency-monitor-threshold", "10")]);
    let client = world.client();
    world.send(client, "DEBUG SLEEP 0.02\nDEBUG SLEEP 0.05\nDEBUG SLEEP 0.001");
    assert_eq!(
        world.send(client, "LATENCY LATEST\nLATENCY HISTORY command\nLATENCY HISTORY nosuch"),
        "*1 *4 $7 command :1700000000 :50 :50 *1 *2 :1700000000 :50 *0"
    );
    assert!(
        world
            .send(client, "LATENCY GRAPH command")
            .contains("command - high 50 ms, low 50 ms (all time high 50 ms)")
    );
    assert_eq!(world.send(client, "LATENCY GRAPH x"), "-ERR No samples available for event 'x'");
    assert!(world.send(client, "LATENCY DOCTOR").contains("1. command: 1 samples, 50 ms on average"));
    assert_eq!(world.send(client, "LATENCY RESET x\nLATENCY RESET\nLATENCY LATEST"), ":0 :1 *0");
    assert!(world.send(client, "LATENCY DOCTOR").contains("All is well"));
    world.send(client, "CONFIG SET latency-monitor-threshold 0");
    assert!(world.send(client, "LATENCY DOCTOR").contains("latency monitoring is off"));
}

#[test]
fn a_script_is_shown_before_what_it_calls() {
    let mut world = World::new(&[("slowlog-log-slower-than", "0")]);
    let (watcher, client) = (world.client(), world.client());
    world.send(watcher, "MONITOR");
    assert_eq!(world.send(client, "EVAL \"return redis.call('SET', KEYS[1], 'v')\" 1 k"), "+OK");
    assert_eq!(
        world.output(watcher),
        "+1700000000.000007 [0 127.0.0.1:50000] \"EVAL\" \"return redis.call('SET', KEYS[1], 'v')\" \"1\" \"k\" \
         +1700000000.000007 [0 lua] \"SET\" \"k\" \"v\""
    );
    let shown = world.send(client, "SLOWLOG GET 10");
    let called = shown.find("*3 $3 SET $1 k $1 v $3 ?:0 $0").expect("what it called, without an address");
    assert!(shown.find("$4 EVAL").is_some_and(|script| script < called), "{shown}");
}

#[test]
fn work_that_nobody_asked_for_is_noted_by_its_event() {
    let mut world = World::new(&[("latency-monitor-threshold", "1")]);
    let client = world.client();
    world.send(client, "SET short v PX 100");
    world.outside.borrow_mut().clock_step_us = 2_000;
    world.pass(200);
    world.send(client, "BGSAVE\nFLUSHALL");
    let events = world.send(client, "LATENCY LATEST");
    for event in ["expire-cycle", "expire-del", "rdb-unlink-temp-file"] {
        assert!(events.contains(event), "{event}: {events}");
    }
    let advice = world.send(client, "LATENCY DOCTOR");
    assert!(advice.contains("lazyfree-lazy-expire"), "{advice}");
}
