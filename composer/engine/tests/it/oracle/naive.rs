//! A composer that asks for one thing after the other and keeps nothing.

use std::collections::BTreeMap;

use composer_core::declaration::{Rows, Target};
use serde_json::value::RawValue;

use super::draw::Drawn;
use super::world::World;

type Object<'a> = BTreeMap<String, &'a RawValue>;

struct Naive<'a> {
    drawn: &'a Drawn,
    world: &'a World,
    who: &'a str,
    id: &'a str,
    page: Option<String>,
}

/// The bytes of the answer when nothing fails.
pub(crate) fn compose(
    drawn: &Drawn,
    world: &World,
    who: &str,
    id: &str,
    query: Option<&str>,
) -> String {
    let page = query
        .and_then(|query| query.strip_prefix("page="))
        .map(str::to_owned);
    let naive = Naive {
        drawn,
        world,
        who,
        id,
        page,
    };
    naive.object(
        drawn
            .endpoint
            .answer
            .iter()
            .map(|(name, target)| (&*name.text, target)),
    )
}

impl Naive<'_> {
    fn object<'t>(&self, members: impl Iterator<Item = (&'t str, &'t Target)>) -> String {
        let members = members.map(|(name, target)| format!("\"{name}\":{}", self.target(target)));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }

    fn target(&self, target: &Target) -> String {
        match target {
            Target::Value(text) => self.eval(&text.text, None).unwrap_or("null".to_owned()),
            Target::Object(members) => {
                self.object(members.iter().map(|(name, target)| (&*name.text, target)))
            }
            Target::Rows(rows) => self.rows(rows),
        }
    }

    fn rows(&self, rows: &Rows) -> String {
        let list = self
            .eval(&rows.each.text, None)
            .unwrap_or("null".to_owned());
        let Some(list) = serde_json::from_str::<Option<Vec<&RawValue>>>(&list).unwrap() else {
            return list;
        };
        let rows = list.iter().map(|row| {
            let kept = rows.keep.iter().filter_map(|name| {
                Some(format!(
                    "\"{}\":{}",
                    name.text,
                    member(row.get(), &name.text)?
                ))
            });
            let joined = rows.join.iter().map(|(name, of)| {
                let value = self
                    .eval(&of.text, Some(row.get()))
                    .unwrap_or("null".to_owned());
                format!("\"{}\":{value}", name.text)
            });
            format!("{{{}}}", kept.chain(joined).collect::<Vec<_>>().join(","))
        });
        format!("[{}]", rows.collect::<Vec<_>>().join(","))
    }

    /// `name.path` or `lookup(expression).path`.
    fn eval(&self, text: &str, row: Option<&str>) -> Option<String> {
        let (base, path) = match text.rfind(')') {
            Some(end) => (&text[..=end], &text[end + 1..]),
            None => text.split_at(text.find('.').unwrap_or(text.len())),
        };
        let found = match base.strip_suffix(')') {
            Some(call) => {
                let (lookup, key) = call.split_once('(')?;
                self.lookup(lookup, &key_text(&self.eval(key, row)?)?)?
            }
            None if base == "id" => format!("\"{}\"", self.id),
            None => match row {
                Some(row) => member(row, base)?,
                None => self.step(base),
            },
        };
        path.split('.')
            .skip(1)
            .try_fold(found, |value, name| member(&value, name))
    }

    fn step(&self, name: &str) -> String {
        let step = self
            .drawn
            .endpoint
            .steps
            .iter()
            .find(|step| step.name.text == name)
            .unwrap();
        let of = step
            .call
            .text
            .split("of={")
            .nth(1)
            .unwrap()
            .split(['?', '}'])
            .next()
            .unwrap();
        let of = self.eval(of, None).and_then(|value| key_text(&value));
        let of = of.map(|of| format!("of={}", encode(&of)));
        let page = self.page.as_ref().map(|page| format!("page={page}"));
        let pairs: Vec<_> = of.into_iter().chain(page).collect();
        let target = match pairs.is_empty() {
            true => format!("/{name}"),
            false => format!("/{name}?{}", pairs.join("&")),
        };
        self.world.body(&target, &self.who(0)).trim().to_owned()
    }

    fn lookup(&self, name: &str, key: &str) -> Option<String> {
        let lookup = self
            .drawn
            .lookups
            .iter()
            .find(|lookup| lookup.name.text == name)?;
        let (target, who) = match name {
            "table" => ("/table".to_owned(), String::new()),
            name => {
                let wrapped = if lookup.items.is_some() { "w" } else { "" };
                (format!("/{name}{wrapped}?ids={}", encode(key)), self.who(1))
            }
        };
        let body = self.world.body(&target, &who);
        let mut list = body;
        for name in lookup.items.iter().flat_map(|items| items.text.split('.')) {
            list = member(&list, name)?;
        }
        let rows: Vec<&RawValue> = serde_json::from_str(&list).unwrap();
        let mut found = rows.iter().filter(|row| {
            member(row.get(), "id")
                .and_then(|id| key_text(&id))
                .as_deref()
                == Some(key)
        });
        found.next_back().map(|row| row.get().to_owned())
    }

    fn who(&self, service: usize) -> String {
        match self.drawn.is_told(service) {
            true => format!("Bearer {}", self.who),
            false => String::new(),
        }
    }
}

fn member(object: &str, name: &str) -> Option<String> {
    let members: Object<'_> = serde_json::from_str(object).ok()?;
    members.get(name).map(|value| value.get().to_owned())
}

/// What a value is called as a key; nothing for `null`.
fn key_text(value: &str) -> Option<String> {
    match value {
        "null" => None,
        text if text.starts_with('"') => serde_json::from_str(text).ok(),
        number => Some(number.to_owned()),
    }
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// Whether an answer differs from what is expected only where it says so.
pub(crate) fn agrees(expected: &str, told: &str) -> Result<(), String> {
    let (expected, mut told): (Object<'_>, Object<'_>) = (
        serde_json::from_str(expected).unwrap(),
        serde_json::from_str(told).map_err(|error| error.to_string())?,
    );
    let errors = told.remove("_errors").map_or("[]", |errors| errors.get());
    let errors: Vec<Told> = serde_json::from_str(errors).map_err(|error| error.to_string())?;
    if expected.keys().ne(told.keys()) {
        return Err("other members".to_owned());
    }
    for (name, value) in &expected {
        let whole = errors.iter().any(|error| error.list.is_none());
        same((name, None), value.get(), told[name].get(), whole, &errors)?;
    }
    Ok(())
}

#[derive(Debug, serde::Deserialize)]
struct Told {
    #[serde(rename = "in")]
    list: Option<String>,
    rows: Option<String>,
}

impl Told {
    fn names(&self, list: &str, row: usize) -> bool {
        let ranges = self.rows.as_deref().unwrap_or_default().split(',');
        let mut ranges = ranges.map(|range| range.split_once('-').unwrap_or((range, range)));
        let is_in = |(first, last): (&str, &str)| {
            first.parse().is_ok_and(|first: usize| first <= row)
                && last.parse().is_ok_and(|last: usize| row <= last)
        };
        self.list.as_deref() == Some(list) && ranges.any(is_in)
    }
}

/// `is_told`: an error may speak of this value.
fn same(
    (name, row): (&str, Option<usize>),
    expected: &str,
    told: &str,
    is_told: bool,
    errors: &[Told],
) -> Result<(), String> {
    if expected == told || is_told && told == "null" {
        return Ok(());
    }
    if let (Ok(expected), Ok(told)) = (
        serde_json::from_str::<Vec<&RawValue>>(expected),
        serde_json::from_str::<Vec<&RawValue>>(told),
    ) && row.is_none()
        && expected.len() == told.len()
    {
        for (row, (expected, told)) in expected.iter().zip(told).enumerate() {
            let is_told = errors.iter().any(|error| error.names(name, row));
            same(
                (name, Some(row)),
                expected.get(),
                told.get(),
                is_told,
                errors,
            )?;
        }
        return Ok(());
    }
    if let (Ok(expected), Ok(told)) = (
        serde_json::from_str::<Object<'_>>(expected),
        serde_json::from_str::<Object<'_>>(told),
    ) && expected.keys().eq(told.keys())
    {
        for (member, value) in &expected {
            let name = if row.is_none() {
                format!("{name}.{member}")
            } else {
                name.to_owned()
            };
            same(
                (&name, row),
                value.get(),
                told[member].get(),
                is_told,
                errors,
            )?;
        }
        return Ok(());
    }
    Err(format!("{name} {row:?}: {told} and not {expected}"))
}
