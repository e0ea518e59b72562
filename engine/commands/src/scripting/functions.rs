//! FCALL and FUNCTION: libraries of functions, kept with the data.

use std::collections::{BTreeMap, HashMap};

use resp::Args;
use scripting::machine::{Arguments, Job, Run};
use scripting::{Kind, Library, Machine, Shebang};
use types::CommandError;
use types::glob::{Case, matches};

use super::eval::{is_flush_mode, number_of_keys};
use super::{Place, dump, new_machine};
use crate::client::Client;
use crate::server::Server;

pub(super) fn fcall(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    call(server, client, args, false)
}

pub(super) fn fcall_ro(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    call(server, client, args, true)
}

fn call(
    server: &mut Server,
    client: &mut Client,
    args: Args<'_>,
    read_only: bool,
) -> Result<(), CommandError> {
    let name = args.at(1).to_ascii_lowercase();
    let Some(place) = server.scripting.places.get(&name) else {
        return Err(CommandError::new("ERR Function not found"));
    };
    let (flags, shown) = (place.flags, place.name.clone());
    let keys = number_of_keys(args, CommandError::new("ERR Bad number of keys provided"))?;
    if let Some(error) = server.refuses_script(client, flags, read_only) {
        return Err(CommandError::Other(error.into()));
    }
    let resp3 = client.protocol == resp::Protocol::Resp3;
    let run = Run { name, shown, args: Arguments::from_args(args.from(3)), keys, resp3 };
    server.run_script(client, args, (run, Kind::Functions), (flags, read_only))
}

/// Libraries with the machine that holds their functions.
pub(super) struct Loaded {
    machine: Machine,
    libraries: BTreeMap<Vec<u8>, Library>,
    places: HashMap<Vec<u8>, Place>,
}

/// What becomes of a library of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Collision {
    Refuse,
    Replace,
}

impl Server {
    /// Loads one library; gives its name.
    fn load_library(&mut self, code: &[u8], collision: Collision) -> Result<Vec<u8>, String> {
        let mut loaded = Loaded {
            machine: self.scripting.take_machine(Kind::Functions).map_err(|error| error.to_string())?,
            libraries: std::mem::take(&mut self.scripting.libraries),
            places: std::mem::take(&mut self.scripting.places),
        };
        let name = self.load_into(&mut loaded, code, collision);
        self.adopt(loaded);
        name
    }

    fn adopt(&mut self, loaded: Loaded) {
        self.scripting.libraries = loaded.libraries;
        self.scripting.places = loaded.places;
        self.scripting.put_machine(Kind::Functions, loaded.machine);
    }

    fn load_into(
        &mut self,
        loaded: &mut Loaded,
        code: &[u8],
        collision: Collision,
    ) -> Result<Vec<u8>, String> {
        let shebang = Shebang::of_library(code)?;
        if !shebang.engine.eq_ignore_ascii_case("lua") {
            return Err(format!("ERR Engine '{}' not found", shebang.engine));
        }
        let name = shebang.name.clone().into_bytes();
        let old = loaded.libraries.get(&name);
        if old.is_some() && collision == Collision::Refuse {
            return Err(format!("ERR Library '{}' already exists", shebang.name));
        }
        let replaced: Vec<Vec<u8>> =
            old.into_iter().flat_map(|old| &old.functions).map(|f| f.name.to_ascii_lowercase()).collect();
        let functions = self.load_in(&mut loaded.machine, code[shebang.length..].to_vec())?;
        for function in &functions {
            let place = loaded.places.get(&function.name.to_ascii_lowercase());
            if place.is_some_and(|place| place.library != name) {
                // What it registered must not be taken for the next library's.
                loaded.machine.finish(Job::Load { code: Vec::new() });
                return Err(format!(
                    "ERR Function {} already exists",
                    String::from_utf8_lossy(&function.name)
                ));
            }
        }
        for old in &replaced {
            loaded.places.remove(old);
        }
        loaded.machine.finish(Job::Adopt { replaced });
        for function in &functions {
            let place = Place { library: name.clone(), name: function.name.clone(), flags: function.flags };
            loaded.places.insert(function.name.to_ascii_lowercase(), place);
        }
        let library = Library { name: name.clone(), code: code.to_vec(), functions };
        loaded.libraries.insert(name.clone(), library);
        Ok(name)
    }

    /// Loads libraries into a machine of their own; nothing is changed when one of them fails.
    pub(super) fn load_aside(&mut self, codes: &[(Vec<u8>, Collision)]) -> Result<Loaded, String> {
        let machine = new_machine(Kind::Functions).map_err(|error| error.to_string())?;
        let mut loaded = Loaded { machine, libraries: BTreeMap::new(), places: HashMap::new() };
        for (code, collision) in codes {
            self.load_into(&mut loaded, code, *collision)?;
        }
        Ok(loaded)
    }

    /// The libraries of a snapshot take the place of all there were.
    pub(crate) fn replace_libraries(&mut self, codes: Vec<Vec<u8>>) -> Result<(), String> {
        if let Some(suspended) = &mut self.scripting.suspended {
            suspended.running.is_outdated = suspended.running.kind == Kind::Functions;
        }
        if codes.is_empty() {
            self.forget_libraries();
            return Ok(());
        }
        let codes: Vec<_> = codes.into_iter().map(|code| (code, Collision::Refuse)).collect();
        let loaded = self.load_aside(&codes)?;
        self.adopt(loaded);
        Ok(())
    }

    fn forget_libraries(&mut self) {
        self.scripting.libraries.clear();
        self.scripting.places.clear();
        self.scripting.machines[super::slot(Kind::Functions)] = None;
    }
}

fn error(text: String) -> CommandError {
    CommandError::Other(text.into())
}

pub(super) fn load(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let mut collision = Collision::Refuse;
    for option in args.from(2).iter().take(args.len() - 3) {
        match option.eq_ignore_ascii_case(b"replace") {
            true => collision = Collision::Replace,
            false => {
                return Err(error(format!("ERR Unknown option given: {}", String::from_utf8_lossy(option))));
            }
        }
    }
    let name = server.load_library(args.at(args.len() - 1), collision).map_err(error)?;
    server.effects.dirty += 1;
    client.writer().bulk(&name);
    Ok(())
}

pub(super) fn delete(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let Some(library) = server.scripting.libraries.remove(args.at(2)) else {
        return Err(CommandError::new("ERR Library not found"));
    };
    let mut machine = server.scripting.take_machine(Kind::Functions)?;
    let names = library.functions.iter().map(|function| function.name.to_ascii_lowercase());
    let names: Vec<Vec<u8>> = names.collect();
    for name in &names {
        server.scripting.places.remove(name);
    }
    machine.finish(Job::Forget {
        names: names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect(),
    });
    server.scripting.put_machine(Kind::Functions, machine);
    server.effects.dirty += 1;
    client.writer().ok();
    Ok(())
}

pub(super) fn flush(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    if !is_flush_mode(args) {
        return Err(CommandError::new("ERR FUNCTION FLUSH only supports SYNC|ASYNC option"));
    }
    server.forget_libraries();
    server.effects.dirty += 1;
    client.writer().ok();
    Ok(())
}

pub(super) fn list(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let (mut pattern, mut with_code) = (None, false);
    let mut words = args.from(2).iter();
    while let Some(word) = words.next() {
        if word.eq_ignore_ascii_case(b"withcode") && !with_code {
            with_code = true;
        } else if word.eq_ignore_ascii_case(b"libraryname") && pattern.is_none() {
            let given = words.next();
            pattern = Some(given.ok_or(CommandError::new("ERR library name argument was not given"))?);
        } else {
            return Err(error(format!("ERR Unknown argument {}", String::from_utf8_lossy(word))));
        }
    }
    let shown =
        |library: &&Library| pattern.is_none_or(|pattern| matches(pattern, &library.name, Case::Insensitive));
    let libraries: Vec<&Library> = server.scripting.libraries.values().filter(shown).collect();
    let mut writer = client.writer();
    writer.array(libraries.len());
    for library in libraries {
        writer.map(if with_code { 4 } else { 3 });
        writer.bulk(b"library_name");
        writer.bulk(&library.name);
        writer.bulk(b"engine");
        writer.bulk(b"LUA");
        writer.bulk(b"functions");
        writer.array(library.functions.len());
        for function in &library.functions {
            writer.map(3);
            writer.bulk(b"name");
            writer.bulk(&function.name);
            writer.bulk(b"description");
            match &function.description {
                Some(description) => writer.bulk(description),
                None => writer.null(),
            }
            writer.bulk(b"flags");
            writer.set(function.flags.names().count());
            function.flags.names().for_each(|name| writer.simple(name));
        }
        if with_code {
            writer.bulk(b"library_code");
            writer.bulk(&library.code);
        }
    }
    Ok(())
}

pub(super) fn stats(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    let (libraries, functions) = (server.scripting.libraries.len(), server.scripting.places.len());
    let mut writer = client.writer();
    writer.map(2);
    writer.bulk(b"running_script");
    match server.suspended_script() {
        Some((elapsed_ms, running)) => {
            writer.map(3);
            writer.bulk(b"name");
            writer.bulk(&running.shown);
            writer.bulk(b"command");
            writer.array(running.command.len());
            running.command.iter().for_each(|word| writer.bulk(word));
            writer.bulk(b"duration_ms");
            writer.int(elapsed_ms as i64);
        }
        None => writer.null(),
    }
    writer.bulk(b"engines");
    writer.map(1);
    writer.bulk(b"LUA");
    writer.map(2);
    writer.bulk(b"libraries_count");
    writer.int(libraries as i64);
    writer.bulk(b"functions_count");
    writer.int(functions as i64);
    Ok(())
}

pub(super) fn kill(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    server.kill_script(Kind::Functions, "Script killed by user with FUNCTION KILL...")?;
    client.writer().ok();
    Ok(())
}

pub(super) fn dump(server: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    let codes = server.scripting.libraries.values().map(|library| library.code.as_slice());
    client.writer().bulk(&dump::payload(codes));
    Ok(())
}

pub(super) fn restore(server: &mut Server, client: &mut Client, args: Args<'_>) -> Result<(), CommandError> {
    let policy = args.get(3).unwrap_or(b"append").to_ascii_lowercase();
    let (keeps, collision) = match policy.as_slice() {
        _ if args.len() > 4 => return Err(CommandError::Arity("function|restore".into())),
        b"append" => (true, Collision::Refuse),
        b"replace" => (true, Collision::Replace),
        b"flush" => (false, Collision::Refuse),
        _ => {
            return Err(CommandError::new(
                "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
            ));
        }
    };
    let restored = dump::read(args.at(2)).map_err(CommandError::new)?;
    if keeps && collision == Collision::Refuse {
        let names = restored.iter().filter_map(|code| Shebang::of_library(code).ok());
        let mut taken = names.filter(|known| server.scripting.libraries.contains_key(known.name.as_bytes()));
        if let Some(taken) = taken.next() {
            return Err(error(format!("ERR Library {} already exists", taken.name)));
        }
    }
    let kept = if keeps { server.scripting.library_codes() } else { Vec::new() };
    let kept = kept.into_iter().map(|code| (code, Collision::Refuse));
    let codes: Vec<_> = kept.chain(restored.into_iter().map(|code| (code, collision))).collect();
    let loaded = server.load_aside(&codes).map_err(error)?;
    server.adopt(loaded);
    server.effects.dirty += 1;
    client.writer().ok();
    Ok(())
}

pub(super) fn help(_: &mut Server, client: &mut Client, _: Args<'_>) -> Result<(), CommandError> {
    crate::admin::help(
        client,
        "FUNCTION",
        &[
            "DELETE <library>",
            "    Delete a library and its functions.",
            "DUMP",
            "    Give all libraries as a payload for RESTORE.",
            "FLUSH [ASYNC|SYNC]",
            "    Delete all libraries.",
            "KILL",
            "    End the function that runs, if it has written nothing.",
            "LIST [LIBRARYNAME <pattern>] [WITHCODE]",
            "    Describe the libraries, with their code if asked.",
            "LOAD [REPLACE] <code>",
            "    Load a library; its first line names it.",
            "RESTORE <payload> [FLUSH|APPEND|REPLACE]",
            "    Load the libraries of a payload instead of all, beside, or over those there are.",
            "STATS",
            "    Tell of the function that runs, and how many there are.",
        ],
    );
    Ok(())
}
