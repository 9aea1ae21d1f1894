//! Where are gateways told beside HTTP, and does the password stay where it belongs?
//!
//! A configuration is read, copied and shown by many; a password that is written out in it is refused
//! and has to come from a variable or from a file of its own.

use crate::compile::{Missing, secret};
use crate::document::NodeId;
use crate::environment::Environment;
use crate::reader::{Field, Reading, Short};
use crate::redis::{Redis, RedisPassword};
use crate::units::RedisUrl;
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
            let password = map.password_file.given();
            let password = password.and_then(|file| secret::read("password", file, reading));
            let password = password.map(RedisPassword::new);
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
