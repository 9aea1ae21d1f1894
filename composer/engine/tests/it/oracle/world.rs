//! Data that follows from a seed, and services that tell it.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::draw::{ROWS_MAX, Random};
use crate::service::{Asked, Reply, Service, decode, with};

/// Everything there is, as a function of what is asked and of who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct World {
    pub(crate) seed: u64,
}

/// How often a call fails.
#[derive(Debug, Clone)]
pub(crate) struct Faults {
    one_in: Option<usize>,
    draws: Arc<AtomicU64>,
}

impl Faults {
    pub(crate) fn none() -> Self {
        Self {
            one_in: None,
            draws: Arc::default(),
        }
    }

    pub(crate) fn one_in(one_in: usize) -> Self {
        Self {
            one_in: Some(one_in),
            ..Self::none()
        }
    }

    fn draw(&self, body: &str) -> Option<Reply> {
        let mut random = Random::new(self.draws.fetch_add(1, Ordering::Relaxed) ^ 0x5eed);
        if random.below(self.one_in?) > 0 {
            return None;
        }
        Some(match random.below(5) {
            0 => with(500, "", ""),
            1 => with(400, "", "{}"),
            2 => Reply::Silence,
            // JSON, but no list of records. Of a step nobody could tell.
            3 if body.contains("nobody") => with(200, "", "{\"nothing\":1}"),
            // Half of the answer.
            _ => with(200, "", &body[..body.floor_char_boundary(body.len() / 2)]),
        })
    }
}

/// Keys in every spelling that a service may send.
const KEYS: [&str; 14] = [
    "0",
    "1",
    "2",
    "\"1\"",
    "\"2\"",
    "\"007\"",
    "\"a b\"",
    "\"\\u00e9\"",
    "\"x&y=z\"",
    "1234567890123456789012345678901234567890",
    "3",
    "\"3\"",
    "null",
    "4",
];

const VALUES: [&str; 14] = [
    "10.00",
    "1E+2",
    "-0",
    "18446744073709551615",
    "0.1234567890123456789012345678901234567890",
    "\"text\"",
    "\"\\ud83d\\ude00 \\/ \\n\"",
    "true",
    "null",
    "[]",
    "{ }",
    "[1 , {\"a\" :2}]",
    "{\"b\":{},\"b\":[]}",
    "\"é\"",
];

impl World {
    /// Of these words, and of who asks where the service is told.
    fn random(self, words: (&str, &str, &str)) -> Random {
        let mut hasher = DefaultHasher::new();
        (self.seed, words).hash(&mut hasher);
        Random::new(hasher.finish())
    }

    /// The whole body that is answered to a target.
    pub(crate) fn body(self, target: &str, who: &str) -> String {
        let asked = Asked {
            target: target.to_owned(),
            fields: Default::default(),
        };
        let name = asked.path().trim_start_matches('/').to_owned();
        match &*name {
            "table" => self.table(),
            name if name.starts_with('l') => self.records(name, &asked, who),
            name => self.step(name, target, who),
        }
    }

    fn step(self, name: &str, target: &str, who: &str) -> String {
        let mut random = self.random((name, target, who));
        let count = random.below(ROWS_MAX + 1);
        let rows: Vec<_> = (0..count).map(|_| members(&mut random, "")).collect();
        let list = if random.below(9) == 0 {
            "null".to_owned()
        } else {
            format!("[{}]", rows.join(" , "))
        };
        format!(
            " {{\"list\":{list},\"who\":\"{who}\",{}",
            &members(&mut random, "")[1..]
        )
    }

    fn records(self, name: &str, asked: &Asked, who: &str) -> String {
        let query = asked.target.split_once('?').map_or("", |(_, query)| query);
        let list = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let found = pairs.find(|(known, _)| *known == name);
            found.map(|(_, list)| list.split(',').map(decode).collect::<Vec<_>>())
        };
        let ids = list("ids").unwrap_or_default();
        let held = list("versions").unwrap_or_default();
        let mut rows = Vec::new();
        for (place, id) in ids.iter().enumerate() {
            let is_held = held.get(place).is_some_and(|version| version == "5");
            rows.extend(self.record(name, id, who, is_held));
        }
        // The order is the service's own, and so are rows that nobody asked for.
        rows.reverse();
        rows.push("{\"id\":\"nobody\",\"value\":0}".to_owned());
        let rows = rows.join(",");
        match asked.path().ends_with('w') {
            true => format!("{{\"wrapped\":{{\"items\":[{rows}]}}}}"),
            false => format!("[{rows}]"),
        }
    }

    /// One record; none for some keys.
    fn record(self, name: &str, id: &str, who: &str, is_held: bool) -> Option<String> {
        let mut random = self.random((name, id, who));
        if random.below(6) == 0 {
            return None;
        }
        let is_number =
            id.bytes().all(|byte| byte.is_ascii_digit()) && (id == "0" || !id.starts_with('0'));
        let id = if is_number && random.below(2) == 0 {
            id.to_owned()
        } else {
            format!("{:?}", id)
        };
        if is_held {
            return Some(format!("{{\"id\":{id},\"unchanged\":true,\"version\":5}}"));
        }
        Some(members(
            &mut random,
            &format!("\"id\":{id},\"version\":5,\"whose\":\"{who}\","),
        ))
    }

    fn table(self) -> String {
        let rows = (0..9).filter_map(|id| self.record("table", &id.to_string(), "", false));
        format!("[{}]", rows.collect::<Vec<_>>().join(","))
    }

    pub(crate) async fn serve(self, name: &'static str, faults: Faults) -> Service {
        Service::start(move |asked| {
            let who = asked.field("authorization").unwrap_or("").to_owned();
            let body = self.body(&asked.target, &who);
            if let Some(fault) = faults.draw(&body) {
                return fault;
            }
            let mut random = self.random((name, asked.path(), "cache"));
            let fields = [
                "",
                "Cache-Control: max-age=5\r\n",
                "Cache-Control: no-store\r\n",
                "Cache-Control: private, max-age=9\r\nVary: Accept\r\n",
                "Cache-Control: no-cache\r\n",
                "Set-Cookie: a=b\r\n",
            ];
            let tag = format!("ETag: \"{}\"\r\n", self.seed);
            let fields = format!("{}{tag}", fields[random.below(fields.len())]);
            if asked.field("if-none-match").is_some() && !name.starts_with("tables") {
                return with(304, &fields, "");
            }
            with(200, &fields, body)
        })
        .await
    }
}

/// An object of members in any order, some of them twice.
fn members(random: &mut Random, first: &str) -> String {
    let one = |random: &mut Random, from: &[&str]| from[random.below(from.len())].to_owned();
    let mut parts = vec![
        format!("\"value\" :{}", one(random, &VALUES)),
        format!("\"ref\": {}", one(random, &KEYS)),
        format!("\"deep\":{{\"value\":{}}}", one(random, &VALUES)),
    ];
    if random.below(3) == 0 {
        parts.push(format!("\"gone\":{}", one(random, &VALUES)));
    }
    if random.below(4) == 0 {
        parts.insert(0, format!("\"v\\u0061lue\":{}", one(random, &VALUES)));
    }
    let turn = random.below(parts.len());
    parts.rotate_left(turn);
    // Where a name is there twice the last one counts, so the order of these two must not turn.
    if let Some(place) = parts.iter().position(|part| part.starts_with("\"v\\u")) {
        let first = parts.remove(place);
        parts.insert(0, first);
    }
    format!("{{{first}{}}}", parts.join(","))
}
