//! A contract: the scripts in a real Redis do what the model does, whatever is done in whatever order.

use redis::Script;

use super::super::entity::{Held, Reply, Writing};
use super::super::link::{FIND, STORE};
use super::model::{LIFE, Model, REPLY_BYTES_MAX, RUN, VALUE_BYTES_MAX, Variant};
use super::redis_server::RedisServer;
use crate::random;

const STEPS: usize = 3_000;
const NAMES: [&str; 4] = ["g", "g:1", "g:2", "g:3"];

struct Real(redis::Connection);

impl Real {
    fn find(&mut self, names: &[String], fresh: &str, begins: bool) -> Reply {
        let script = Script::new(FIND);
        let mut asking = script.prepare_invoke();
        for name in names {
            asking.key(name);
        }
        asking.arg(RUN).arg(fresh).arg(u8::from(begins));
        asking.arg(LIFE).arg(LIFE);
        asking.arg(VALUE_BYTES_MAX).arg(REPLY_BYTES_MAX);
        let (at, held): (u64, Vec<Held>) = asking.invoke(&mut self.0).unwrap();
        assert!(at > 1_700_000_000_000, "the time is in milliseconds");
        Reply { at: 0, held }
    }

    fn store(&mut self, writings: &[Writing], until: u64) -> Vec<bool> {
        let script = Script::new(STORE);
        let mut asking = script.prepare_invoke();
        for writing in writings {
            asking.key(&writing.name);
            asking.arg(&*writing.seen).arg(&*writing.value).arg(until);
        }
        asking.invoke(&mut self.0).unwrap()
    }

    fn now(&mut self) -> u64 {
        let (seconds, _): (u64, u64) = redis::cmd("TIME").query(&mut self.0).unwrap();
        seconds * 1_000
    }

    fn set(&mut self, name: &str, text: &[u8], has_end: bool) {
        let mut set = redis::cmd("SET");
        set.arg(name).arg(text);
        if has_end {
            set.arg("PX").arg(LIFE);
        }
        set.query::<()>(&mut self.0).unwrap();
    }
}

fn below(bound: usize) -> usize {
    usize::try_from(random::next_u64() >> 33).unwrap() % bound
}

/// Lives go down in a real Redis; what has a life at all has one in both.
fn without_lives(reply: Reply) -> Vec<(Vec<u8>, bool, bool)> {
    let held = reply.held.into_iter();
    held.map(|(text, life, is_foreign)| (text, life > 0, is_foreign))
        .collect()
}

/// Something that may lie there: nothing of ours, or nearly.
fn anything(model: &Model) -> Vec<u8> {
    let of_another = model.held.values().next();
    let of_another = of_another.map_or(Vec::new(), |(text, _)| text.clone());
    match below(5) {
        0 => b"garbage".to_vec(),
        1 => of_another,
        2 => [b"V".to_vec(), vec![b'0'; 48], vec![0; below(152)]].concat(),
        3 => vec![b'R'; 49 + below(2)],
        _ => vec![b'V'; VALUE_BYTES_MAX + below(2)],
    }
}

/// Stores something in both, in a place that was seen. Whether it was done.
fn store(
    real: &mut Real,
    model: &mut Model,
    (name, seen): &(String, Vec<u8>),
    step: usize,
) -> bool {
    let value = [b"V", &seen[1..49], format!("{step}").as_bytes()].concat();
    let writings = [Writing {
        name: name.clone(),
        seen: seen.clone(),
        value,
        until: 0,
    }];
    // What is late already is stored nowhere.
    let now = real.now();
    assert_eq!(real.store(&writings, now.saturating_sub(1)), [false]);
    let done = model.store(&writings);
    assert_eq!(real.store(&writings, now + LIFE), done, "{step}");
    done[0]
}

#[test]
fn the_scripts_do_what_the_model_does() {
    let server = RedisServer::start();
    let mut real = Real(server.connect());
    let mut model = Model::new(Variant::AsItIs);
    let mut seen: Vec<(String, Vec<u8>)> = Vec::new();
    let (mut stored, mut refused) = (0, 0);
    for step in 0..STEPS {
        let name = NAMES[below(NAMES.len())].to_owned();
        match below(8) {
            0..3 => {
                let names: Vec<_> = NAMES.iter().map(|name| (*name).to_owned()).collect();
                let fresh = format!("{step:016x}");
                let begins = below(10) == 0;
                let of_model = model.find(&names, &fresh, begins);
                let of_real = real.find(&names, &fresh, begins);
                assert_eq!(
                    without_lives(of_real),
                    without_lives(of_model.clone()),
                    "{step}"
                );
                let found = of_model.held.into_iter().map(|(text, ..)| text);
                seen.extend(names.into_iter().skip(1).zip(found));
            }
            3..6 => {
                let place = seen.get(below(seen.len().max(1)));
                let Some(place) = place.filter(|(_, seen)| seen.len() >= 49) else {
                    continue;
                };
                match store(&mut real, &mut model, place, step) {
                    true => stored += 1,
                    false => refused += 1,
                }
            }
            6 => {
                model.forget(&name);
                redis::cmd("UNLINK")
                    .arg(&name)
                    .query::<()>(&mut real.0)
                    .unwrap();
            }
            _ => {
                let (text, has_end) = (anything(&model), below(4) > 0);
                real.set(&name, &text, has_end);
                model.held.insert(name, (text, has_end));
            }
        }
        if seen.len() > 12 {
            seen.drain(..6);
        }
    }
    assert!(
        stored > 50 && refused > 50,
        "{stored} stored, {refused} refused"
    );
}

#[test]
fn what_is_no_text_gives_way_and_a_server_that_takes_no_writes_is_not_believed() {
    let server = RedisServer::start();
    let mut real = Real(server.connect());
    for name in ["g", "g:1"] {
        redis::cmd("RPUSH")
            .arg(name)
            .arg("a")
            .query::<()>(&mut real.0)
            .unwrap();
    }
    let names = ["g", "g:1"].map(str::to_owned);
    let reply = real.find(&names, "0000000000000001", false);
    let (text, life, is_foreign) = &reply.held[0];
    assert_eq!((text.len(), *life > 0, *is_foreign), (49, true, true));

    server.command::<()>(&[b"CONFIG", b"SET", b"maxmemory", b"1"]);
    let script = Script::new(FIND);
    let mut asking = script.prepare_invoke();
    asking
        .key("g")
        .key("g:2")
        .arg(RUN)
        .arg("0000000000000002")
        .arg(0);
    asking
        .arg(LIFE)
        .arg(LIFE)
        .arg(VALUE_BYTES_MAX)
        .arg(REPLY_BYTES_MAX);
    assert!(asking.invoke::<(u64, Vec<Held>)>(&mut real.0).is_err());
}
