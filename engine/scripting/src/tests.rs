//! The machine as its driver sees it.

use resp::Args;

use crate::machine::{Answer, Arguments, Finished, Job, Kind, Machine, Run, Step};
use crate::sha1_hex;

/// Small, so that hogs are stopped soon.
const MEMORY: usize = 64 << 20;

/// Runs a script; commands are answered by `command`.
fn eval_with(machine: &mut Machine, script: &str, mut answer: impl FnMut(Step) -> Answer) -> String {
    let name = sha1_hex(script.as_bytes());
    let defined = machine.finish(Job::Define { name: name.clone(), body: script.as_bytes().to_vec() });
    if let Finished::Failed(failure) = defined {
        return text(&failure.message);
    }
    let mut args = Arguments::default();
    args.extend([&b"key"[..], b"value"].into_iter());
    let run = Run { name: name.clone().into_bytes(), shown: b"SHA".to_vec(), args, keys: 1, resp3: false };
    let mut step = machine.start(Job::Run(run));
    loop {
        step = match step {
            Step::Finished(Finished::Reply { bytes, .. }) => return text(&bytes),
            Step::Finished(Finished::Failed(failure)) => return text(&failure.message),
            Step::Finished(other) => panic!("{other:?}"),
            step => {
                let answer = answer(step);
                machine.go_on(answer)
            }
        };
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Replies with what was sent, as an array.
fn echo(step: Step) -> Answer {
    match step {
        Step::Call { args, .. } => Answer::Reply(as_reply(args.args()), args),
        Step::Permission(_) => Answer::Permission(Some(true)),
        _ => Answer::Continue,
    }
}

fn as_reply(args: Args<'_>) -> Vec<u8> {
    let mut reply = Vec::new();
    let mut writer = resp::Writer::new(&mut reply, resp::Protocol::Resp2);
    writer.array(args.len());
    args.iter().for_each(|arg| writer.bulk(arg));
    reply
}

fn eval(script: &str) -> String {
    eval_with(&mut Machine::new(Kind::Scripts, MEMORY).unwrap(), script, echo)
}

#[test]
fn values_become_replies() {
    assert_eq!(
        eval("return {1.9, 'a', true, false, {ok='fine'}, {err='NO way'}}"),
        "*6\r\n:1\r\n$1\r\na\r\n:1\r\n$-1\r\n+fine\r\n-NO way\r\n"
    );
    assert_eq!(eval("return KEYS[1]..ARGV[1]"), "$8\r\nkeyvalue\r\n");
    assert_eq!(
        eval("return redis.call('GET', KEYS[1], 5, 0.5)"),
        "*4\r\n$3\r\nGET\r\n$3\r\nkey\r\n$1\r\n5\r\n$3\r\n0.5\r\n"
    );
}

#[test]
fn errors_say_where() {
    assert_eq!(
        eval("\nreturn foo"),
        "ERR user_script:2: Script attempted to access nonexistent global variable 'foo' script: SHA, on @user_script:2."
    );
    assert_eq!(
        eval("return redis.call()"),
        "ERR Please specify at least one argument for this redis lib call script: SHA, on @user_script:1."
    );
    assert_eq!(
        eval("string.x = 1"),
        "ERR user_script:1: Attempt to modify a readonly table script: SHA, on @user_script:1."
    );
    assert_eq!(
        eval("return cjson.decode('[')"),
        "ERR user_script:1: Expected value but found T_END at character 2 script: SHA, on @user_script:1."
    );
    assert_eq!(
        eval("local x = string.find('a') return x"),
        "ERR user_script:1: bad argument #2 to 'find' (string expected, got no value) script: SHA, on @user_script:1."
    );
    assert_eq!(
        eval("return {pcall(redis.call)}"),
        "*2\r\n$-1\r\n$64\r\nERR Please specify at least one argument for this redis lib call\r\n"
    );
    assert_eq!(
        eval("x x"),
        "ERR Error compiling script (new function): user_script:1: '=' expected near 'x'"
    );
}

#[test]
fn a_killed_script_cannot_go_on() {
    let scripts = [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do coroutine.wrap(function() while true do end end)() end",
        "local f f = function() pcall(f) return f() end f()",
        "while true do redis.call('PING') end",
    ];
    for script in scripts {
        let mut machine = Machine::new(Kind::Scripts, MEMORY).unwrap();
        let mut slices = 0;
        let error = eval_with(&mut machine, script, |step| {
            slices += 1;
            match step {
                _ if slices >= 3 => Answer::Kill("Script killed by user with SCRIPT KILL."),
                step => echo(step),
            }
        });
        // Where no call is left to ask the driver with, the script ends by itself.
        let ended = ["ERR Script killed by user with SCRIPT KILL.", "ERR C stack overflow"];
        assert!(ended.iter().any(|text| error.starts_with(text)), "{script}: {error}");
        // The next one runs as if nothing had been.
        assert_eq!(eval_with(&mut machine, "return 1", echo), ":1\r\n");
    }
}

#[test]
fn a_machine_can_be_dropped_in_the_middle() {
    let mut machine = Machine::new(Kind::Scripts, MEMORY).unwrap();
    let body = b"while true do pcall(redis.call, 'PING') end".to_vec();
    machine.finish(Job::Define { name: "s".into(), body });
    let run = Run { name: b"s".to_vec(), ..Run::default() };
    assert!(matches!(machine.start(Job::Run(run)), Step::Call { .. }));
}

#[test]
fn hogs_are_stopped() {
    let hogs = [
        "local s = 'x' while true do s = s..s end",
        "return string.rep('x', 2^31 - 1)",
        "local f f = function() return 1 + f() end return f()",
        "local t = {} for i = 1, 1e9 do t[i] = {} end",
        "local function f() return coroutine.wrap(f)() end return f()",
        "return string.find(string.rep('a', 100), string.rep('a?', 1e6))",
        "return string.rep('(', 1e5):find(string.rep('(', 1e5))",
        "return #string.gsub('x', 'x', function() local f f = function() return (string.gsub('x', 'x', f)) end return f() end)",
        "local f, e = loadstring(string.rep('(', 1e5)) error(e)",
        "local t = {} for i = 1, 1e5 do t = {t} end return cjson.encode(t)",
        "cjson.encode_max_depth(1e9) local t = {} for i = 1, 1e5 do t = {t} end return cjson.encode(t)",
        "cjson.decode_max_depth(1e9) return cjson.decode(string.rep('[', 1e6))",
        "return cmsgpack.unpack(string.rep('\\145', 1e6))",
        "return string.format('%99999d', 1)",
    ];
    for script in hogs {
        let reply = eval(script);
        assert!(reply.starts_with("ERR "), "{script}: {}", &reply[..reply.len().min(200)]);
    }
    let deep = eval("local t = {} for i = 1, 1e5 do t = {t} end return t");
    assert!(deep.contains("ERR reached lua stack limit"));
}

#[test]
fn libraries_register_functions() {
    let mut machine = Machine::new(Kind::Functions, MEMORY).unwrap();
    let code =
        b"\nredis.register_function('Twice', function(keys, args) return {keys[1], args[1]} end)".to_vec();
    let Finished::Registered(functions) = machine.finish(Job::Load { code }) else { panic!() };
    assert_eq!(functions[0].name, b"Twice");
    machine.finish(Job::Adopt { replaced: Vec::new() });
    let mut args = Arguments::default();
    args.extend([&b"k"[..], b"v"].into_iter());
    let run = Run { name: b"twice".to_vec(), shown: b"Twice".to_vec(), args, keys: 1, resp3: false };
    let Step::Finished(Finished::Reply { bytes, .. }) = machine.start(Job::Run(run)) else { panic!() };
    assert_eq!(text(&bytes), "*2\r\n$1\r\nk\r\n$1\r\nv\r\n");
    let refused = machine.finish(Job::Load { code: b"\nerror('x')".to_vec() });
    let Finished::Failed(failure) = refused else { panic!() };
    assert_eq!(
        text(&failure.message),
        "ERR Error registering functions: ERR user_function:2: Script attempted to access nonexistent global variable 'error'"
    );
}

#[test]
fn what_libraries_read_they_have_written() {
    let script = "
        local values = {1, -1, 0.5, 'text', true, {1, 2, {a = 'b'}}, 1e300, -2^40, ''}
        for _, value in ipairs(values) do
            local json = cjson.encode({value})
            assert(cjson.encode(cjson.decode(json)) == json, json)
            local packed = cmsgpack.pack(value)
            assert(cmsgpack.pack(cmsgpack.unpack(packed)) == packed)
        end
        assert(struct.unpack('>i4', struct.pack('>i4', -5)) == -5)
        assert(struct.unpack('<d', struct.pack('<d', 0.1)) == 0.1)
        assert(bit.bxor(0xff, 0x0f) == 0xf0)
        return 'good'";
    assert_eq!(eval(script), "$4\r\ngood\r\n");
}
