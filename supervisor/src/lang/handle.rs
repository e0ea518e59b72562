//! Handlers: `on_ready` and `on_event`, what the script does by itself when something happens.
//!
//! They run on the script's thread, inside the experiment's waits, one at a time; without an experiment (a
//! topology that is up) inside a wait that lasts as long as the topology. A body is kept with all that Rhai
//! knew where it stood, so that it sees the imports and functions of its own file wherever it is called from.

use std::cell::RefCell;
use std::rc::Rc;

use rhai::{Dynamic, Engine, EvalAltResult, FnPtr, GlobalRuntimeState, NativeCallContext, Position};

use super::call::Call;
use super::failure::{Failure, Halt, Outcome, Spot, Stop, halt_in};
use super::random::Random;
use super::session::{Running, Session};
use super::values::EventValue;
use super::words::{Place, Takes, Word, option, optional, required};
use crate::history::Moment;
use crate::plan::{Handler, On};
use crate::world::{Begun, Heard, Listening, Observation, Query, SeenEvent, Wait, Waited, WorldError};

/// The words of this module.
pub(crate) const WORDS: &[Word] = &[
    Word {
        name: "on_ready",
        place: Place::TopLevel,
        params: &[required("body", Takes::Closure)],
        variadic: false,
        options: &[],
        gives: "nothing",
        summary: "Declares what is done whenever a fresh topology is ready: before each experiment that starts \
                  with one, and once by `topple up`. Declared before the experiments.",
        run: on_ready,
    },
    Word {
        name: "on_event",
        place: Place::TopLevel,
        params: &[
            required("event", Takes::Event),
            optional("options", Takes::Options),
            required("body", Takes::Closure),
        ],
        variadic: false,
        options: &[option("from", Takes::Nodes, "any", "the sentinels that may say it")],
        gives: "nothing",
        summary: "Declares what is done when a sentinel says something (`\"*\"`: whatever it says); the body \
                  takes the event. It runs inside the waits of an experiment, or at once when the topology is \
                  up without one, and once for every sentinel that says it. Declared before the experiments.",
        run: on_event,
    },
];

/// A handler with its body.
pub(crate) struct Body {
    on: On,
    body: FnPtr,
    /// What Rhai knew where the handler was declared.
    global: GlobalRuntimeState,
    position: Position,
    /// What it chooses by, from one run of it to the next.
    choices: RefCell<Random>,
}

fn on_ready(call: &mut Call<'_>) -> Outcome {
    keep(call, On::Ready, call.closure(0), 0, 0)
}

fn on_event(call: &mut Call<'_>) -> Outcome {
    let options = call.options(1)?;
    let from = options.nodes("from");
    if let Some(wrong) = from.iter().find(|node| !node.is_sentinel()) {
        let message = format!("`{}` is not a sentinel: it publishes no events", wrong.node.name);
        return Err(Failure::new(options.value_spot("from"), message).into());
    }
    let on = On::Event { event: call.text(0).to_string(), from: super::act::ids(&from) };
    keep(call, on, call.closure(2), 2, 1)
}

/// Keeps a handler whose body is parameter `param` and takes `takes` values.
fn keep(call: &Call<'_>, on: On, body: FnPtr, param: usize, takes: usize) -> Outcome {
    if let Some(has) = parameters_of(call, &body).filter(|has| *has != takes) {
        let right = if takes == 0 { "|| …" } else { "|event| …" };
        let values = if has == 1 { "1 value" } else { &format!("{has} values") };
        let message = format!("the body of `{}` takes {values}", call.word.name);
        let failure = Failure::new(call.spot(param), message).note(format!("it is written `{right}`"));
        call.session.mistake(call.context, failure)?;
    }
    if let Some(experiment) = call.session.state.borrow().plan.experiments.first() {
        let message = format!("`{}` stands behind an experiment, which would not see it", call.word.name);
        let note = format!("declare it before the first experiment, at line {}", experiment.position.line);
        return Err(Failure::new(Spot::Call, message).note(note).into());
    }
    let position = call.session.place(call.context);
    call.session.state.borrow_mut().plan.handlers.push(Handler { on: on.clone(), position });
    if let Some(running) = &call.session.running {
        let global = call.context.global_runtime_state().clone();
        let mut handlers = call.session.handlers.borrow_mut();
        let choices = Random::for_handler(running.expected.seed, running.target, handlers.len());
        let choices = RefCell::new(choices);
        handlers.push(Rc::new(Body { on, body, global, position: call.position(), choices }));
    }
    Ok(Dynamic::UNIT)
}

/// How many values a closure takes, beside those it captures.
fn parameters_of(call: &Call<'_>, body: &FnPtr) -> Option<usize> {
    let source = call.session.source(call.context.call_source())?;
    let library = source.ast.shared_lib();
    let definition = library
        .iter_script_fn_info()
        .find(|(_, _, name, _, _)| *name == body.fn_name())
        .map(|found| found.4)?;
    Some(definition.params.len().saturating_sub(body.curry().len()))
}

/// Runs the handlers of a fresh topology, and has the others listen from here on.
pub(crate) fn topology_is_ready(
    session: &Rc<Session>,
    engine: &Engine,
    running: &Running,
) -> Result<(), Box<EvalAltResult>> {
    listen_from_now(session, running)?;
    for handler in bodies(session) {
        if handler.on == On::Ready {
            run(session, engine, running, &handler, None)?;
        }
    }
    Ok(())
}

/// What has happened so far is no handler's business.
pub(crate) fn listen_from_now(session: &Session, running: &Running) -> Result<(), Box<EvalAltResult>> {
    hear(session, running, Heard::ALL).map(|_| ())
}

/// Waits, and runs the handlers of what comes meanwhile.
pub(crate) fn wait(call: &Call<'_>, running: &Running, wait: Wait) -> Outcome<Waited> {
    loop {
        attend(call.session, call.context.engine(), running, &mut |_| false).map_err(Stop::Nested)?;
        let listening = listening(call.session, running);
        let waited = running.world.borrow_mut().wait(wait.clone(), &listening)?;
        if waited != Waited::Heard {
            return Ok(waited);
        }
    }
}

/// A topology that is up is ready: from here on its handlers live. Those that come instead of others listen from
/// where the others ceased, and the topology is not a fresh one to them.
pub(crate) fn begin_to_live(session: &Rc<Session>, engine: &Engine) -> Result<(), Box<EvalAltResult>> {
    let Some(running) = &session.running else { return Ok(()) };
    running.inside.set(true);
    match running.begun {
        Begun::Fresh => topology_is_ready(session, engine, running),
        Begun::GoesOn => Ok(()),
    }
}

/// Runs handlers for as long as the world lasts. Gives each error, and goes on after it.
pub(crate) fn live(session: &Rc<Session>, engine: &Engine, tell: &mut dyn FnMut(&EvalAltResult)) {
    let Some(running) = &session.running else { return };
    loop {
        let mut goes_on = |error: &EvalAltResult| {
            let over = matches!(halt_in(error), Some(halted) if matches!(halted.halt, Halt::Interrupted(_)));
            if !over {
                tell(error);
            }
            !over
        };
        if let Err(error) = attend(session, engine, running, &mut goes_on) {
            return drop(error);
        }
        let listening = listening(session, running);
        let waited = running.world.borrow_mut().wait(Wait::Until(Moment(u64::MAX)), &listening);
        if waited.is_err() {
            return;
        }
    }
}

/// What a wait is broken off for: nothing while a handler runs, whose waits are its own.
fn listening(session: &Session, running: &Running) -> Listening {
    if running.handling.get() {
        return Listening::default();
    }
    let to = bodies(session).iter().map(|handler| handler.on.clone()).filter(|on| *on != On::Ready).collect();
    Listening { to, from: running.heard.get() }
}

/// Runs the handlers of everything that has come. An error ends that, unless `goes_on` gives true for it.
fn attend(
    session: &Rc<Session>,
    engine: &Engine,
    running: &Running,
    goes_on: &mut dyn FnMut(&EvalAltResult) -> bool,
) -> Result<(), Box<EvalAltResult>> {
    let handlers = bodies(session);
    if running.handling.get() || handlers.iter().all(|handler| handler.on == On::Ready) {
        return Ok(());
    }
    for seen in hear(session, running, running.heard.get())? {
        for handler in handlers.iter().filter(|handler| handler.on.is(seen.node, &seen.event)) {
            if let Err(error) = run(session, engine, running, handler, Some(seen.clone()))
                && !goes_on(&error)
            {
                return Err(error);
            }
        }
    }
    Ok(())
}

/// What sentinels have said since; from here on it counts as heard.
fn hear(session: &Session, running: &Running, from: Heard) -> Result<Vec<SeenEvent>, Box<EvalAltResult>> {
    let observed = running.world.borrow_mut().observe(Query::Heard(from));
    let refuse = |error: WorldError| session.raise_between_calls(Stop::from(error));
    match observed.map_err(refuse)? {
        Observation::Heard(events, next) => {
            running.heard.set(next);
            Ok(events)
        }
        other => Err(refuse(WorldError::Environment(format!("what sentinels said is {other:?}")))),
    }
}

fn bodies(session: &Session) -> Vec<Rc<Body>> {
    session.handlers.borrow().clone()
}

/// Calls a body where it was declared.
fn run(
    session: &Rc<Session>,
    engine: &Engine,
    running: &Running,
    handler: &Body,
    event: Option<SeenEvent>,
) -> Result<(), Box<EvalAltResult>> {
    let name = if event.is_some() { "on_event" } else { "on_ready" };
    let source = handler.global.source();
    let context =
        NativeCallContext::new_with_all_fields(engine, name, source, &handler.global, handler.position);
    let event = event.and_then(|seen| {
        let node = session.handle(seen.node)?;
        Some(Dynamic::from(EventValue { seen, node }))
    });
    let last_action = running.last_action.get();
    running.handling.set(true);
    running.world.borrow_mut().enter_handler();
    let arguments: Vec<Dynamic> = event.into_iter().collect();
    let outcome = session.choosing_by(&mut handler.choices.borrow_mut(), || {
        handler.body.call_within_context::<Dynamic>(&context, arguments)
    });
    running.world.borrow_mut().leave_handler();
    running.handling.set(false);
    running.last_action.set(last_action);
    outcome.map(|_| ())
}
