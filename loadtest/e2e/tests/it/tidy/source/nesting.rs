//! How deep is the control flow of a function? Arms and closures count only by what is in them.

use super::words;

const KEYWORDS: &[&str] = &["else", "for", "if", "loop", "match", "while"];

/// The largest number of control-flow blocks around one place.
pub(super) fn depth(body: &str) -> usize {
    let mut open: Vec<bool> = Vec::new();
    let mut deepest = 0;
    let mut start = 0;
    for (at, c) in body.char_indices() {
        match c {
            '{' => open.push(is_control_flow(&body[start..at])),
            '}' => drop(open.pop()),
            ';' => {}
            _ => continue,
        }
        start = at + 1;
        deepest = deepest.max(open.iter().filter(|block| **block).count());
    }
    deepest
}

/// Whether this, the text since the last block or statement, makes the block that follows one of
/// control flow. A guard belongs to its arm, before the arrow.
fn is_control_flow(text: &str) -> bool {
    let text = text.rsplit("=>").next().unwrap_or(text);
    words(text).any(|(_, word)| KEYWORDS.contains(&word))
}

#[test]
fn only_control_flow_makes_a_function_deep() {
    let cases = [
        ("{ f(); }", 0),
        ("{ let a = A { b: 1 }; { f() } }", 0),
        ("{ if a { f() } else if b { g() } else { h() } }", 1),
        ("{ for a in b { if c { f() } } while d {} }", 2),
        ("{ match a { B if c => { f() } D => { g() } } }", 1),
        ("{ match a { B => if c { f() }, D => loop { g() } } }", 2),
        (
            "{ let Some(a) = b else { return }; a.map(|c| { if c { f() } }) }",
            1,
        ),
        (
            "{ for a in b { match c { D => { if e { loop { f() } } } } } }",
            4,
        ),
    ];
    for (body, deepest) in cases {
        assert_eq!(depth(body), deepest, "{body}");
    }
}
