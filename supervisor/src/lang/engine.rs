//! The script engine: Rhai with our words, our comparisons, explicit limits, and nothing that blocks, reads
//! a clock or ends a run behind our back.

use std::rc::Rc;

use rhai::packages::Package as _;
use rhai::packages::{
    BasicArrayPackage, BasicBlobPackage, BasicMapPackage, BasicMathPackage, CorePackage, LogicPackage,
    MoreStringPackage,
};
use rhai::{AST, Dynamic, Engine, EvalAltResult, OptimizationLevel, Position};

use super::failure::{Failure, Spot};
use super::import::Importer;
use super::session::Session;
use super::{call, compare, values};
use crate::history::What;

/// Depth of calls; debug builds of Rhai would allow 8.
const MAX_CALL_LEVELS: usize = 64;
/// Depth of expressions, at top level and in functions.
const MAX_EXPRESSION_DEPTH: usize = 64;
/// Files that one file imports.
const MAX_MODULES: usize = 100;
/// Elements of an array or a map, so that a mistaken loop ends with an error and not with swapping.
const MAX_COLLECTION: usize = 1_000_000;
/// Characters of a string.
const MAX_STRING: usize = 64 << 20;

/// An engine for one session.
pub(crate) fn build(session: &Rc<Session>) -> Engine {
    let mut engine = bare();
    call::register(&mut engine, session);
    let weak = Rc::downgrade(session);
    engine.on_progress(move |steps| {
        let session = weak.upgrade()?;
        session.progress(steps).map(|halt| Dynamic::from(session.between_calls(halt)))
    });
    let weak = Rc::downgrade(session);
    engine.on_print(move |text| {
        if let Some(session) = weak.upgrade() {
            print(&session, text);
        }
    });
    let weak = Rc::downgrade(session);
    engine.on_debug(move |text, _, _| {
        if let Some(session) = weak.upgrade() {
            print(&session, text);
        }
    });
    engine.set_module_resolver(Importer::new(session));
    engine
}

/// An engine with everything but the words.
pub(crate) fn bare() -> Engine {
    let mut engine = Engine::new_raw();
    // Without the package that has `timestamp`.
    CorePackage::new().register_into_engine(&mut engine);
    LogicPackage::new().register_into_engine(&mut engine);
    BasicMathPackage::new().register_into_engine(&mut engine);
    BasicArrayPackage::new().register_into_engine(&mut engine);
    BasicBlobPackage::new().register_into_engine(&mut engine);
    BasicMapPackage::new().register_into_engine(&mut engine);
    MoreStringPackage::new().register_into_engine(&mut engine);
    engine
        .set_optimization_level(OptimizationLevel::None)
        .set_max_call_levels(MAX_CALL_LEVELS)
        .set_max_expr_depths(MAX_EXPRESSION_DEPTH, MAX_EXPRESSION_DEPTH)
        .set_max_modules(MAX_MODULES)
        .set_max_array_size(MAX_COLLECTION)
        .set_max_map_size(MAX_COLLECTION)
        .set_max_string_size(MAX_STRING)
        .set_fail_on_invalid_map_property(true)
        .disable_symbol("eval");
    values::register(&mut engine);
    compare::register(&mut engine);
    engine.register_fn("exit", || Err::<(), _>(no_exit()));
    engine.register_fn("exit", |_: Dynamic| Err::<(), _>(no_exit()));
    engine
}

/// A script cannot end a run early and call that a success.
fn no_exit() -> Box<EvalAltResult> {
    no_exit_failure().raise(Position::NONE)
}

/// The same for the walk over the tree.
pub(crate) fn no_exit_failure() -> Failure {
    Failure::new(Spot::Call, "there is no `exit`: it would end the run without judging it")
        .note("`return` leaves a body early, and `require(false, why)` fails the experiment".to_owned())
}

/// A printed line belongs to the experiment that runs, or to the declarations.
fn print(session: &Session, text: &str) {
    match &session.running {
        Some(running) if running.inside.get() => {
            running.world.borrow_mut().note(What::Print { text: text.to_owned() });
        }
        // The declarations were printed when the plan was made.
        Some(_) => {}
        None => session.state.borrow_mut().printed.push(text.to_owned()),
    }
}

/// Compiles a text; unknown variables are [`super::check`]'s to find, which sees all of them and not only
/// the first.
pub(crate) fn compile(engine: &Engine, name: &str, text: &str) -> Result<AST, rhai::ParseError> {
    let mut ast = engine.compile(text)?;
    ast.set_source(name);
    Ok(ast)
}
