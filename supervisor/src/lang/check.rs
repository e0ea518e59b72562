//! What can be said about a script without running it: unknown words and variables, calls with the wrong
//! number of arguments, literal arguments and options that do not fit.
//!
//! Rhai notices these only when a line runs, and an experiment's lines run late. The walk sees every line,
//! all of them at once. It never guesses: what depends on a value is left to evaluation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use rhai::{AST, ASTNode, Dynamic, Expr, FnCallExpr, Ident, Module, Position, Stmt};

use super::call::{argument_misfit, arity_failure};
use super::diagnostic::{Diagnostic, Severity};
use super::explain::unknown_word;
use super::failure::{Failure, Spot};
use super::session::{Session, Source};
use super::suggest::did_you_mean;
use super::words::{self, Takes, Word};
use super::{locate, options};

/// Names that the syntax itself answers for, and those that [`super::engine`] refuses with words of its own.
const SYNTAX: &[&str] = &["Fn", "call", "curry", "type_of", "is_def_fn", "is_def_var", "is_shared"];

/// Rhai's own functions with their numbers of parameters.
pub(crate) fn native_functions() -> &'static BTreeMap<String, BTreeSet<usize>> {
    static FUNCTIONS: OnceLock<BTreeMap<String, BTreeSet<usize>>> = OnceLock::new();
    FUNCTIONS.get_or_init(|| {
        let mut functions: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        let all = super::engine::bare().collect_fn_metadata(
            None,
            |info| Some((info.metadata.name.to_string(), info.metadata.num_params)),
            true,
        );
        for (name, count) in all {
            functions.entry(name).or_default().insert(count);
        }
        functions
    })
}

/// Every finding in one source.
pub(crate) fn findings(session: &Session, source: &Source) -> Vec<Diagnostic> {
    let mut walk = Walk::new(session, source);
    walk.body(&source.ast.clone_statements_only(), &Body::default());
    for (_, _, name, _, definition) in source.ast.shared_lib().iter_script_fn_info() {
        let function = (!name.starts_with("anon$")).then(|| name.to_owned());
        if function.is_some() && words::find(name).is_some() {
            let position = definition.body.start_position();
            walk.note(position, Failure::new(Spot::Call, format!("the function `{name}` hides the word")));
        }
        let mut alone = Module::new();
        alone.set_script_fn(definition.clone());
        let parameters = definition.params.iter().map(ToString::to_string).collect();
        walk.body(&AST::new_from_module(alone), &Body { function, parameters });
    }
    walk.found
}

/// A body that is walked: the top level, a function, or a closure.
#[derive(Default)]
struct Body {
    /// The name, of a function that has one.
    function: Option<String>,
    parameters: BTreeSet<String>,
}

/// The walk over one source.
struct Walk<'a> {
    source: &'a Source,
    /// Functions of all scripts, with their numbers of parameters.
    functions: BTreeMap<String, BTreeSet<usize>>,
    /// Keys of map literals: a closure in a map is called like a method.
    map_keys: BTreeSet<String>,
    /// Every variable that is declared somewhere, for suggestions.
    variables: BTreeSet<String>,
    /// Variables of the top level.
    top_level: BTreeSet<String>,
    found: Vec<Diagnostic>,
}

impl<'a> Walk<'a> {
    fn new(session: &Session, source: &'a Source) -> Self {
        let mut functions: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        for other in session.sources() {
            for function in other.ast.iter_functions() {
                functions.entry(function.name.to_owned()).or_default().insert(function.params.len());
            }
        }
        let variable = |statement: &Stmt| match statement {
            Stmt::Var(var, ..) => Some(var.0.name.to_string()),
            _ => None,
        };
        let mut map_keys = BTreeSet::new();
        let mut variables = BTreeSet::new();
        source.ast.walk(&mut |path: &[ASTNode<'_>]| {
            match path.last() {
                Some(ASTNode::Expr(Expr::Map(map, _))) => {
                    map_keys.extend(map.1.keys().map(ToString::to_string));
                }
                Some(ASTNode::Stmt(statement)) => variables.extend(variable(statement)),
                _ => {}
            }
            true
        });
        let top_level = source.ast.statements().iter().filter_map(variable).collect();
        Self { source, functions, map_keys, variables, top_level, found: Vec::new() }
    }

    fn note(&mut self, position: Position, failure: Failure) {
        let place = locate::spot(&self.source.ast, position, &failure.spot);
        let Source { file, text, .. } = self.source;
        let mut diagnostic = Diagnostic::at(Severity::Error, file, text, place, failure.message);
        diagnostic.notes = failure.notes;
        if !self.found.contains(&diagnostic) {
            self.found.push(diagnostic);
        }
    }

    fn body(&mut self, tree: &AST, body: &Body) {
        tree.walk(&mut |path: &[ASTNode<'_>]| {
            match path.last() {
                Some(ASTNode::Expr(Expr::Variable(variable, _, position))) => {
                    let known = variable.0.is_some() || !variable.2.is_empty();
                    if !known {
                        self.variable(path, body, &variable.1, *position);
                    }
                }
                Some(ASTNode::Expr(Expr::FnCall(call, position)))
                | Some(ASTNode::Stmt(Stmt::FnCall(call, position))) => self.call(call, *position, false),
                Some(ASTNode::Expr(Expr::MethodCall(call, position))) => self.call(call, *position, true),
                _ => {}
            }
            true
        });
    }

    /// A name that the parser did not find among the variables of its body.
    fn variable(&mut self, path: &[ASTNode<'_>], body: &Body, name: &str, position: Position) {
        // Parameters hold what a closure captures; a function's name is a value.
        if body.parameters.contains(name) || self.functions.contains_key(name) {
            return;
        }
        let failure = match &body.function {
            Some(function) if self.top_level.contains(name) => Failure::new(
                Spot::Call,
                format!("the function `{function}` does not see the top level's variable `{name}`"),
            )
            .note(format!("pass it: `fn {function}(…, {name})`")),
            _ if is_replica_of_itself(path, name) => {
                Failure::new(Spot::Call, format!("`{name}` would be a replica of itself"))
                    .note("what a replica follows is declared before it".to_owned())
            }
            _ => {
                let failure = Failure::new(Spot::Call, format!("unknown variable `{name}`"));
                let hint = did_you_mean(name, self.variables.iter().map(String::as_str));
                match words::find(name) {
                    Some(word) => failure.note(format!("`{name}` is a word: {}", word.signature())),
                    None => failure.note(hint),
                }
            }
        };
        self.note(position, failure);
    }

    fn call(&mut self, call: &FnCallExpr, position: Position, method: bool) {
        let name = call.name.as_str();
        if call.op_token.is_some() || !call.namespace.is_empty() || SYNTAX.contains(&name) {
            return;
        }
        let given = call.args.len() + usize::from(method);
        if name == "exit" {
            self.note(position, super::engine::no_exit_failure());
            return;
        }
        if let Some(counts) = self.functions.get(name) {
            // A function called as a method gets its receiver as `this`, not as a parameter.
            if counts.contains(&call.args.len()) {
                return;
            }
        }
        if let Some(word) = words::find(name) {
            self.word_call(word, call, position, method);
            return;
        }
        let native = native_functions().get(name);
        let closure_in_map = method && self.map_keys.contains(name);
        if native.is_some_and(|counts| counts.contains(&given)) || closure_in_map {
            return;
        }
        let failure = if native.is_some() || self.functions.contains_key(name) {
            let arguments = if call.args.len() == 1 { "argument" } else { "arguments" };
            Failure::new(Spot::Call, format!("`{name}` does not take {} {arguments}", call.args.len()))
        } else {
            unknown_word(name, self.functions.keys().map(String::as_str))
        };
        self.note(position, failure);
    }

    fn word_call(&mut self, word: &'static Word, call: &FnCallExpr, position: Position, method: bool) {
        let receiver = usize::from(method);
        let given = call.args.len() + receiver;
        let (least, most) = word.arity();
        if !(least..=most).contains(&given) {
            self.note(position, arity_failure(word, given));
            return;
        }
        for (param, argument) in word.params.iter().zip(word.bind(given)) {
            let Some(argument) = argument else { continue };
            let Some(expression) = argument.checked_sub(receiver).and_then(|i| call.args.get(i)) else {
                continue;
            };
            if param.takes == Takes::Options
                && let Expr::Map(map, _) = expression
            {
                self.options(word, argument, position, &map.0);
            } else if let Some(value) = literal(expression)
                && let Some(failure) = argument_misfit(word, param, argument, &value)
            {
                self.note(position, failure);
            }
        }
    }

    fn options(&mut self, word: &Word, argument: usize, position: Position, given: &[(Ident, Expr)]) {
        for (key, value) in given {
            let failure = match literal(value) {
                Some(value) => options::misfit(word.name, argument, &key.name, &value, word.options),
                None if word.option(&key.name).is_none() => {
                    Some(options::unknown(word.name, argument, &key.name, word.options))
                }
                None => None,
            };
            if let Some(failure) = failure {
                self.note(position, failure);
            }
        }
    }
}

/// Whether a variable stands in the `replica` that it is declared to be.
fn is_replica_of_itself(path: &[ASTNode<'_>], name: &str) -> bool {
    let replica = |node: &ASTNode<'_>| match node {
        ASTNode::Expr(Expr::FnCall(call, _) | Expr::MethodCall(call, _)) => {
            matches!(call.name.as_str(), "replica" | "replicas")
        }
        _ => false,
    };
    let declared = |node: &ASTNode<'_>| match node {
        ASTNode::Stmt(Stmt::Var(variable, ..)) => variable.0.name == name,
        _ => false,
    };
    path.iter().any(declared) && path.iter().any(replica)
}

/// The value of an expression that is a plain literal.
fn literal(expression: &Expr) -> Option<Dynamic> {
    match expression {
        Expr::BoolConstant(..)
        | Expr::IntegerConstant(..)
        | Expr::FloatConstant(..)
        | Expr::StringConstant(..)
        | Expr::Unit(_) => expression.get_literal_value(None),
        _ => None,
    }
}
