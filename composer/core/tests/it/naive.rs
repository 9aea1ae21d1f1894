//! The naive composer: one call after the other, one key per call, no cache, and everything looked up
//! by name in the declaration as it is written. It shares no code with the one it is compared with.

use std::collections::HashMap;

use composer_core::declaration::{Declaration, Endpoint, LookupSource, Rows, Step, Target};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::world::World;

pub(crate) struct Naive<'n> {
    pub(crate) world: &'n World,
    pub(crate) declaration: &'n Declaration,
    pub(crate) endpoint: &'n Endpoint,
    pub(crate) params: HashMap<&'n str, &'n str>,
    pub(crate) query: HashMap<&'n str, &'n str>,
    pub(crate) answers: HashMap<String, String>,
}

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Required,
    TooManyRows,
    /// One value is missing because of a key that is none.
    Key,
}

type Got = Result<Option<String>, Stop>;

impl Naive<'_> {
    pub(crate) fn answer(&mut self) -> Result<String, Stop> {
        for step in &self.endpoint.steps {
            self.step(step)?;
        }
        self.object(&self.endpoint.answer)
    }

    fn object(
        &mut self,
        members: &[(composer_core::declaration::Text, Target)],
    ) -> Result<String, Stop> {
        let mut parts = Vec::new();
        for (name, target) in members {
            let name = serde_json::to_string(&name.text).unwrap();
            match target {
                Target::Value(text) => {
                    let value = self.shown(&text.text, None)?;
                    parts.push(format!("{name}:{value}"));
                }
                Target::Object(members) => parts.push(format!("{name}:{}", self.object(members)?)),
                Target::Rows(rows) => parts.extend(self.rows(&name, rows)?),
            }
        }
        Ok(format!("{{{}}}", parts.join(",")))
    }

    fn rows(&mut self, name: &str, rows: &Rows) -> Result<Vec<String>, Stop> {
        let items = self
            .value(&rows.each.text, None)?
            .and_then(|array| items(&array));
        let Some(mut items) = items else {
            return Ok(vec![format!("{name}:null")]);
        };
        let is_cut = items.len() > rows.rows_max;
        items.truncate(rows.rows_max);
        let mut shown = Vec::new();
        for item in items {
            let Some(known) = members(&item) else {
                shown.push("null".to_owned());
                continue;
            };
            let mut parts = Vec::new();
            for keep in &rows.keep {
                if let Some(value) = known.get(&keep.text) {
                    parts.push(format!(
                        "{}:{value}",
                        serde_json::to_string(&keep.text).unwrap()
                    ));
                }
            }
            for (target, text) in &rows.join {
                let value = self.shown(&text.text, Some(&item))?;
                parts.push(format!(
                    "{}:{value}",
                    serde_json::to_string(&target.text).unwrap()
                ));
            }
            shown.push(format!("{{{}}}", parts.join(",")));
        }
        let mut parts = vec![format!("{name}:[{}]", shown.join(","))];
        if is_cut {
            parts.push("\"truncated\":true".to_owned());
        }
        Ok(parts)
    }

    fn shown(&mut self, text: &str, row: Option<&str>) -> Result<String, Stop> {
        match self.value(text, row) {
            Ok(value) => Ok(value.unwrap_or_else(|| "null".to_owned())),
            Err(Stop::Key) => Ok("null".to_owned()),
            Err(stop) => Err(stop),
        }
    }

    fn value(&mut self, text: &str, row: Option<&str>) -> Got {
        if let Some((name, rest)) = text.split_once('(') {
            let end = rest.rfind(')').unwrap();
            let key = self.value(&rest[..end], row)?;
            let record = match key.filter(|key| key != "null") {
                Some(key) => self.lookup(name, &key)?,
                None => None,
            };
            let path = rest[end + 1..].split('.').skip(1);
            return Ok(record.and_then(|record| follow(&record, path)));
        }
        let mut path = text.split('.');
        if let Some(row) = row {
            return Ok(follow(row, path));
        }
        let head = path.next().unwrap();
        if let Some(param) = self.params.get(head) {
            return Ok(Some(serde_json::to_string(param).unwrap()));
        }
        if head == "query" {
            let param = self.query.get(path.next().unwrap());
            return Ok(param.map(|param| serde_json::to_string(param).unwrap()));
        }
        let step = self
            .endpoint
            .steps
            .iter()
            .find(|step| step.name.text == head)
            .unwrap();
        let answer = self.step(step)?;
        Ok(follow(&answer, path))
    }

    fn step(&mut self, step: &Step) -> Result<String, Stop> {
        if let Some(answer) = self.answers.get(&step.name.text) {
            return Ok(answer.clone());
        }
        let mut answer = match self.target(&step.call.text) {
            Ok(Some(target)) => self.world.step(&target).ok(),
            Ok(None) | Err(Stop::Key) => None,
            Err(stop) => return Err(stop),
        };
        let is_list = |rows: &Rows, answer: &str| {
            let (head, path) = rows
                .each
                .text
                .split_once('.')
                .unwrap_or((&rows.each.text, ""));
            let path = path.split('.').filter(|name| !name.is_empty());
            let array = (head == step.name.text).then(|| follow(answer, path));
            array.is_none_or(|array| array.is_some_and(|it| it == "null" || it.starts_with('[')))
        };
        let lists = lists(&self.endpoint.answer);
        if answer
            .as_ref()
            .is_some_and(|it| !lists.iter().all(|rows| is_list(rows, it)))
        {
            answer = None;
        }
        let otherwise = step
            .otherwise
            .as_ref()
            .map(|(json, _)| json.bytes().to_vec());
        let otherwise = otherwise.map(|bytes| String::from_utf8(bytes).unwrap());
        let answer = answer.or(otherwise).ok_or(Stop::Required)?;
        for rows in lists {
            let (head, path) = rows.each.text.split_once('.').unwrap();
            let array = (head == step.name.text).then(|| follow(&answer, path.split('.')));
            let count = array
                .flatten()
                .and_then(|it| items(&it))
                .map_or(0, |it| it.len());
            if count > rows.rows_max && !rows.is_cut {
                return Err(Stop::TooManyRows);
            }
        }
        self.answers.insert(step.name.text.clone(), answer.clone());
        Ok(answer)
    }

    /// `None`: the call cannot be made.
    fn target(&mut self, call: &str) -> Got {
        let target = call.split(' ').nth(2).unwrap();
        let (path, query) = target
            .split_once('?')
            .map_or((target, None), |(p, q)| (p, Some(q)));
        let Some(mut made) = self.fill(path)? else {
            return Ok(None);
        };
        if made
            .split('/')
            .skip(1)
            .any(|segment| ["", ".", ".."].contains(&segment))
        {
            return Ok(None);
        }
        let mut separator = '?';
        for pair in query.into_iter().flat_map(|query| query.split('&')) {
            let is_optional = pair.contains("?}");
            match self.fill(&pair.replace("?}", "}"))? {
                Some(filled) => {
                    made.push(separator);
                    made.push_str(&filled);
                    separator = '&';
                }
                None if is_optional && !self.is_unusable(pair)? => {}
                None => return Ok(None),
            }
        }
        Ok(Some(made))
    }

    fn fill(&mut self, text: &str) -> Got {
        let Some((before, rest)) = text.split_once('{') else {
            return Ok(Some(text.to_owned()));
        };
        let (slot, after) = rest.split_once('}').unwrap();
        let value = self.value(slot, None)?.and_then(|raw| scalar(&raw));
        let Some(value) = value else {
            return Ok(None);
        };
        Ok(self
            .fill(after)?
            .map(|after| format!("{before}{}{after}", encode(&value))))
    }

    /// Whether the value of a pair is there but cannot be written.
    fn is_unusable(&mut self, pair: &str) -> Result<bool, Stop> {
        let slot = pair.split_once('{').unwrap().1.split_once("?}").unwrap().0;
        let value = self.value(slot, None)?;
        Ok(value.is_some_and(|raw| raw != "null" && scalar(&raw).is_none()))
    }

    fn lookup(&mut self, name: &str, raw: &str) -> Got {
        let key = scalar(raw).filter(|_| raw != "true" && raw != "false");
        let key = key.filter(|it| !it.is_empty() && it.len() <= 256 && !it.contains([',', '\0']));
        let key = key.ok_or(Stop::Key)?;
        let lookup = self
            .declaration
            .lookups
            .iter()
            .find(|it| it.name.text == name)
            .unwrap();
        let target = lookup.call.text.split(' ').nth(2).unwrap();
        let answer = match lookup.source {
            LookupSource::Batch { .. } => {
                self.world.batch(&target.replace("{keys}", &encode(&key)))
            }
            LookupSource::Table { .. } => self.world.table(target),
        };
        let records = items(&answer).unwrap();
        Ok(records.into_iter().rfind(|record| {
            let own = members(record).and_then(|it| it.get("id").cloned());
            own.and_then(|raw| scalar(&raw)).as_ref() == Some(&key)
        }))
    }
}

fn lists(members: &[(composer_core::declaration::Text, Target)]) -> Vec<&Rows> {
    let mut found = Vec::new();
    for (_, target) in members {
        match target {
            Target::Value(_) => {}
            Target::Object(members) => found.extend(lists(members)),
            Target::Rows(rows) => found.push(rows),
        }
    }
    found
}

fn follow<'p>(raw: &str, path: impl Iterator<Item = &'p str>) -> Option<String> {
    let mut value = raw.trim().to_owned();
    for name in path {
        value = members(&value)?.remove(name)?;
    }
    Some(value)
}

fn items(raw: &str) -> Option<Vec<String>> {
    let items: Vec<Box<RawValue>> = serde_json::from_str(raw).ok()?;
    Some(items.iter().map(|item| item.get().to_owned()).collect())
}

/// Raw members by name; of several the last.
pub(crate) fn members(raw: &str) -> Option<HashMap<String, String>> {
    serde_json::from_str::<Members>(raw)
        .ok()
        .map(|members| members.0)
}

struct Members(HashMap<String, String>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfObject;
        impl<'de> Visitor<'de> for OfObject {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = HashMap::new();
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    members.insert(name, value.get().to_owned());
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(OfObject)
    }
}

fn scalar(raw: &str) -> Option<String> {
    match raw.as_bytes().first()? {
        b'"' => serde_json::from_str(raw).ok(),
        b'{' | b'[' | b'n' => None,
        _ => Some(raw.to_owned()),
    }
}

pub(crate) fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let shown = |byte: u8| {
        if plain(byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(shown).collect()
}
