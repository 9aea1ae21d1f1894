//! Declarations by chance: steps that need each other, lookups inside lookups, lists with joins.

use std::time::Duration;

use bytes::Bytes;
use composer_core::Json;
use composer_core::declaration::{
    Declaration, Endpoint, Lookup, LookupSource, Place, Rows, Service, Step, Target, Text,
};
use composer_core::keys::ChunkMax;
use composer_core::plan::Scope;

use crate::chance::Chance;
use crate::world::NAMES;

const SECOND: Duration = Duration::from_secs(1);
const LOOKUPS: [&str; 3] = ["one", "two", "table"];

pub(crate) fn declaration(chance: &mut Chance) -> Declaration {
    let services = ["s", "t"].map(|name| Service {
        name: name.to_owned(),
        is_sent_credential: false,
        timeout: SECOND,
        http2_place: None,
    });
    let steps: Vec<Step> = (0..=chance.below(4))
        .map(|place| step(chance, place))
        .collect();
    let count = steps.len();
    let mut endpoint = Endpoint {
        name: text("GET /things/{thing}/{other}/all"),
        budget: SECOND,
        calls_max: 100,
        steps,
        answer: Vec::new(),
        answer_place: Place::default(),
    };
    let mut names = vec!["x", "y", "z", "list", "more", "inner"];
    chance.shuffle(&mut names);
    for name in names.iter().take(1 + chance.below(5)) {
        let target = target(chance, count, 1);
        endpoint.answer.push((text(name), target));
    }
    Declaration {
        services: services.into(),
        lookups: LOOKUPS.map(|name| lookup(chance, name)).into(),
        endpoints: vec![endpoint],
    }
}

/// The endpoint as somebody would write it, to see what went wrong.
pub(crate) fn shown(declaration: &Declaration) -> String {
    let mut out = String::new();
    for step in &declaration.endpoints[0].steps {
        let otherwise = step.otherwise.as_ref().map(|(json, _)| json.bytes());
        out.push_str(&format!(
            "{}: {} else {otherwise:?}\n",
            step.name.text, step.call.text
        ));
    }
    show_members(&declaration.endpoints[0].answer, "", &mut out);
    out
}

fn show_members(members: &[(Text, Target)], within: &str, out: &mut String) {
    for (name, target) in members {
        let name = format!("{within}{}", name.text);
        match target {
            Target::Value(value) => out.push_str(&format!("{name}: {}\n", value.text)),
            Target::Object(members) => show_members(members, &format!("{name}."), out),
            Target::Rows(rows) => {
                let keep: Vec<_> = rows.keep.iter().map(|it| &it.text).collect();
                let join: Vec<_> = rows.join.iter().map(|(_, it)| &it.text).collect();
                let (each, max, cut) = (&rows.each.text, rows.rows_max, rows.is_cut);
                out.push_str(&format!(
                    "{name}: each {each} {max} {cut} {keep:?} {join:?}\n"
                ));
            }
        }
    }
}

fn text(text: &str) -> Text {
    Text {
        text: text.to_owned(),
        place: Place::default(),
    }
}

fn lookup(chance: &mut Chance, name: &str) -> Lookup {
    let is_table = name == "table";
    Lookup {
        name: text(name),
        call: text(&if is_table {
            format!("GET t /{name}")
        } else {
            format!("GET t /{name}?ids={{keys}}")
        }),
        source: if is_table {
            LookupSource::Table {
                refresh: SECOND,
                reload: SECOND,
                bytes_max: 1 << 20,
                deleted: text("deleted"),
            }
        } else {
            LookupSource::Batch {
                max: ChunkMax {
                    keys: 1 + chance.below(4),
                    url_bytes: 40 + chance.below(60),
                },
                cache: None,
            }
        },
        key: Some(text("id")),
        items: None,
        version: None,
        scope: Scope::Shared,
        shared_place: None,
        is_shared_despite_auth: false,
        second_level_place: None,
    }
}

fn step(chance: &mut Chance, place: usize) -> Step {
    let mut call = format!("GET s /step{place}");
    if chance.one_in(2) {
        call.push_str("/{thing}");
    }
    if place > 0 && chance.one_in(2) {
        let earlier = chance.below(place);
        call.push_str(&format!("/{{s{earlier}.id}}"));
    }
    let mut pairs = vec!["fixed=1".to_owned()];
    if chance.one_in(2) {
        pairs.push("page={query.page?}".to_owned());
    }
    if chance.one_in(3) {
        pairs.push("size=n{query.size}".to_owned());
    }
    if place > 0 && chance.one_in(2) {
        let value = value(chance, place, false);
        pairs.push(format!(
            "of={{{value}{}}}",
            if chance.one_in(3) { "" } else { "?" }
        ));
    }
    chance.shuffle(&mut pairs);
    call.push('?');
    call.push_str(&pairs.join("&"));
    let otherwise = match chance.below(4) {
        0 => None,
        1 => Some("null"),
        2 => Some("{\"items\": [{\"id\": 1, \"a\": 2.50}], \"id\": \"3\"}"),
        _ => Some("{\"items\": [], \"a\": \"else\"}"),
    };
    let json = |it: &str| Json::parse(&Bytes::copy_from_slice(it.as_bytes())).unwrap();
    Step {
        name: text(&format!("s{place}")),
        call: text(&call),
        timeout: None,
        is_required: otherwise.is_none(),
        otherwise: otherwise.map(|it| (json(it), Place::default())),
        cache: None,
    }
}

/// An expression over steps and parameters, or over a row.
fn value(chance: &mut Chance, steps: usize, is_row: bool) -> String {
    let path = |chance: &mut Chance| {
        let names: Vec<_> = (0..chance.below(3)).map(|_| chance.pick(&NAMES)).collect();
        names
            .iter()
            .map(|name| format!(".{name}"))
            .collect::<String>()
    };
    if chance.one_in(3) {
        let (lookup, inner) = (chance.pick(&LOOKUPS), value(chance, steps, is_row));
        return format!("{lookup}({inner}){}", path(chance));
    }
    if is_row {
        return format!(
            "{}{}",
            chance.pick(&NAMES),
            if chance.one_in(3) {
                path(chance)
            } else {
                String::new()
            }
        );
    }
    match chance.below(6) {
        0 => "thing".to_owned(),
        1 => "other".to_owned(),
        2 => "query.page".to_owned(),
        _ => {
            let step = chance.below(steps);
            format!("s{step}{}", path(chance))
        }
    }
}

fn target(chance: &mut Chance, steps: usize, depth: usize) -> Target {
    match chance.below(4) {
        0 if depth < 3 => {
            let mut names = vec!["p", "q", "r"];
            names.truncate(1 + chance.below(3));
            let members = names
                .iter()
                .map(|name| (text(name), target(chance, steps, depth + 1)));
            Target::Object(members.collect())
        }
        1 | 2 => Target::Rows(rows(chance, steps)),
        _ => Target::Value(text(&value(chance, steps, false))),
    }
}

fn rows(chance: &mut Chance, steps: usize) -> Rows {
    let mut keep = NAMES.to_vec();
    chance.shuffle(&mut keep);
    keep.truncate(chance.below(4));
    let joined = 1 + chance.below(3);
    Rows {
        each: text(&format!("s{}.items", chance.below(steps))),
        rows_max: 4 + chance.below(8),
        is_cut: chance.one_in(2),
        keep: keep.into_iter().map(text).collect(),
        join: (0..joined)
            .map(|place| {
                (
                    text(&format!("j{place}")),
                    text(&value(chance, steps, true)),
                )
            })
            .collect(),
    }
}
