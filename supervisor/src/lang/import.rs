//! `import`: other scripts, found from the folder of the file that names them, and evaluated once.
//!
//! Rhai evaluates an imported script in a state of its own, so it does not notice files that import each other;
//! this module does.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::{Rc, Weak};

use rhai::{AST, Engine, EvalAltResult, Module, ModuleResolver, Position, Scope, Shared};

use super::engine::compile;
use super::failure::{Failure, Spot};
use super::session::Session;

/// Files that import one another, one inside the other: each takes a part of the stack.
const MAX_DEPTH: usize = 16;

/// What one evaluation has imported.
#[derive(Default)]
pub(crate) struct Imports {
    /// What imported files give; each is evaluated once, however many import it.
    modules: RefCell<BTreeMap<PathBuf, Shared<Module>>>,
    /// Files whose evaluation has begun and not ended, the outermost first; without the script itself.
    open: RefCell<Vec<PathBuf>>,
}

/// Resolves `import` by the script's own paths, and keeps what was read.
pub(crate) struct Importer {
    session: Weak<Session>,
}

impl Importer {
    pub(crate) fn new(session: &Rc<Session>) -> Self {
        Self { session: Rc::downgrade(session) }
    }
}

impl ModuleResolver for Importer {
    fn resolve(
        &self,
        engine: &Engine,
        source: Option<&str>,
        path: &str,
        position: Position,
    ) -> Result<Shared<Module>, Box<EvalAltResult>> {
        let over = || Failure::new(Spot::Call, "the evaluation is over").raise(position);
        let session = self.session.upgrade().ok_or_else(over)?;
        let from = source.filter(|name| *name != session.script.name()).map(Path::new);
        let (resolved, text) = session
            .script
            .import(path, from)
            .map_err(|(message, hint)| Failure::new(Spot::Call, message).note(hint).raise(position))?;
        if let Some(module) = session.imports.modules.borrow().get(&resolved) {
            return Ok(module.clone());
        }
        refuse_circles(&session, &resolved).map_err(|failure| failure.raise(position))?;
        session.imports.open.borrow_mut().push(resolved.clone());
        let module = evaluate(&session, engine, &resolved, text);
        session.imports.open.borrow_mut().pop();
        let name = resolved.display().to_string();
        let module = module.map_err(|error| EvalAltResult::ErrorInModule(name, error, position))?;
        session.imports.modules.borrow_mut().insert(resolved, module.clone());
        Ok(module)
    }
}

/// A file that is being evaluated cannot be imported: what it gives is not there yet.
fn refuse_circles(session: &Session, wanted: &Path) -> Result<(), Failure> {
    let mut files = vec![session.script.path()];
    files.extend(session.imports.open.borrow().iter().cloned());
    // A link is the file that it leads to.
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let target = real(wanted);
    if let Some(first) = files.iter().position(|file| real(file) == target) {
        let name = shown_path(&files[first]);
        let between: Vec<String> = files[first + 1..].iter().map(|file| shown_path(file)).collect();
        let message = match between.is_empty() {
            true => format!("{name} imports itself"),
            false => format!("{name} imports itself, by way of {}", between.join(" and ")),
        };
        let hint = "what both need belongs into a file of its own that each of them imports";
        let hint = (!between.is_empty()).then(|| hint.to_owned());
        return Err(Failure::new(Spot::Call, message).note(hint));
    }
    if files.len() > MAX_DEPTH {
        let message = format!("{MAX_DEPTH} files import one another, one inside the other, and no more may");
        return Err(Failure::new(Spot::Call, message));
    }
    Ok(())
}

fn evaluate(
    session: &Rc<Session>,
    engine: &Engine,
    path: &Path,
    text: String,
) -> Result<Shared<Module>, Box<EvalAltResult>> {
    let (name, shown) = (path.display().to_string(), shown_path(path));
    let ast = compile(engine, &name, &text).map_err(|error| {
        let at = error.position();
        // The text must be known for its line to be shown; it has no tree.
        session.add_source(&name, shown.clone(), text.clone(), AST::empty());
        EvalAltResult::ErrorParsing(*error.0, at)
    })?;
    let source = session.add_source(&name, shown, text, ast.clone());
    session.check_source(&source);
    Module::eval_ast_as_new(Scope::new(), &ast, engine).map(Shared::new)
}

/// A path relative to the working directory where that is shorter.
fn shown_path(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}
