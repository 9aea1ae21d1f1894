//! What stands in a file that holds one secret and nothing else?

use std::path::Path;

use crate::bounds;
use crate::files::{Content, FileError};
use crate::reader::{Located, Reading};
use crate::units::Text;

/// Reads it; `what` is what it is called.
pub(super) fn read(what: &str, file: &Located<Text>, reading: Reading<'_>) -> Option<String> {
    let path = Path::new(&file.value.0);
    let full = reading.environment.folder().join(path);
    let max = bounds::PASSWORD_FILE_MAX;
    let content = reading.files.borrow_mut().read(&full, max);
    let secret = content
        .map_err(|error| (error.to_string(), advice(what, &error, path)))
        .and_then(|content| {
            warn_of_readers(what, &content, file, reading);
            parse(&content.bytes).ok_or_else(|| {
                let message = format!("this file does not hold a {what}");
                (message, "expected one line of text".to_owned())
            })
        });
    let refuse = |(message, note): (String, String)| {
        reading
            .report
            .add(reading.find(file.node, message).note(note));
    };
    secret.map_err(refuse).ok()
}

fn advice(what: &str, error: &FileError, path: &Path) -> String {
    match error {
        FileError::Io(_) if path.is_relative() => {
            "paths begin at the folder of the configuration".to_owned()
        }
        FileError::Io(_) => String::new(),
        FileError::NotAFile | FileError::TooLarge(_) => format!("expected a file with one {what}"),
    }
}

/// The line break that editors put at the end is no part of a secret.
fn parse(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    let is_one_line = !text.is_empty() && !text.contains(['\n', '\r', '\0']);
    is_one_line.then(|| text.to_owned())
}

fn warn_of_readers(what: &str, content: &Content, file: &Located<Text>, reading: Reading<'_>) {
    if content.is_readable_by_everybody {
        let message = format!("everybody on this machine can read this {what}");
        let finding = reading.find(file.node, message);
        reading
            .report
            .warn(finding.note("take it from others: `chmod o-r`"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_one_secret() {
        #[rustfmt::skip]
        let cases: [(&[u8], Option<&str>); 7] = [
            (b"a b",    Some("a b")),
            (b"a\n",    Some("a")),
            (b"a\r\n",  Some("a")),
            (b"a\nb\n", None),
            (b"\n",     None),
            (b"",       None),
            (b"\xff",   None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(parse(bytes).as_deref(), expected, "{bytes:?}");
        }
    }
}
