//! Can the tokens of other issuers be proved?
//!
//! Either the issuer publishes keys, or it is asked; both at once would be two answers to one
//! question. A token for another audience is good elsewhere and nowhere here, so an audience must be
//! named.

use std::sync::Arc;

use idp_token::external::jwt::Signature;
use idp_token::external::{ClaimName, Policy};

use super::idp::TAKEN_AUDIENCE;
use super::path::Paths;
use super::{Missing, check_count, secret, services};
use crate::bounds;
use crate::document::NodeId;
use crate::external::{Issuer, Proof, Secret};
use crate::reader::{Entries, Field, Located, Reading};
use crate::units;
use crate::written;
use place::Places;

mod place;

const ISSUER: Missing = Missing {
    key: "issuer",
    example: "issuer: https://login.partner.example",
};
const AUDIENCE: Missing = Missing {
    key: "audience",
    example: "audience: [pay]",
};
const CLIENT_ID: Missing = Missing {
    key: "client_id",
    example: "client_id: tollgate",
};
const SECRET_FILE: Missing = Missing {
    key: "secret_file",
    example: "secret_file: ./data/partner.secret",
};

pub(super) fn compile(
    issuers: &Field<Entries<written::Issuer>>,
    paths: &mut Paths<'_>,
) -> Vec<Issuer> {
    let reading = paths.reading();
    check_count(issuers.count(), bounds::ISSUERS_MAX, "issuers", reading);
    let places = Places::new(reading);
    let mut compiled = Vec::new();
    for (name, issuer) in issuers.entries().take(bounds::ISSUERS_MAX) {
        services::check_name(name, "an issuer", reading);
        if let Some(issuer) = issuer.given() {
            let name = name.value.as_str().into();
            compiled.extend(compile_issuer(name, issuer, (&places, paths)));
        }
    }
    compiled
}

fn compile_issuer(
    name: Arc<str>,
    issuer: &Located<written::Issuer>,
    (places, paths): (&Places<'_>, &mut Paths<'_>),
) -> Option<Issuer> {
    let reading = paths.reading();
    let Located {
        value: written,
        node,
    } = issuer;
    let text = ISSUER.check(&written.issuer, *node, reading);
    let text = text.and_then(|text| check_text(text, reading));
    let audience = compile_audience(written, *node, reading);
    let roles = compile_roles(&written.roles_claim, reading);
    let max_age = bounds::MAX_AGE.take(&written.max_age, reading);
    let proof = compile_proof(written, *node, (places, paths));
    Some(Issuer {
        name,
        policy: Policy {
            issuer: text?,
            audience,
            roles,
            max_age: max_age.duration(),
        },
        proof: proof?,
        forwards: written.forward.value().is_some_and(|flag| flag.0),
    })
}

fn compile_roles(claim: &Field<units::Text>, reading: Reading<'_>) -> ClaimName {
    let Some(given) = claim.given() else {
        return ClaimName::default();
    };
    let refuse = |error: idp_token::external::ClaimNameError| {
        let finding = reading.find(given.node, "expected the name of a claim, or a path to one");
        let note = reading.note_on(given.node, error.to_string());
        reading.report.add(finding.note(note));
    };
    let parsed = ClaimName::parse(&given.value.0).map_err(refuse);
    parsed.unwrap_or_default()
}

/// Issuers of others end in `/` or have ports that go without saying, and mean it: any text will do
/// that could stand in a token.
fn check_text(text: &Located<units::Text>, reading: Reading<'_>) -> Option<String> {
    let value = text.value.0.as_str();
    let is_sound = (1..=bounds::ISSUER_BYTES_MAX).contains(&value.len())
        && value.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_sound {
        let message = "expected what stands as `iss` in a token";
        let note = reading.note_on(text.node, "visible ASCII, at most 256 characters");
        reading
            .report
            .add(reading.find(text.node, message).note(note));
    }
    is_sound.then(|| value.to_owned())
}

fn compile_audience(written: &written::Issuer, node: NodeId, reading: Reading<'_>) -> Vec<String> {
    let given = AUDIENCE.check(&written.audience, node, reading);
    if let Some(given) = given.filter(|given| given.value.is_empty()) {
        let finding = reading.find(given.node, "expected at least one audience");
        let note = "without any, a token that was made for somebody else would do";
        reading.report.add(finding.note(note));
    }
    TAKEN_AUDIENCE.take(&written.audience, reading)
}

fn compile_proof(
    written: &written::Issuer,
    node: NodeId,
    (places, paths): (&Places<'_>, &mut Paths<'_>),
) -> Option<Proof> {
    let reading = paths.reading();
    let [jwks, introspection] =
        [&written.jwks, &written.introspection].map(|field| places.compile(field, written));
    match (&written.jwks, &written.introspection) {
        (Field::Absent, Field::Absent) => {
            if !reading.document.has_lost_keys(node) {
                let finding = reading.find(node, "how are tokens of this issuer proved?");
                let note = "add `jwks: https://...` for JWTs, or `introspection: https://...`";
                reading.report.add(finding.note(note));
            }
            None
        }
        (_, Field::Absent) => {
            refuse_keys_of_introspection(written, reading);
            let signature = Signature {
                algorithms: compile_algorithms(written, reading),
                kind: written.typ.value().map(|kind| kind.0).unwrap_or_default(),
            };
            Some(Proof::Keys {
                at: jwks?,
                signature,
            })
        }
        (Field::Absent, _) => {
            refuse_keys_of_jwts(written, reading);
            let (client_id, secret) = compile_client(written, node, paths);
            Some(Proof::Introspection {
                at: introspection?,
                client_id: client_id?,
                secret: secret?,
            })
        }
        (jwks, introspection) => {
            if let (Some(jwks), Some(introspection)) = (jwks.given(), introspection.given()) {
                let message = "tokens of an issuer are proved in one way";
                let finding = reading.find(introspection.node, message);
                let finding = finding.note("leave one out, or make two issuers of it");
                let jwks = reading.span(jwks.node);
                reading.report.add(finding.other(jwks, "the other way"));
            }
            None
        }
    }
}

fn compile_algorithms(
    written: &written::Issuer,
    reading: Reading<'_>,
) -> Vec<idp_token::value::Algorithm> {
    let Some(given) = written.algorithms.given() else {
        return vec![bounds::SIGNING_ALGORITHM];
    };
    if given.value.is_empty() {
        let finding = reading.find(given.node, "expected at least one algorithm");
        reading
            .report
            .add(finding.note("or leave it out for ES256"));
    }
    let mut algorithms = Vec::new();
    for algorithm in written.algorithms.items() {
        if algorithms.contains(&algorithm.value.0) {
            let finding = reading.find(algorithm.node, "an algorithm is there twice");
            reading.report.add(finding.note("leave one out"));
        } else {
            algorithms.push(algorithm.value.0);
        }
    }
    algorithms
}

/// As whom the issuer is asked.
fn compile_client(
    written: &written::Issuer,
    node: NodeId,
    paths: &mut Paths<'_>,
) -> (Option<String>, Option<Secret>) {
    let reading = paths.reading();
    let id = CLIENT_ID.check(&written.client_id, node, reading);
    let id = id.and_then(|id| {
        let text = id.value.0.as_str();
        let is_sound =
            (1..=256).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_graphic());
        if !is_sound {
            let finding = reading.find(id.node, "expected the id of a client");
            let note = reading.note_on(id.node, "visible ASCII, at most 256 characters");
            reading.report.add(finding.note(note));
        }
        is_sound.then(|| text.to_owned())
    });
    let secret = SECRET_FILE.check(&written.secret_file, node, reading);
    let secret = secret.and_then(|file| {
        paths.take_text(&file.value.0, Some(file.node));
        // That there is no path is reported already.
        let is_there = !file.value.0.is_empty();
        let secret = is_there.then(|| secret::read("secret", file, reading));
        secret.flatten().map(Secret::new)
    });
    (id, secret)
}

fn refuse_keys_of_introspection(written: &written::Issuer, reading: Reading<'_>) {
    for (key, field) in [
        ("client_id", &written.client_id),
        ("secret_file", &written.secret_file),
    ] {
        if let Some(given) = field.given() {
            let message = format!("`{key}` is for an issuer that is asked");
            let finding = reading.find(given.node, message);
            let note = "keys are public: leave it out, or use `introspection` in place of `jwks`";
            reading.report.add(finding.note(note));
        }
    }
}

fn refuse_keys_of_jwts(written: &written::Issuer, reading: Reading<'_>) {
    let keys = [
        ("algorithms", written.algorithms.given().map(|it| it.node)),
        ("typ", written.typ.given().map(|it| it.node)),
    ];
    for (key, node) in keys {
        if let Some(node) = node {
            let finding = reading.find(node, format!("`{key}` is for an issuer that has keys"));
            let note = "an issuer that is asked proves its tokens itself: leave it out";
            reading.report.add(finding.note(note));
        }
    }
}
