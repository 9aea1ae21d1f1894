//! What gaps of requests are filled with, as a scenario names it.

use std::path::Path;

use super::super::values::{Values, ValuesError};
use super::fields::{Field, Fields};
use super::target::{Target, Tls};
use super::{Login, Secret};

const VALUES_MAX: usize = 100;
const TOKENS_MAX: u64 = 100_000;
const SECRET_BYTES_MAX: u64 = 4096;
const EXPECTED: &str = "`{ file: FILE }`, `{ from: 1, to: 9 }`, `{ login: URL, client: ID, \
                        secret_file: FILE, count: 100 }` or `{ basic: ID, secret_file: FILE }`";

/// All of them, and those that are got from an identity provider before anything is sent.
#[derive(Debug, Default)]
pub(super) struct Named {
    pub(super) values: Values,
    pub(super) logins: Vec<Login>,
}

impl Named {
    /// What cannot be read is left out, and noted.
    pub(super) fn read(field: &Field<'_>, folder: &Path, tls: Option<&Tls>) -> Self {
        let mut named = Self::default();
        let Some(fields) = field.fields("names, each with what fills it") else {
            return named;
        };
        if fields.all().count() > VALUES_MAX {
            fields.complain("there are more than 100 values");
            return named;
        }
        for (name, value) in fields.all() {
            if named.add(name, &value, (folder, tls)).is_none() {
                // A request may name it all the same: that it is unknown would be said twice.
                named.values.add_lines(name, Vec::new());
            }
        }
        named
    }

    fn add(
        &mut self,
        name: &str,
        value: &Field<'_>,
        (folder, tls): (&Path, Option<&Tls>),
    ) -> Option<()> {
        let mut fields = value.fields(EXPECTED)?;
        let plain = name
            .chars()
            .all(|it| it.is_ascii_alphanumeric() || it == '_');
        if !plain || name.is_empty() {
            value.complain(&format!(
                "`{}`: a name is made of letters, digits and _",
                value.name()
            ));
        }
        if name == Values::UNIQUE {
            let message = "`unique` is there already: what no other request has";
            value.complain(message);
        }
        let added = self.read_one((name, value), &mut fields, (folder, tls));
        // Where nothing was asked for, all of it is unknown, which was said in other words.
        if added != Some(false) {
            fields.finish();
        }
        added.filter(|added| *added).map(|_| ())
    }

    /// False if it says nothing of where values come from.
    fn read_one(
        &mut self,
        (name, value): (&str, &Field<'_>),
        fields: &mut Fields<'_>,
        (folder, tls): (&Path, Option<&Tls>),
    ) -> Option<bool> {
        let told = |error: ValuesError| {
            value.complain(&format!("`{}`: {}", value.name(), error.told()));
        };
        if let Some(file) = fields.find("file") {
            let file = folder.join(file.text("a file")?);
            self.values.add_file(name, &file).map_err(told).ok()?;
        } else if let Some(from) = fields.find("from") {
            let from = from.number(0, u64::MAX);
            let to = fields.need("to", "a number");
            let to = to.and_then(|it| it.number(0, u64::MAX));
            self.values.add_range(name, from?, to?).map_err(told).ok()?;
        } else if let Some(client) = fields.find("basic") {
            let line = shown(&client, fields, folder)?;
            self.values.add_lines(name, vec![line.into()]);
        } else if let Some(login) = fields.find("login") {
            let at = Target::read_url(&login, tls);
            let count = fields.need("count", "how many tokens");
            let count = count.and_then(|it| it.count(TOKENS_MAX));
            let scope = fields.find("scope");
            let scope = scope.and_then(|it| it.text("scopes")).map(str::to_owned);
            let client = fields.need("client", "a client of the identity provider");
            let authorization = client.and_then(|it| shown(&it, fields, folder));
            let (target, path) = at?;
            self.logins.push(Login {
                value: name.to_owned(),
                target,
                path: path.to_owned(),
                authorization: Secret(authorization?),
                scope,
                count: count?,
            });
            self.values.add_lines(name, Vec::new());
        } else {
            value.complain(&format!("`{}` is to be {EXPECTED}", value.name()));
            return Some(false);
        }
        Some(true)
    }
}

/// What a client shows, with the secret that stands beside it.
fn shown(client: &Field<'_>, fields: &mut Fields<'_>, folder: &Path) -> Option<String> {
    let secret = fields.need("secret_file", "a file");
    let secret = secret.and_then(|it| read_secret(&it, folder));
    Some(basic(client.text("a client")?, &secret?))
}

/// The first line of a file that is no larger than a secret.
fn read_secret(field: &Field<'_>, folder: &Path) -> Option<String> {
    let path = folder.join(field.text("a file")?);
    let told = |why: String| {
        field.complain(&format!("`{}`: {} {why}", field.name(), path.display()));
    };
    match std::fs::metadata(&path) {
        Ok(found) if found.len() > SECRET_BYTES_MAX => {
            told("is larger than a secret".to_owned());
            return None;
        }
        Ok(_) | Err(_) => {}
    }
    let text = std::fs::read_to_string(&path);
    let text = text
        .map_err(|error| told(format!("cannot be read: {error}")))
        .ok()?;
    let secret = text.lines().next().unwrap_or_default().trim().to_owned();
    if secret.is_empty() {
        told("holds no secret".to_owned());
        return None;
    }
    Some(secret)
}

/// RFC 7617, with client and secret encoded as RFC 6749 §2.3.1 has it.
fn basic(client: &str, secret: &str) -> String {
    use base64::Engine as _;
    let pair = format!("{}:{}", encode(client), encode(secret));
    let pair = base64::engine::general_purpose::STANDARD.encode(pair);
    format!("Basic {pair}")
}

/// As forms spell it.
pub(in crate::open) fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_shows_its_secret_as_the_standard_spells_it() {
        assert_eq!(basic("shop", "pass"), "Basic c2hvcDpwYXNz");
        assert_eq!(encode("a b+c/ü"), "a%20b%2Bc%2F%C3%BC");
    }
}
