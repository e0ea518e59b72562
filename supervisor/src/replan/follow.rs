//! Following a script while its topology is up: when it changes, it is evaluated anew, and what it changes is
//! carried out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::rc::Rc;

use super::apply::{Applied, Living, apply};
use super::difference::difference;
use super::files::{Files, Seen};
use super::ports::KeptPorts;
use crate::history::{ReloadStage, What};
use crate::lang::{Evaluation, Inputs, Script, evaluate, render_all};
use crate::plan::Plan;
use crate::ports::SystemPorts;

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
}

impl Follower {
    /// Follows the script that `evaluation` came from.
    pub fn new(living: Living, inputs: Inputs, script: Rc<Script>, evaluation: &Evaluation) -> Self {
        let shown = (render_all(&evaluation.warnings, false), evaluation.printed.clone());
        let files = script.files().into_keys().collect();
        Self { living, inputs, script, shown, files }
    }

    /// Follows it for as long as it is polled.
    pub async fn follow(mut self) {
        let mut files = Files::new();
        let mut tried = Applied::Nothing;
        loop {
            files.watch(self.scripts(), self.programs());
            if tried == Applied::TakenBack {
                files.count_every_save();
            }
            let changed = files.changed().await;
            let programs_alone = changed.iter().all(|path| self.programs().contains(path));
            tried = self.reload(programs_alone).await;
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

    async fn reload(&mut self, programs_alone: bool) -> Applied {
        const STAYS: &str = "the topology stays as it is";
        let script = match Script::open(self.script.name(), self.living.dir.path()) {
            Ok(script) => Rc::new(script),
            Err(error) => {
                self.script = Rc::new(self.script.as_missing());
                self.tell(ReloadStage::Refused, format!("{error}; {STAYS}"));
                return Applied::Nothing;
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
                return Applied::Nothing;
            }
        };
        self.files = self.script.files().into_keys().collect();
        self.show(&evaluation);
        let has_handlers = !plan.handlers.is_empty() || !evaluation.plan.handlers.is_empty();
        if has_handlers && !programs_alone {
            self.tell(ReloadStage::Told, "its handlers stay those that it came up with".to_owned());
        }
        self.carry_out(&plan, &evaluation.plan, programs_alone, STAYS).await
    }

    async fn carry_out(&self, plan: &Plan, wanted: &Plan, programs_alone: bool, stays: &str) -> Applied {
        match difference(plan, wanted) {
            Ok(difference) => {
                if difference.is_empty() && difference.notes.is_empty() && !programs_alone {
                    self.tell(
                        ReloadStage::Told,
                        "has changed, and nothing of the topology with it".to_owned(),
                    );
                }
                apply(&self.living, &difference).await
            }
            Err(reasons) => {
                self.tell(ReloadStage::Refused, format!("{}; {stays}", reasons.join("; ")));
                Applied::Nothing
            }
        }
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
