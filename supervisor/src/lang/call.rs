//! One call of a word: arguments bound to parameters and checked, before the word's own code runs.
//!
//! Every word is registered for every number of arguments with untyped parameters, so that a call with
//! wrong ones comes here and gets a message of ours instead of Rhai's "function not found".

use std::any::TypeId;
use std::rc::Rc;

use rhai::{Dynamic, Engine, EvalAltResult, FnPtr, ImmutableString, Map, NativeCallContext, Position};

use super::failure::{Failure, Outcome, Spot};
use super::options::Options;
use super::session::Session;
use super::values::{LoadHandle, MonitorHandle, NodeHandle, TimeSpan, as_span};
use super::words::{self, MAX_ARGUMENTS, Param, Place, Takes, Word};

/// A call whose arguments fit the word's parameters.
pub(crate) struct Call<'a> {
    pub(crate) session: &'a Rc<Session>,
    pub(crate) word: &'static Word,
    pub(crate) context: &'a NativeCallContext<'a>,
    /// By argument; those of parameters left out are absent.
    args: Vec<Dynamic>,
    /// By parameter: which argument it got.
    bound: Vec<Option<usize>>,
}

/// Registers every word.
pub(crate) fn register(engine: &mut Engine, session: &Rc<Session>) {
    for word in words::all() {
        for count in 0..=MAX_ARGUMENTS {
            register_one(engine, session, word, &vec![TypeId::of::<Dynamic>(); count]);
        }
    }
    // Rhai's own `sleep` takes numbers, and an exact type wins over an untyped one.
    if let Some(sleep) = words::find("sleep") {
        register_one(engine, session, sleep, &[TypeId::of::<i64>()]);
        register_one(engine, session, sleep, &[TypeId::of::<f64>()]);
    }
}

fn register_one(engine: &mut Engine, session: &Rc<Session>, word: &'static Word, types: &[TypeId]) {
    let session = session.clone();
    engine.register_raw_fn(word.name, types, move |context, args| {
        let args: Vec<Dynamic> = args.iter().map(|arg| (**arg).clone().flatten()).collect();
        run(&session, word, &context, args)
    });
}

/// Checks and runs a call.
fn run(
    session: &Rc<Session>,
    word: &'static Word,
    context: &NativeCallContext<'_>,
    args: Vec<Dynamic>,
) -> Result<Dynamic, Box<EvalAltResult>> {
    let position = context.call_position();
    session.step_to(context);
    let outcome = (|| {
        check_place(session, word)?;
        check_arity(word, args.len())?;
        let bound = word.bind(args.len());
        let mut call = Call { session, word, context, args, bound };
        call.check_types()?;
        (word.run)(&mut call)
    })();
    outcome.map_err(|stop| stop.raise(position, context.call_source()))
}

/// Declaring and acting do not mix.
fn check_place(session: &Session, word: &Word) -> Outcome<()> {
    match word.place {
        Place::Experiment => session.require_experiment(word.name),
        Place::TopLevel if session.inside_experiment() => Err(Failure::new(
            Spot::Call,
            format!("`{}` declares, and is allowed at top level only, not inside an experiment", word.name),
        )
        .into()),
        _ => Ok(()),
    }
}

fn check_arity(word: &Word, given: usize) -> Outcome<()> {
    let (least, most) = word.arity();
    if (least..=most).contains(&given) {
        return Ok(());
    }
    Err(arity_failure(word, given).into())
}

/// Why an argument does not fit its parameter, if it does not.
pub(crate) fn argument_misfit(
    word: &Word,
    param: &Param,
    argument: usize,
    value: &Dynamic,
) -> Option<Failure> {
    let misfit = param.takes.accept(value).err()?;
    let message = format!("`{}` of `{}`: {}", param.name, word.name, misfit.message);
    Some(Failure::new(Spot::Argument(argument), message).note(misfit.hint))
}

/// The message for a wrong number of arguments.
pub(crate) fn arity_failure(word: &Word, given: usize) -> Failure {
    let (least, most) = word.arity();
    let message = if given < least {
        let bound = word.bind(given);
        let missing: Vec<String> = word
            .params
            .iter()
            .zip(bound)
            .filter(|(param, argument)| param.required && argument.is_none())
            .map(|(param, _)| format!("`{}` ({})", param.name, param.takes.described()))
            .collect();
        format!("`{}` is missing {}", word.name, missing.join(" and "))
    } else {
        let arguments = if most == 1 { "argument" } else { "arguments" };
        format!("`{}` takes at most {most} {arguments}, got {given}", word.name)
    };
    Failure::new(Spot::Call, message).note(format!("it is used as `{}`", word.signature()))
}

impl<'a> Call<'a> {
    fn check_types(&self) -> Outcome<()> {
        for (index, param) in self.word.params.iter().enumerate() {
            let Some(argument) = self.bound[index] else { continue };
            if let Some(failure) = argument_misfit(self.word, param, argument, &self.args[argument]) {
                return Err(failure.into());
            }
        }
        for argument in self.rest_range() {
            Takes::Scalar.accept(&self.args[argument]).map_err(|misfit| {
                Failure::new(
                    Spot::Argument(argument),
                    format!("argument {} of `{}`: {}", argument + 1, self.word.name, misfit.message),
                )
            })?;
        }
        Ok(())
    }

    fn rest_range(&self) -> std::ops::Range<usize> {
        let first = if self.word.variadic { self.word.params.len() } else { self.args.len() };
        first.min(self.args.len())..self.args.len()
    }

    /// Where the call stands.
    pub(crate) fn position(&self) -> Position {
        self.context.call_position()
    }

    /// Which argument a parameter got, for an error's place.
    pub(crate) fn spot(&self, param: usize) -> Spot {
        self.bound[param].map_or(Spot::Call, Spot::Argument)
    }

    /// The value of a parameter, if it was given.
    pub(crate) fn get(&self, param: usize) -> Option<&Dynamic> {
        self.bound[param].map(|argument| &self.args[argument])
    }

    /// A parameter that was given with this type. The types were checked before, so that the only way to
    /// miss is a declaration that does not fit its word's code.
    fn take<T: Clone + 'static>(&self, param: usize) -> T {
        self.get(param).and_then(|value| value.clone().try_cast::<T>()).unwrap_or_else(|| {
            unreachable!("parameter {param} of `{}` is not what its declaration says", self.word.name)
        })
    }

    pub(crate) fn text(&self, param: usize) -> ImmutableString {
        self.take(param)
    }

    pub(crate) fn text_or_none(&self, param: usize) -> Option<ImmutableString> {
        self.get(param).and_then(|value| value.clone().into_immutable_string().ok())
    }

    pub(crate) fn bool(&self, param: usize) -> bool {
        self.take(param)
    }

    pub(crate) fn int(&self, param: usize) -> i64 {
        self.take(param)
    }

    pub(crate) fn int_or(&self, param: usize, default: i64) -> i64 {
        self.get(param).and_then(|value| value.as_int().ok()).unwrap_or(default)
    }

    pub(crate) fn span(&self, param: usize) -> TimeSpan {
        self.get(param)
            .and_then(as_span)
            .unwrap_or_else(|| unreachable!("parameter {param} of `{}` is not a duration", self.word.name))
    }

    pub(crate) fn node(&self, param: usize) -> NodeHandle {
        self.take(param)
    }

    pub(crate) fn load(&self, param: usize) -> LoadHandle {
        self.take(param)
    }

    pub(crate) fn monitor(&self, param: usize) -> MonitorHandle {
        self.take(param)
    }

    pub(crate) fn monitor_or_none(&self, param: usize) -> Option<MonitorHandle> {
        self.get(param).and_then(|value| value.clone().try_cast())
    }

    /// A node, or an array of nodes.
    pub(crate) fn nodes(&self, param: usize) -> Vec<NodeHandle> {
        self.get(param).map(nodes_of).unwrap_or_default()
    }

    pub(crate) fn closure(&self, param: usize) -> FnPtr {
        self.take(param)
    }

    /// The arguments after the last parameter.
    pub(crate) fn rest(&self) -> &[Dynamic] {
        &self.args[self.rest_range()]
    }

    /// The options that a parameter gives, checked; empty when it was left out.
    pub(crate) fn options(&self, param: usize) -> Outcome<Options> {
        let Some(argument) = self.bound[param] else { return Ok(Options::none()) };
        let map: Map = self.take(param);
        Options::check(self, argument, map, self.word.options)
    }
}

/// The nodes of a value that is a node or an array of nodes.
pub(crate) fn nodes_of(value: &Dynamic) -> Vec<NodeHandle> {
    if let Some(node) = value.clone().try_cast::<NodeHandle>() {
        return vec![node];
    }
    value
        .read_lock::<rhai::Array>()
        .map(|array| array.iter().filter_map(|item| item.clone().flatten().try_cast()).collect())
        .unwrap_or_default()
}
