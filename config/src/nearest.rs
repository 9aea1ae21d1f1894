//! Which known name was probably meant?

/// Edits that still make two names look alike; in a short name two would make any other of it.
const EDITS_MAX: usize = 2;
const SHORT_EDITS_MAX: usize = 1;
const SHORT_LEN: usize = 4;

/// A beginning is a better guess than two edits, and a worse one than one.
const EDIT: usize = 2;
const BEGINNING: usize = 3;
const BEGINNING_LEN_MIN: usize = 3;

/// The known name nearest to `text`, if one is near enough to be worth naming.
pub(crate) fn find<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut best: Option<(usize, &str)> = None;
    for name in known {
        let Some(distance) = distance(text, name) else {
            continue;
        };
        if best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, name));
        }
    }
    best.map(|(_, name)| name)
}

/// How far apart two names are, or `None` where they are not alike.
fn distance(text: &str, name: &str) -> Option<usize> {
    let is_beginning = text.len().min(name.len()) >= BEGINNING_LEN_MIN
        && (name.starts_with(text) || text.starts_with(name));
    let beginning = is_beginning.then_some(BEGINNING);
    if text.is_empty() || text.len().abs_diff(name.len()) > EDITS_MAX {
        return beginning;
    }
    let edits = edits(
        &text.to_lowercase().replace('-', "_"),
        &name.replace('-', "_"),
    );
    let edits_max = if name.len() <= SHORT_LEN {
        SHORT_EDITS_MAX
    } else {
        EDITS_MAX
    };
    let by_edits = (edits <= edits_max).then_some(edits * EDIT);
    by_edits.into_iter().chain(beginning).min()
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one text into the other.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, &from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &to) in b.iter().enumerate() {
            let replaced = above[j] + usize::from(from != to);
            let mut least = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && from == b[j - 1] && a[i - 1] == to {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = above;
        above = row;
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let known = ["strip", "timeout", "to", "name", "connect_timeout", "add"];
        #[rustfmt::skip]
        let cases = [
            ("strp",             Some("strip")),
            ("tiemout",          Some("timeout")),
            ("Timeout",          Some("timeout")),
            ("connect-timeout",  Some("connect_timeout")),
            ("connect",          Some("connect_timeout")),
            ("time",             Some("timeout")),
            ("nmae",             Some("name")),
            ("tos",              Some("to")),
            ("ad",               Some("add")),
            ("host",             None),
            ("x",                None),
            ("",                 None),
        ];
        for (text, expected) in cases {
            assert_eq!(find(text, known), expected, "{text}");
        }
    }
}
