//! Random declarations over random data against the naive composer.

use std::collections::HashMap;
use std::sync::Arc;

use composer_core::compose::Refused;
use composer_core::declaration::{Declaration, Rows, Target};
use composer_core::{Answer, compile};

use crate::chance::Chance;
use crate::driver::Driver;
use crate::naive::{self, Naive, Stop};
use crate::random;
use crate::world::World;

const CASES: u64 = 2_000;

struct Case {
    declaration: Declaration,
    naive: Result<String, Stop>,
    ours: Result<Answer, Refused>,
}

/// `None` where chance declared what is refused: circles it cannot, but chains that are too long.
fn run(seed: u64, step_faults: usize, chunk_faults: usize) -> Option<Case> {
    let mut chance = Chance::new(seed);
    let declaration = random::declaration(&mut chance);
    let plan = match compile(&declaration) {
        Ok(plan) => Arc::new(plan),
        Err(faults) => {
            let expected = [
                "there are more than",
                "two things would",
                "lookups are nested",
                "a request may cost",
            ];
            for fault in faults {
                let is_expected = expected.iter().any(|it| fault.message.starts_with(it));
                assert!(is_expected, "{seed}: {}", fault.message);
            }
            return None;
        }
    };
    let world = World { seed, step_faults };
    let thing = chance.pick(&["7", "a b", "é/?", "03"]);
    let page = chance.pick(&[None, Some("2"), Some("x&y"), Some("")]);
    let mut query = vec![format!("size={}", chance.below(9)), "unknown=1".to_owned()];
    query.extend(page.map(|page| format!("page={}", naive::encode(page))));
    chance.shuffle(&mut query);
    let size = query
        .iter()
        .find_map(|it| it.strip_prefix("size="))
        .unwrap()
        .to_owned();
    let mut in_query = HashMap::from([("size", size.as_str())]);
    in_query.extend(page.map(|page| ("page", page)));
    let naive = Naive {
        world: &world,
        declaration: &declaration,
        endpoint: &declaration.endpoints[0],
        params: HashMap::from([("thing", thing), ("other", "1")]),
        query: in_query,
        answers: HashMap::new(),
    }
    .answer();
    let mut driver = Driver {
        world: &world,
        plan,
        chance,
        chunk_faults,
    };
    let ours = driver.answer(&[&naive::encode(thing), "1"], &query.join("&"));
    Some(Case {
        declaration,
        naive,
        ours,
    })
}

/// Whether a parameter of the query is needed and was not sent: nothing is composed then.
fn is_page_missing(case: &Case) -> bool {
    matches!(&case.ours, Err(Refused::QueryMissing(name)) if **name == *"page")
}

#[test]
fn a_composed_answer_is_that_of_a_naive_composer_byte_for_byte() {
    let (mut answers, mut refusals, mut partial, mut unlike) = (0, 0, 0, 0);
    for seed in 0..CASES {
        let Some(case) = run(seed, 15, 0) else {
            unlike += 1;
            continue;
        };
        if is_page_missing(&case) {
            continue;
        }
        match (&case.naive, &case.ours) {
            (Ok(naive), Ok(ours)) => {
                let body = std::str::from_utf8(&ours.body).unwrap();
                let rest = body.strip_prefix(naive.strip_suffix('}').unwrap());
                let rest = rest.unwrap_or_else(|| panic!("seed {seed}:
{body}
{naive}
{}", random::shown(&case.declaration)));
                let is_told = rest.starts_with(",\"_errors\":[{\"source\":");
                assert!(rest == "}" || is_told && ours.is_partial, "seed {seed}: {rest}");
                answers += 1;
                partial += u64::from(ours.is_partial);
            }
            (Err(Stop::Required), Err(Refused::Step { .. }))
            | (Err(Stop::TooManyRows), Err(Refused::TooManyRows { .. }))
            // Several things are wrong, and the order in which they are found is open.
            | (Err(Stop::Required), Err(Refused::TooManyRows { .. }))
            | (Err(Stop::TooManyRows), Err(Refused::Step { .. })) => refusals += 1,
            (naive, ours) => panic!("seed {seed}: {naive:?} but {ours:?}"),
        }
    }
    assert!(
        answers > CASES / 4,
        "{answers} answers, {refusals} refusals, {unlike} not declared"
    );
    assert!(
        refusals > 30 && partial > 100,
        "{refusals} refusals, {partial} partial"
    );
}

#[test]
fn a_row_is_right_or_says_that_it_is_not_whatever_fails() {
    let (mut rows, mut errors) = (0, 0);
    for seed in 0..CASES {
        let Some(case) = run(seed, 0, 2) else {
            continue;
        };
        let (Ok(naive), Ok(ours)) = (&case.naive, &case.ours) else {
            continue;
        };
        let body = std::str::from_utf8(&ours.body).unwrap();
        assert!(!body.contains("WRONG"), "seed {seed}: {body}");
        let told = naive::members(body).unwrap().remove("_errors");
        let mut check = Check {
            told: told
                .map(|told| serde_json::from_str(&told).unwrap())
                .unwrap_or_default(),
            rows: 0,
            errors: 0,
        };
        // Where a call could not be made for want of a record, everything of its step is another's.
        if check.told.iter().any(|it| it["cause"] == "input") {
            continue;
        }
        check.object(&case.declaration.endpoints[0].answer, "", (body, naive));
        rows += check.rows;
        errors += check.errors;
        assert_eq!(ours.is_partial, !check.told.is_empty());
    }
    assert!(rows > 1_000 && errors > 50, "{rows} rows, {errors} errors");
}

/// Compares an answer that may lack something with one that does not.
struct Check {
    told: Vec<HashMap<String, serde_json::Value>>,
    rows: usize,
    errors: usize,
}

impl Check {
    fn object(
        &mut self,
        members: &[(composer_core::declaration::Text, Target)],
        within: &str,
        (ours, naive): (&str, &str),
    ) {
        let (ours, naive) = (
            naive::members(ours).unwrap(),
            naive::members(naive).unwrap(),
        );
        for (name, target) in members {
            let path = format!("{within}{}", name.text);
            let pair = (ours[&name.text].as_str(), naive[&name.text].as_str());
            match target {
                Target::Value(_) if pair.0 == pair.1 => {}
                Target::Value(_) => {
                    assert_eq!(pair.0, "null");
                    assert!(self.is_told(None), "{path}");
                }
                Target::Object(members) => self.object(members, &format!("{path}."), pair),
                Target::Rows(rows) => self.rows(rows, &path, pair),
            }
        }
    }

    fn rows(&mut self, rows: &Rows, path: &str, (ours, naive): (&str, &str)) {
        if naive == "null" {
            assert_eq!(ours, "null");
            return;
        }
        let items =
            |text| serde_json::from_str::<Vec<Box<serde_json::value::RawValue>>>(text).unwrap();
        let (ours, naive) = (items(ours), items(naive));
        assert_eq!(ours.len(), naive.len());
        for (place, (ours, naive)) in ours.iter().zip(&naive).enumerate() {
            self.rows += 1;
            if ours.get() == naive.get() {
                continue;
            }
            let (ours, naive) = (
                naive::members(ours.get()).unwrap(),
                naive::members(naive.get()).unwrap(),
            );
            for keep in &rows.keep {
                assert_eq!(ours.get(&keep.text), naive.get(&keep.text));
            }
            for (name, _) in &rows.join {
                if ours[&name.text] != naive[&name.text] {
                    assert_eq!(ours[&name.text], "null");
                    assert!(self.is_told(Some((path, place))), "{path} {place}");
                    self.errors += 1;
                }
            }
        }
    }

    fn is_told(&self, row: Option<(&str, usize)>) -> bool {
        self.told.iter().any(|entry| match row {
            None => !entry.contains_key("rows"),
            Some((path, place)) => {
                entry.get("in").is_some_and(|it| it == path)
                    && entry["rows"].as_str().unwrap().split(',').any(|range| {
                        let (first, last) = range.split_once('-').unwrap_or((range, range));
                        (first.parse().unwrap()..=last.parse().unwrap()).contains(&place)
                    })
            }
        })
    }
}
