//! Whatever is declared and whatever is asked: the same bytes as a composer that knows nothing.
//!
//! Declarations, data, cache modes and requests are drawn from a seed. The naive composer asks for
//! one thing after the other, keeps nothing and joins nothing; it reads the declaration with a parser
//! of its own and JSON with serde. `PROPTEST_CASES` says how often: a world for every sixteen answers.

mod draw;
mod naive;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use composer_engine::Stale;
use proptest::test_runner::Config;

use crate::site::Site;
use draw::{Drawn, Random};
use world::Faults;

const CALLERS: [&str; 3] = ["alice", "bob", "carol"];
/// Requests to one world, some of them at the same time.
const ROUNDS: usize = 4;
const AT_ONCE: usize = 4;
/// Of one world.
const ANSWERS: u64 = 16;

/// Who asks for what.
#[derive(Debug, Clone)]
struct Wish {
    who: &'static str,
    id: String,
    query: Option<String>,
}

fn wish(random: &mut Random) -> Wish {
    let query = match random.below(3) {
        0 => None,
        1 => Some("extra=1".to_owned()),
        _ => Some(format!("page={}", random.below(3))),
    };
    Wish {
        who: CALLERS[random.below(CALLERS.len())],
        id: random.below(4).to_string(),
        query,
    }
}

async fn ask(site: &Site, wish: &Wish) -> (u16, String) {
    let id = wish.id.as_str();
    let answered = site.get_with(&[id], wish.query.as_deref(), wish.who).await;
    (answered.status(), answered.body().to_owned())
}

/// Asks a world in rounds; what is known grows old and is forgotten between them.
async fn rounds(
    drawn: &Drawn,
    site: Arc<Site>,
    random: &mut Random,
    check: impl Fn(&Wish, u16, &str),
) {
    for _ in 0..ROUNDS {
        let wishes: Vec<_> = (0..AT_ONCE).map(|_| wish(random)).collect();
        let asking: Vec<_> = wishes
            .iter()
            .map(|wish| {
                let (site, wish) = (Arc::clone(&site), wish.clone());
                composer_engine::spawn("asking", async move { ask(&site, &wish).await })
            })
            .collect();
        let leaves = random.below(4) == 0;
        for (place, (wish, asking)) in wishes.iter().zip(asking).enumerate() {
            if leaves && place == 0 {
                asking.abort();
                continue;
            }
            let (status, body) = asking.await.unwrap();
            check(wish, status, &body);
        }
        match random.below(4) {
            0 => site
                .clock
                .set_forward(Duration::from_secs(random.below(20) as u64)),
            1 => site.engine.invalidate(&[Stale::Everything]).await.unwrap(),
            2 => {
                let key = random.below(9).to_string();
                let lookup = drawn.lookups[random.below(drawn.lookups.len())]
                    .name
                    .text
                    .clone();
                let stale = Stale::Key(lookup, key);
                site.engine.invalidate(&[stale]).await.unwrap();
            }
            _ => {}
        }
    }
}

/// Seeds of as many worlds as are wanted.
fn seeds() -> impl Iterator<Item = u64> {
    (0..u64::from(Config::default().cases).div_ceil(ANSWERS)).map(|seed| seed + 1)
}

#[tokio::test]
async fn an_answer_has_the_bytes_of_the_naive_composer() {
    for seed in seeds() {
        let mut random = Random::new(seed);
        let drawn = Drawn::draw(&mut random);
        let (site, world, _services) = drawn.start(seed, Faults::none()).await;
        rounds(&drawn, Arc::new(site), &mut random, |wish, status, body| {
            let expected =
                naive::compose(&drawn, &world, wish.who, &wish.id, wish.query.as_deref());
            assert_eq!(
                (status, body),
                (200, &*expected),
                "seed {seed}: {wish:?} of {drawn:#?}"
            );
        })
        .await;
    }
}

#[tokio::test]
async fn under_faults_every_row_is_as_it_should_be_or_says_why_not() {
    for seed in seeds() {
        let mut random = Random::new(seed);
        let drawn = Drawn::draw(&mut random);
        let faults = Faults::one_in(2 + random.below(6));
        let (site, world, _services) = drawn.start(seed, faults).await;
        rounds(&drawn, Arc::new(site), &mut random, |wish, status, body| {
            if status != 200 {
                assert!(
                    matches!(status, 400..=599) && body.contains("\"code\""),
                    "seed {seed}: {body}"
                );
                return;
            }
            let expected =
                naive::compose(&drawn, &world, wish.who, &wish.id, wish.query.as_deref());
            if let Err(wrong) = naive::agrees(&expected, body) {
                panic!("seed {seed}: {wrong}\n{wish:?}\n{expected}\n{body}\n{drawn:#?}");
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_mount_that_forgets_who_asks_is_caught() {
    let mut crossed = 0;
    for seed in 1..=20 {
        let mut random = Random::new(seed);
        let drawn = Drawn::draw(&mut random);
        let (mut site, world, _services) = drawn.start(seed, Faults::none()).await;
        site.forgets_who_asks = true;
        let count = AtomicUsize::new(0);
        rounds(&drawn, Arc::new(site), &mut random, |wish, _, body| {
            let expected =
                naive::compose(&drawn, &world, wish.who, &wish.id, wish.query.as_deref());
            count.fetch_add(usize::from(body != expected), Ordering::Relaxed);
        })
        .await;
        crossed += count.into_inner();
    }
    assert!(crossed > 0);
}
