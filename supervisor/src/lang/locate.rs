//! Finds the part of a call that an error is about: an argument, an option's name, an option's value.
//!
//! Rhai knows where a call stands, not where its arguments do; the syntax tree does.

use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Stmt};

use super::failure::Spot;

/// The position of a spot of the call at `position`; the call's own where the tree does not say more.
pub(crate) fn spot(ast: &AST, position: Position, spot: &Spot) -> Position {
    if *spot == Spot::Call || position.is_none() {
        return position;
    }
    let mut found = None;
    ast.walk(&mut |path: &[ASTNode<'_>]| {
        found = call_at(path, position).and_then(|arguments| place(&arguments, spot));
        found.is_none()
    });
    found.unwrap_or(position)
}

/// The arguments of the call that the walk stands at, if it stands at `position`; a method's receiver is the
/// first.
fn call_at<'a>(path: &[ASTNode<'a>], position: Position) -> Option<Vec<Option<&'a Expr>>> {
    let arguments = |call: &'a FnCallExpr| call.args.iter().map(Some).collect::<Vec<_>>();
    match path.last()? {
        ASTNode::Expr(Expr::FnCall(call, at)) if *at == position => Some(arguments(call)),
        ASTNode::Stmt(Stmt::FnCall(call, at)) if *at == position => Some(arguments(call)),
        ASTNode::Expr(Expr::MethodCall(call, at)) if *at == position => {
            // The receiver of `a.b.c()` is a chain of its own; its place is not needed by any message.
            Some(std::iter::once(None).chain(arguments(call)).collect())
        }
        _ => None,
    }
}

fn place(arguments: &[Option<&Expr>], spot: &Spot) -> Option<Position> {
    let expression = |index: usize| arguments.get(index).copied().flatten();
    match spot {
        Spot::Call => None,
        Spot::Argument(index) => expression(*index).map(Expr::start_position),
        Spot::Key(index, key) => match expression(*index)? {
            Expr::Map(map, _) => map.0.iter().find(|(name, _)| name.name == *key).map(|(name, _)| name.pos),
            other => Some(other.start_position()),
        },
        Spot::Value(index, key) => match expression(*index)? {
            Expr::Map(map, _) => {
                map.0.iter().find(|(name, _)| name.name == *key).map(|(_, value)| value.start_position())
            }
            other => Some(other.start_position()),
        },
    }
}
