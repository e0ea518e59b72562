//! EVAL, FCALL and what belongs to them: scripts and libraries kept, machines driven, commands run for
//! them.
//!
//! - [`commands`]: the declarations. [`eval`]: scripts. [`functions`]: libraries; [`dump`]: their payload.
//! - [`driver`]: a machine's steps, and scripts that take long: they are left where they are, and go on a
//!   little with every tick, while other clients are told BUSY.
//! - [`call`]: one command of a script: what it may do, and its reply.
//!
//! The interpreters are made when first needed, so that a server without scripts pays nothing for them.

mod call;
pub(crate) mod commands;
mod driver;
mod dump;
mod eval;
mod functions;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use scripting::{Flags, Kind, Library, Machine};
use types::CommandError;

pub(crate) use driver::Suspended;

/// A script in the cache.
#[derive(Clone, Debug)]
struct Script {
    body: Vec<u8>,
    flags: Flags,
}

/// Where a function is.
#[derive(Clone, Debug)]
struct Place {
    library: Vec<u8>,
    /// As it was registered.
    name: Vec<u8>,
    flags: Flags,
}

/// Scripts, libraries and the machines that run them.
#[derive(Debug, Default)]
pub(crate) struct Scripting {
    /// By SHA-1.
    scripts: HashMap<String, Script>,
    /// By name.
    libraries: BTreeMap<Vec<u8>, Library>,
    /// Functions by their name in lower case.
    places: HashMap<Vec<u8>, Place>,
    machines: [Option<Machine>; 2],
    /// A script past its limit.
    pub(crate) suspended: Option<Box<Suspended>>,
    /// Where what runs now goes.
    pub(crate) targets: Targets,
}

/// Where a command's effects go, as `redis.set_repl` numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Targets(pub(crate) u8);

impl Targets {
    /// The append-only file.
    pub(crate) const AOF: Targets = Targets(1);
    /// Replicas.
    pub(crate) const REPLICAS: Targets = Targets(2);
    /// Both.
    pub(crate) const ALL: Targets = Targets(3);

    /// Whether `target` is among them.
    pub(crate) fn has(self, target: Targets) -> bool {
        self.0 & target.0 != 0
    }
}

impl Default for Targets {
    fn default() -> Self {
        Self::ALL
    }
}

/// What INFO tells of scripts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sizes {
    pub(crate) vm_eval_bytes: u64,
    pub(crate) vm_functions_bytes: u64,
    pub(crate) scripts_bytes: u64,
    pub(crate) functions_bytes: u64,
    pub(crate) scripts: u64,
    pub(crate) functions: u64,
    pub(crate) libraries: u64,
}

impl Scripting {
    fn take_machine(&mut self, kind: Kind) -> Result<Machine, CommandError> {
        match self.machines[slot(kind)].take() {
            Some(machine) => Ok(machine),
            None => new_machine(kind),
        }
    }

    fn put_machine(&mut self, kind: Kind, machine: Machine) {
        self.machines[slot(kind)] = Some(machine);
    }

    /// The code of every library, as snapshots keep it.
    pub(crate) fn library_codes(&self) -> Vec<Vec<u8>> {
        self.libraries.values().map(|library| library.code.clone()).collect()
    }

    pub(crate) fn sizes(&self) -> Sizes {
        let vm = |kind| self.machines[slot(kind)].as_ref().map_or(0, Machine::used_bytes) as u64;
        // A name, a map's slot, and the text.
        let scripts = self.scripts.values().map(|script| 40 + size_of::<Script>() + script.body.len());
        Sizes {
            vm_eval_bytes: vm(Kind::Scripts),
            vm_functions_bytes: vm(Kind::Functions),
            scripts_bytes: scripts.sum::<usize>() as u64,
            functions_bytes: self.libraries.values().map(Library::size_bytes).sum::<usize>() as u64,
            scripts: self.scripts.len() as u64,
            functions: self.places.len() as u64,
            libraries: self.libraries.len() as u64,
        }
    }
}

fn slot(kind: Kind) -> usize {
    usize::from(kind == Kind::Functions)
}

fn new_machine(kind: Kind) -> Result<Machine, CommandError> {
    let machine = Machine::new(kind, scripting::machine::MEMORY_BYTES);
    machine.map_err(|error| CommandError::Other(format!("ERR cannot make an interpreter: {error}").into()))
}
