//! Following a script while its topology is up: when it changes, it is evaluated anew, and what it changes is
//! carried out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::apply::{Applied, Living, apply, describe, run_anew};
use super::difference::difference;
use super::files::{Files, Seen};
use super::ports::KeptPorts;
use super::process_files::ProcessFiles;
use crate::history::{ReloadStage, What};
use crate::lang::{Evaluation, Inputs, Script, evaluate, render_all};
use crate::plan::{NodeId, On, Plan};
use crate::ports::SystemPorts;
use crate::world::ProcessState;

/// Said when a change is not made.
const STAYS: &str = "the topology stays as it is";

/// A script with the topology that was made from it.
pub struct Follower {
    living: Living,
    inputs: Inputs,
    /// As it was read last, right or wrong.
    script: Rc<Script>,
    /// Its warnings and printed lines, as they were shown last.
    shown: (String, Vec<String>),
    /// Files of the last evaluation without mistakes.
    files: BTreeSet<PathBuf>,
    process_files: ProcessFiles,
    watched: Files,
    /// What came of the last change of the script.
    tried: Applied,
}

impl Follower {
    /// Follows the script that `evaluation` came from. What a process has at its start is what later is compared
    /// with: a follower is there before the topology is.
    pub fn new(living: Living, inputs: Inputs, script: Rc<Script>, evaluation: &Evaluation) -> Self {
        let shown = (render_all(&evaluation.warnings, false), evaluation.printed.clone());
        let files = script.files().into_keys().collect();
        let (process_files, watched) = (ProcessFiles::default(), Files::new());
        let tried = Applied::Nothing;
        let mut follower = Self { living, inputs, script, shown, files, process_files, watched, tried };
        follower.watch(&follower.living.journal.plan());
        follower
    }

    /// Watches the files of a plan, and of the script.
    fn watch(&mut self, plan: &Plan) {
        let (scripts, programs) = (self.scripts(), self.programs());
        let followed = scripts.keys().chain(&programs).cloned().collect();
        self.process_files.update(plan, &followed);
        let of_processes = self.process_files.paths().cloned();
        self.watched.watch(scripts, programs.into_iter().chain(of_processes).collect());
    }

    /// Follows it until it is another one that has handlers, or had: they are to be begun anew from it, and it is
    /// to be followed on. Must be polled to its end.
    pub async fn until_other_handlers(&mut self) -> Rc<Script> {
        loop {
            self.watch(&self.living.journal.plan());
            if self.tried == Applied::TakenBack {
                self.watched.count_every_save();
            }
            let changed = self.watched.changed().await;
            let (scripts, programs) = (self.scripts(), self.programs());
            let is_script = |path: &&PathBuf| scripts.contains_key(*path) || programs.contains(*path);
            let of_script: Vec<&PathBuf> = changed.iter().filter(is_script).collect();
            let concerned = self.process_files.concerned(&changed);
            let before: Vec<_> = concerned.keys().map(|&id| (id, self.living.nodes.state(id))).collect();
            let mut anew = None;
            if !of_script.is_empty() {
                let programs_alone = of_script.iter().all(|path| programs.contains(*path));
                self.process_files.begin_anew();
                anew = self.reload(programs_alone).await;
            }
            // One that the script's change has started anew has its files, too.
            for (id, state) in before {
                if self.living.nodes.state(id) == state {
                    self.run_anew(id, &concerned[&id]).await;
                }
            }
            if let Some(script) = anew {
                return script;
            }
        }
    }

    /// A process starts anew, because a file of it is another.
    async fn run_anew(&mut self, id: NodeId, path: &Path) {
        let Living { journal, nodes, .. } = &self.living;
        let tell = |stage, text| {
            journal.record(What::Reload { stage, node: Some(id), text });
        };
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        if !journal.plan().node_ids().any(|other| other == id) {
            return;
        }
        let ends = journal.search(|event| match event.what {
            What::Exited { node, expected, .. } if node == id => Some(expected),
            _ => None,
        });
        let verb = match nodes.state(id) {
            _ if !path.is_file() => {
                return tell(ReloadStage::Told, format!("{file} is gone: nothing restarts"));
            }
            ProcessState::Running(_) => "restarts",
            ProcessState::Paused(_) => {
                return tell(
                    ReloadStage::Told,
                    format!("{file} has changed; it is paused, and goes on as it is"),
                );
            }
            // It may be this file that it has failed of.
            ProcessState::Ended(_) if ends.last() == Some(&false) => "starts",
            ProcessState::Ended(_) | ProcessState::NotStarted => {
                return tell(
                    ReloadStage::Told,
                    format!("{file} has changed; it is down, and starts with it"),
                );
            }
        };
        if !self.process_files.may_restart(path, journal.now()) {
            let text =
                format!("{file} changes after every restart: it is not watched until the script changes");
            return tell(ReloadStage::Told, text);
        }
        tell(ReloadStage::Planned, format!("~ {verb}: {file} has changed"));
        let began = journal.now();
        match run_anew(&self.living, id).await {
            Ok(()) => {
                let took_ms = journal.now().0.saturating_sub(began.0) / 1000;
                tell(ReloadStage::Done, format!("runs with the changed {file}, after {took_ms} ms"));
            }
            Err(error) => {
                let text = format!("does not come up with the changed {file}: {}", describe(&error));
                tell(ReloadStage::Failed, text);
            }
        }
    }

    /// What to watch: the script as read last, and what the last right one was made of.
    fn scripts(&self) -> BTreeMap<PathBuf, Seen> {
        let mut files: BTreeMap<PathBuf, Seen> =
            self.script.files().into_iter().map(|(path, text)| (path, Seen::script(text))).collect();
        for path in &self.files {
            let text = || std::fs::read_to_string(path).ok();
            files.entry(path.clone()).or_insert_with(|| Seen::script(text()));
        }
        files
    }

    /// Scripts that sentinels run: they are read anew whenever they are run, but one that is gone, or cannot be
    /// run any more, is worth a warning.
    fn programs(&self) -> BTreeSet<PathBuf> {
        let plan = self.living.journal.plan();
        let monitors = plan.monitors_in_force().map(|(_, monitor)| monitor);
        let scripts =
            monitors.flat_map(|monitor| [&monitor.notification_script, &monitor.client_reconfig_script]);
        scripts.flatten().cloned().collect()
    }

    fn tell(&self, stage: ReloadStage, text: String) {
        self.living.journal.record(What::Reload { stage, node: None, text });
    }

    /// Evaluates the script anew, and carries out what it changes. Gives it when handlers are to begin anew from it.
    async fn reload(&mut self, programs_alone: bool) -> Option<Rc<Script>> {
        self.tried = Applied::Nothing;
        let script = match Script::open(self.script.name(), self.living.dir.path()) {
            Ok(script) => Rc::new(script),
            Err(error) => {
                self.script = Rc::new(self.script.as_missing());
                self.tell(ReloadStage::Refused, format!("{error}; {STAYS}"));
                return None;
            }
        };
        let plan = self.living.journal.plan();
        let ports = KeptPorts::new(&plan, Box::new(SystemPorts::default()));
        let evaluated = evaluate(&script, &self.inputs, Box::new(ports));
        self.script = script;
        let evaluation = match evaluated {
            Ok(evaluation) => evaluation,
            Err(mistakes) => {
                let mistakes = render_all(&mistakes, false);
                let text = format!("has mistakes; {STAYS}\n{}", mistakes.trim_end());
                self.tell(ReloadStage::Refused, text);
                return None;
            }
        };
        self.files = self.script.files().into_keys().collect();
        self.show(&evaluation);
        let difference = match difference(&plan, &evaluation.plan) {
            Ok(difference) => difference,
            Err(reasons) => {
                self.tell(ReloadStage::Refused, format!("{}; {STAYS}", reasons.join("; ")));
                return None;
            }
        };
        if difference.is_empty() && difference.notes.is_empty() && !programs_alone {
            self.tell(ReloadStage::Told, "has changed, and nothing of the topology with it".to_owned());
        }
        let handlers = about_handlers(&plan, &evaluation.plan).filter(|_| !programs_alone);
        if let Some(text) = &handlers {
            self.tell(ReloadStage::Planned, (*text).to_owned());
        }
        self.watch(&difference.target);
        self.tried = apply(&self.living, &difference).await;
        handlers.filter(|_| self.tried != Applied::TakenBack).map(|_| Rc::clone(&self.script))
    }

    /// Shows warnings and printed lines that are other than last time.
    fn show(&mut self, evaluation: &Evaluation) {
        let shown = (render_all(&evaluation.warnings, false), evaluation.printed.clone());
        if shown.0 != self.shown.0 && !shown.0.is_empty() {
            self.tell(ReloadStage::Told, format!("has warnings\n{}", shown.0.trim_end()));
        }
        if shown.1 != self.shown.1 {
            for text in &shown.1 {
                self.living.journal.record(What::Print { text: text.clone() });
            }
        }
        self.shown = shown;
    }
}

/// What becomes of a script's handlers when it changes, if it has some or had.
fn about_handlers(old: &Plan, new: &Plan) -> Option<&'static str> {
    let has_ready = new.handlers.iter().any(|handler| handler.on == On::Ready);
    match (old.handlers.is_empty(), new.handlers.is_empty()) {
        (true, true) => None,
        (false, true) => Some("- its handlers listen no more"),
        _ if has_ready => Some(
            "~ its handlers begin anew, as the script has them now; `on_ready` runs when the topology is brought up \
             anew",
        ),
        _ => Some("~ its handlers begin anew, as the script has them now"),
    }
}
