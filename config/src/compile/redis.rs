//! Where are gateways told beside HTTP, and does the password stay where it belongs?
//!
//! A configuration is read, copied and shown by many; a password that is written out in it is refused
//! and has to come from a variable or from a file of its own.

use std::path::Path;

use crate::bounds;
use crate::compile::Missing;
use crate::document::NodeId;
use crate::environment::Environment;
use crate::files::{Content, FileError};
use crate::reader::{Field, Located, Reading, Short};
use crate::redis::{Redis, RedisPassword};
use crate::units::{RedisUrl, Text};
use crate::written;

const URL: Missing = Missing {
    key: "url",
    example: "url: redis://127.0.0.1:6379",
};

pub(super) fn compile(
    field: &Field<Short<RedisUrl, written::Redis>>,
    reading: Reading<'_>,
) -> Option<Redis> {
    let given = field.given()?;
    match &given.value {
        Short::Scalar(url) => {
            check_written_out(given.node, reading);
            Some(url.0.clone())
        }
        Short::Map(map) => {
            let password = map
                .password_file
                .given()
                .and_then(|file| read(file, reading));
            let url = URL.check(&map.url, given.node, reading)?;
            check_written_out(url.node, reading);
            let mut redis = url.value.0.clone();
            if let (Some(file), Some(_)) = (map.password_file.given(), &redis.password) {
                let finding = reading.find(file.node, "Redis cannot have two passwords");
                let url = reading.span(url.node);
                reading.report.add(finding.other(url, "there is one here"));
            }
            redis.password = password.or(redis.password);
            Some(redis)
        }
    }
}

/// Refuses a URL in which a password stands although no variable was filled in.
fn check_written_out(node: NodeId, reading: Reading<'_>) {
    let bare = Environment::leave_out(reading.document.text(node));
    let password = bare
        .split_once("://")
        .and_then(|(_, rest)| rest.rsplit_once('@'))
        .and_then(|(user, _)| user.split_once(':'))
        .map_or("", |(_, password)| password);
    if !password.is_empty() {
        let message = "a password may not be written out here";
        let note = "take it from a variable, `redis://:${NAME}@...`, or from a `password_file`";
        reading.report.add(reading.find(node, message).note(note));
    }
}

fn read(file: &Located<Text>, reading: Reading<'_>) -> Option<RedisPassword> {
    let path = Path::new(&file.value.0);
    let full = reading.environment.folder().join(path);
    let max = bounds::PASSWORD_FILE_MAX;
    let content = reading.files.borrow_mut().read(&full, max);
    let password = content
        .map_err(|error| (error.to_string(), advice(&error, path)))
        .and_then(|content| {
            warn_of_readers(&content, file, reading);
            parse(&content.bytes)
        });
    let refuse = |(message, note): (String, &str)| {
        reading
            .report
            .add(reading.find(file.node, message).note(note));
    };
    password.map_err(refuse).ok()
}

fn advice(error: &FileError, path: &Path) -> &'static str {
    match error {
        FileError::Io(_) if path.is_relative() => "paths begin at the folder of the configuration",
        FileError::Io(_) => "",
        FileError::NotAFile | FileError::TooLarge(_) => "expected a file with one password",
    }
}

/// The line break that editors put at the end is no part of a password.
fn parse(bytes: &[u8]) -> Result<RedisPassword, (String, &'static str)> {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() || text.contains(['\n', '\r', '\0']) {
        let message = "this file does not hold a password".to_owned();
        return Err((message, "expected one line of text"));
    }
    Ok(RedisPassword::new(text))
}

fn warn_of_readers(content: &Content, file: &Located<Text>, reading: Reading<'_>) {
    if content.is_readable_by_everybody {
        let message = "everybody on this machine can read this password";
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
    fn a_file_holds_one_password() {
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
            let password = parse(bytes).ok();
            let found = password.as_ref().map(RedisPassword::as_str);
            assert_eq!(found, expected, "{bytes:?}");
        }
    }
}
