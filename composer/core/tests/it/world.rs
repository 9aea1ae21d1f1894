//! Services as pure functions: what is answered depends on the seed and on the target, on nothing else.

use crate::chance::Chance;

pub(crate) const NAMES: [&str; 5] = ["a", "b", "c", "id", "items"];

pub(crate) struct World {
    pub(crate) seed: u64,
    /// One in so many calls of steps fails.
    pub(crate) step_faults: usize,
}

impl World {
    /// The answer to a step, or that there is none.
    pub(crate) fn step(&self, target: &str) -> Result<String, ()> {
        let mut chance = Chance::of(self.seed, target);
        if self.step_faults > 0 && chance.one_in(self.step_faults) {
            return Err(());
        }
        Ok(match chance.below(40) {
            0 => "null".to_owned(),
            1 => "[1, 2]".to_owned(),
            2 => "\"text\"".to_owned(),
            _ => {
                let mut members = vec![member("items", &rows(&mut chance))];
                for name in ["a", "b", "c"] {
                    members.push(member(name, &value(&mut chance, 2)));
                }
                members.push(member("id", &key(&mut chance)));
                object(&mut chance, members)
            }
        })
    }

    /// The records of the keys that a batch names, among others.
    pub(crate) fn batch(&self, target: &str) -> String {
        let (_, ids) = target.split_once("?ids=").unwrap();
        let mut records: Vec<String> = ids
            .split(',')
            .filter(|id| !id.is_empty())
            .filter_map(|id| self.record(target.split('?').next().unwrap(), &decode(id)))
            .collect();
        let mut chance = Chance::of(self.seed ^ 1, target);
        if chance.one_in(4) {
            records.push("{\"id\": \"nobody asked\", \"a\": \"WRONG\"}".to_owned());
        }
        if chance.one_in(8) {
            records.push("{\"a\": \"WRONG\"}".to_owned());
        }
        if chance.one_in(8) {
            records.push("7".to_owned());
        }
        chance.shuffle(&mut records);
        format!("[{}]", records.join(", "))
    }

    /// Every record of a table.
    pub(crate) fn table(&self, target: &str) -> String {
        let records = KEYS.iter().filter_map(|key| self.record(target, key));
        format!("[{}]", records.collect::<Vec<_>>().join(","))
    }

    fn record(&self, path: &str, key: &str) -> Option<String> {
        let mut chance = Chance::of(self.seed, &format!("{path} {key}"));
        if chance.one_in(5) {
            return None;
        }
        let is_number = key
            .parse::<u32>()
            .is_ok_and(|number| number.to_string() == key);
        let spelled = if is_number && chance.one_in(2) {
            key.to_owned()
        } else {
            serde_json::to_string(key).unwrap()
        };
        let mut members = vec![member("id", &spelled), member("own", &spelled)];
        for name in ["a", "b", "c"] {
            if !chance.one_in(4) {
                let inner = if chance.one_in(2) {
                    key_text(&mut chance)
                } else {
                    value(&mut chance, 1)
                };
                members.push(member(name, &inner));
            }
        }
        Some(object(&mut chance, members))
    }
}

const KEYS: [&str; 11] = [
    "0",
    "1",
    "2",
    "3",
    "4",
    "03",
    "x",
    "é ü",
    "18446744073709551616",
    "a/b?c&d",
    "-1",
];

/// Mostly something that can be a key.
fn key(chance: &mut Chance) -> String {
    match chance.below(20) {
        0 => "null".to_owned(),
        1 => "true".to_owned(),
        2 => "\"\"".to_owned(),
        3 => "\"1,2\"".to_owned(),
        4 => "{\"a\":1}".to_owned(),
        5 => "\"\\u0031\"".to_owned(),
        _ => key_text(chance),
    }
}

fn key_text(chance: &mut Chance) -> String {
    let key = chance.pick(&KEYS);
    let is_number = key.starts_with(|c: char| c.is_ascii_digit() || c == '-')
        && key != "03"
        && !key.contains('/');
    if is_number && chance.one_in(2) {
        key.to_owned()
    } else {
        serde_json::to_string(key).unwrap()
    }
}

fn rows(chance: &mut Chance) -> String {
    match chance.below(30) {
        0 => return "null".to_owned(),
        1 => return "{\"a\":[]}".to_owned(),
        _ => {}
    }
    let count = chance.below(9);
    let rows: Vec<String> = (0..count).map(|_| row(chance)).collect();
    format!("[{}]", rows.join(" , "))
}

fn row(chance: &mut Chance) -> String {
    if chance.one_in(25) {
        return chance.pick(&["7", "null", "[{}]", "\"id\""]).to_owned();
    }
    let mut members = Vec::new();
    for name in NAMES {
        match chance.below(6) {
            0 => {}
            1 => members.push(member(name, &value(chance, 2))),
            2 => {
                // The last one counts.
                members.push(member(name, "\"before\""));
                members.push(member(name, &key(chance)));
            }
            _ => members.push(member(name, &key(chance))),
        }
    }
    format!("{{{}}}", members.join(", "))
}

fn value(chance: &mut Chance, depth: usize) -> String {
    let kinds = if depth == 0 { 4 } else { 6 };
    match chance.below(kinds) {
        0 => chance
            .pick(&[
                "10.00",
                "1E+2",
                "-0",
                "9007199254740993",
                "0.10000000000000000000000000001",
            ])
            .to_owned(),
        1 => chance
            .pick(&[
                "\"x\"",
                "\"\\u0061\\n\"",
                "\"\"",
                "\"é😀\"",
                "\"..\"",
                "\"a/b\"",
            ])
            .to_owned(),
        2 => chance.pick(&["null", "true", "false"]).to_owned(),
        3 => key(chance),
        4 => {
            let mut members = Vec::new();
            for name in NAMES {
                if !chance.one_in(3) {
                    members.push(member(name, &value(chance, depth - 1)));
                }
            }
            object(chance, members)
        }
        _ => {
            let items: Vec<_> = (0..chance.below(3))
                .map(|_| value(chance, depth - 1))
                .collect();
            format!("[ {} ]", items.join(","))
        }
    }
}

fn member(name: &str, value: &str) -> String {
    if name == "a" {
        return format!("\"\\u0061\" :\t{value}");
    }
    format!("\"{name}\": {value}")
}

fn object(chance: &mut Chance, mut members: Vec<String>) -> String {
    chance.shuffle(&mut members);
    format!("{{ {} }}", members.join(" ,"))
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'%' {
            let digits = std::str::from_utf8(&rest[..2]).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
            rest = &rest[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).unwrap()
}
