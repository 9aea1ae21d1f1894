//! May a record take the place of another of the same key?

/// Versions that are whole numbers grow. Of versions that are anything else nothing is known but
/// whether they are equal, so the later answer counts.
pub fn may_replace(held: Option<&str>, brought: Option<&str>) -> bool {
    let (Some(held), Some(brought)) = (held, brought) else {
        return true;
    };
    match (number(held), number(brought)) {
        (Some(held), Some(brought)) => brought >= held,
        (_, _) => true,
    }
}

/// A whole number of any length, as something that compares as numbers do.
fn number(text: &str) -> Option<(usize, &str)> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let digits = text.trim_start_matches('0');
    is_number.then_some((digits.len(), digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_version_never_replaces_a_newer_one() {
        #[rustfmt::skip]
        let cases = [
            (None,            None,             true),
            (Some("3"),       None,             true),
            (None,            Some("3"),        true),
            (Some("3"),       Some("3"),        true),
            (Some("3"),       Some("4"),        true),
            (Some("4"),       Some("3"),        false),
            (Some("9"),       Some("10"),       true),
            (Some("10"),      Some("9"),        false),
            (Some("010"),     Some("9"),        false),
            (Some("0"),       Some("00"),       true),
            (Some("\"a\""),   Some("\"b\""),    true),
            (Some("3"),       Some("\"b\""),    true),
            (Some("\"a\""),   Some("3"),        true),
            (Some("-4"),      Some("3"),        true),
            (Some(""),        Some("3"),        true),
            (Some("99999999999999999999999998"), Some("99999999999999999999999999"), true),
            (Some("99999999999999999999999999"), Some("99999999999999999999999998"), false),
        ];
        for (held, brought, expected) in cases {
            assert_eq!(may_replace(held, brought), expected, "{held:?} {brought:?}");
        }
    }
}
