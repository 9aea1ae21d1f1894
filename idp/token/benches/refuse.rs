//! What does it cost to refuse a token that is none of ours, and to accept one that is?
//!
//! Without arguments: nanoseconds per call, the least of many rounds, beside one SHA-256 of the
//! same text from the same run. `report FOLDER` counts instructions as well, under valgrind, and
//! writes `tokens.md` and `tokens.json` there; `check FOLDER` holds the counts against the latter.
//!
//! With a name and a count it makes so many calls and says nothing, so that an instruction counter
//! tells what one call costs: the difference of two runs over the difference of their counts.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

#[path = "refuse/count.rs"]
mod count;

use std::env;
use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use idp_token::digest::TokenDigest;
use idp_token::epoch::Seq;
use idp_token::fence::{Fence, PLACES_DEFAULT, SLOTS_DEFAULT};
use idp_token::filter::{FilterKey, FilterKeyId, FilterKeys};
use idp_token::lease::{Lease, Tolerance};
use idp_token::reference::{AbsoluteEnd, ReferenceToken};
use idp_token::time::{BootTime, UnixSeconds};

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
const ROUNDS: usize = 200;
const CALLS_PER_ROUND: usize = 2_000;

struct Case {
    name: &'static str,
    /// What it is in a report.
    what: &'static str,
    call: Box<dyn Fn()>,
}

fn cases() -> Vec<Case> {
    let key = |secret| {
        let id = FilterKeyId::new(3).expect("invariant: 3 is an id");
        FilterKeys::new(FilterKey::new(id, &[secret; 32]))
    };
    let text = |secret, end| {
        let end = AbsoluteEnd::new(UnixSeconds(end)).expect("invariant: before 2106");
        let token = ReferenceToken::mint(&key(secret), 1, end, [7; 16]);
        token.spell().as_str().to_owned()
    };
    let (good, forged) = (text(1, NOW.0 + 60), text(2, NOW.0 + 60));
    let (expired, garbage) = (text(1, NOW.0 - 1), "!".repeat(good.len()));
    let parse = |(name, what), text: String| {
        let keys = key(1);
        let call = move || {
            let _ = black_box(ReferenceToken::parse(
                black_box(text.as_bytes()),
                &keys,
                NOW,
            ));
        };
        let call: Box<dyn Fn()> = Box::new(call);
        Case { name, what, call }
    };
    let sha = good.clone();
    let keys = key(1);
    let known = good.clone();
    let fence = Fence::new(&[1; 16], SLOTS_DEFAULT, PLACES_DEFAULT, Seq(1));
    let (stamp, marks) = (fence.stamp(), fence.marks("s", "u", "c", "t"));
    let lease = Lease::new(Duration::from_secs(1));
    vec![
        Case {
            name: "sha256",
            what: "one SHA-256 of a token",
            call: Box::new(move || {
                black_box(TokenDigest::of(black_box(sha.as_bytes())));
            }),
        },
        parse(("garbage", "refuse what is no base64url"), garbage),
        parse(("expired", "refuse an expired token"), expired),
        parse(("forged", "refuse a forged token, by its tag"), forged),
        parse(("good", "take a good token"), good),
        Case {
            name: "good-digest",
            what: "take a good token and compute its digest",
            call: Box::new(move || {
                let token = ReferenceToken::parse(black_box(known.as_bytes()), &keys, NOW);
                black_box(token.map(|token| token.digest()).ok());
            }),
        },
        Case {
            name: "fence-lease",
            what: "fence and lease, for a cached entry",
            call: Box::new(move || {
                let now = black_box(BootTime(Duration::ZERO));
                black_box(fence.holds(black_box(stamp), black_box(&marks)));
                black_box(lease.trust(Tolerance::Strict, now));
            }),
        },
    ]
}

fn measure(call: &dyn Fn()) -> f64 {
    let round = || {
        let start = Instant::now();
        for _ in 0..CALLS_PER_ROUND {
            call();
        }
        start.elapsed()
    };
    let least = (0..ROUNDS).map(|_| round()).min().unwrap_or_default();
    least.as_secs_f64() * 1e9 / CALLS_PER_ROUND as f64
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).filter(|it| it != "--bench").collect();
    let cases = cases();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => times(&cases),
        ["report", folder] => count::report(&cases, folder.as_ref())?,
        ["check", folder] => count::check(&cases, folder.as_ref())?,
        [name, count] => {
            let case = cases.iter().find(|case| case.name == *name);
            let case = case.ok_or("there is no such case")?;
            for _ in 0..count.parse::<usize>()? {
                (case.call)();
            }
        }
        _ => return Err("which? nothing | report FOLDER | check FOLDER | CASE COUNT".into()),
    }
    Ok(())
}

fn times(cases: &[Case]) {
    let base = measure(&cases[0].call);
    for case in cases {
        let spent = measure(&case.call);
        println!(
            "{:<12} {spent:>8.0} ns {:>6.2} × sha256",
            case.name,
            spent / base
        );
    }
}
