//! A declaration for tests: what a member sent, with names of others and of banks.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::declaration::{
    Declaration, Endpoint, Lookup, LookupSource, Place, Rows, Service, Step, Target,
};
use crate::json::Json;
use crate::keys::ChunkMax;
use crate::plan::{Cache, Plan, Scope};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn json(text: &str) -> Json {
    Json::parse(&Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

pub(crate) fn plan(declaration: &Declaration) -> Arc<Plan> {
    Arc::new(crate::compile(declaration).unwrap())
}

pub(crate) fn service(name: &str, is_sent_credential: bool) -> Service {
    Service {
        name: name.to_owned(),
        is_sent_credential,
        timeout: SECOND,
        http2_place: None,
    }
}

pub(crate) fn batch(name: &str, call: &str, key: &str) -> Lookup {
    Lookup {
        name: name.into(),
        call: call.into(),
        source: LookupSource::Batch {
            max: ChunkMax {
                keys: 100,
                url_bytes: 4_096,
            },
            cache: Some(Cache {
                ttl: SECOND * 600,
                missing: SECOND * 30,
                stale_while_revalidate: SECOND * 30,
                stale_if_error: SECOND * 3_600,
                bytes_max: 64 << 20,
            }),
        },
        key: Some(key.into()),
        items: None,
        version: None,
        scope: Scope::Caller,
        shared_place: None,
        is_shared_despite_auth: false,
        second_level_place: None,
    }
}

pub(crate) fn table(name: &str, call: &str, key: &str) -> Lookup {
    Lookup {
        source: LookupSource::Table {
            refresh: SECOND * 60,
            reload: SECOND * 3_600,
            bytes_max: 16 << 20,
            deleted: "deleted".into(),
        },
        scope: Scope::Shared,
        ..batch(name, call, key)
    }
}

pub(crate) fn step(name: &str, call: &str, otherwise: Option<&str>) -> Step {
    Step {
        name: name.into(),
        call: call.into(),
        timeout: None,
        is_required: otherwise.is_none(),
        otherwise: otherwise.map(|text| (json(text), Place::default())),
        cache: None,
    }
}

pub(crate) fn rows(each: &str, keep: &[&str], join: &[(&str, &str)]) -> Rows {
    Rows {
        each: each.into(),
        rows_max: 500,
        is_cut: false,
        keep: keep.iter().map(|name| (*name).into()).collect(),
        join: join
            .iter()
            .map(|(name, text)| ((*name).into(), (*text).into()))
            .collect(),
    }
}

pub(crate) fn endpoint(name: &str, steps: Vec<Step>, answer: Vec<(&str, Target)>) -> Endpoint {
    let answer = answer
        .into_iter()
        .map(|(name, target)| (name.into(), target));
    Endpoint {
        name: name.into(),
        budget: SECOND,
        calls_max: 20,
        steps,
        answer: answer.collect(),
        answer_place: Place::default(),
    }
}

pub(crate) fn value(text: &str) -> Target {
    Target::Value(text.into())
}

/// Two steps, a batch of members and a table of banks.
pub(crate) fn history() -> Declaration {
    Declaration {
        services: vec![
            service("remittance", true),
            service("membership", false),
            service("banking", false),
            service("money", true),
        ],
        lookups: vec![
            Lookup {
                scope: Scope::Shared,
                ..batch("member", "GET membership /members?ids={keys}", "memberId")
            },
            table(
                "bank",
                "GET banking /banks?changedSince={lastModified}",
                "bankCode",
            ),
        ],
        endpoints: vec![endpoint(
            "GET /members/{memberId}/transfer-history",
            vec![
                step(
                    "history",
                    "GET remittance /remittances?member={memberId}&cursor={query.cursor?}",
                    None,
                ),
                step(
                    "balance",
                    "GET money /members/{memberId}/balance",
                    Some("null"),
                ),
            ],
            vec![
                ("cursor", value("history.next")),
                ("balance", value("balance.amount")),
                (
                    "transfers",
                    Target::Rows(rows(
                        "history.items",
                        &["remittanceId", "amount"],
                        &[
                            ("receiverName", "member(receiverId).name"),
                            ("bankName", "bank(bankCode).name"),
                        ],
                    )),
                ),
            ],
        )],
    }
}
