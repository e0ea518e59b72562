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
        Spot::Inner(index, key, inner) => match expression(*index)? {
            Expr::Map(map, _) => {
                let (_, value) = map.0.iter().find(|(name, _)| name.name == *key)?;
                match value {
                    Expr::Map(map, _) => {
                        map.0.iter().find(|(name, _)| name.name == *inner).map(|(name, _)| name.pos)
                    }
                    other => Some(other.start_position()),
                }
            }
            other => Some(other.start_position()),
        },
        Spot::Element(index, key, element) => match expression(*index)? {
            Expr::Map(map, _) => {
                let (_, value) = map.0.iter().find(|(name, _)| name.name == *key)?;
                match value {
                    Expr::Array(array, _) => array.get(*element).map(Expr::start_position),
                    other => Some(other.start_position()),
                }
            }
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

/// The texts of the arguments of the call whose name stands at `position`, with white space as single blanks.
/// They are found in the text, because the tree does not keep it.
pub(crate) fn argument_texts(text: &str, position: Position) -> Vec<String> {
    let mut inside = text
        .lines()
        .skip(position.line().unwrap_or(1).saturating_sub(1))
        .collect::<Vec<_>>()
        .join("\n")
        .chars()
        .skip(position.position().unwrap_or(1).saturating_sub(1))
        .skip_while(|c| *c != '(')
        .skip(1)
        .collect::<Vec<char>>()
        .into_iter();
    let mut texts = vec![String::new()];
    let mut depth = 0;
    let mut quote = None;
    while let Some(c) = inside.next() {
        let current = texts.len() - 1;
        match (quote, c) {
            (None, ')' | ']' | '}') if depth == 0 => break,
            (None, ',') if depth == 0 => {
                texts.push(String::new());
                continue;
            }
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth -= 1,
            (None, '"' | '`') => quote = Some(c),
            (Some(_), '\\') => {
                texts[current].push(c);
                texts[current].extend(inside.next());
                continue;
            }
            (Some(open), _) if open == c => quote = None,
            _ => {}
        }
        texts[current].push(c);
    }
    let tidy = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    texts.into_iter().map(tidy).filter(|text| !text.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_found_in_the_text() {
        let text = "let a = 1;\nwait_until(\"1,0)s\", || {\n    f(1, [2]) == \"\\\")\"\n}, `x`); next(1)";
        assert_eq!(
            argument_texts(text, Position::new(2, 1)),
            ["\"1,0)s\"", "|| { f(1, [2]) == \"\\\")\" }", "`x`"]
        );
        assert_eq!(argument_texts("m.kill()", Position::new(1, 3)), Vec::<String>::new());
        assert_eq!(argument_texts("f(1", Position::new(1, 1)), ["1"]);
    }
}
