//! What does it cost to refuse a token that is none of ours, and to accept one that is?

use std::error::Error;
use std::hint::black_box;
use std::time::Duration;

use counted::{Book, Case};
use idp_token::digest::TokenDigest;
use idp_token::epoch::Seq;
use idp_token::fence::{Fence, PLACES_DEFAULT, SLOTS_DEFAULT};
use idp_token::filter::{FilterKey, FilterKeyId, FilterKeys};
use idp_token::lease::{Lease, Tolerance};
use idp_token::reference::{AbsoluteEnd, ReferenceToken};
use idp_token::time::{BootTime, UnixSeconds};

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

fn main() -> Result<(), Box<dyn Error>> {
    let good = text(1, NOW.0 + 60);
    let hashed = good.clone();
    let book = Book {
        name: "tokens",
        title: "What judging a token costs",
        yardstick: Case::new("sha256", "one SHA-256 of the token", move || {
            black_box(TokenDigest::of(black_box(hashed.as_bytes())));
        }),
        cases: cases(good),
        bench: "-p idp-token --bench refuse",
    };
    book.open()
}

fn cases(good: String) -> Vec<Case> {
    let (forged, expired) = (text(2, NOW.0 + 60), text(1, NOW.0 - 1));
    let garbage = "!".repeat(good.len());
    let known = good.clone();
    let keys = filter_keys(1);
    let fence = Fence::new(&[1; 16], SLOTS_DEFAULT, PLACES_DEFAULT, Seq(1));
    let (stamp, marks) = (fence.stamp(), fence.marks("s", "u", "c", "t"));
    let lease = Lease::new(Duration::from_secs(1));
    vec![
        parse("garbage", "refuse what is no base64url", garbage),
        parse("expired", "refuse an expired token", expired),
        parse("forged", "refuse a forged token, by its tag", forged),
        parse("good", "take a good token", good),
        Case::new(
            "good-digest",
            "take a good token and compute its digest",
            move || {
                let token = ReferenceToken::parse(black_box(known.as_bytes()), &keys, NOW);
                black_box(token.map(|token| token.digest()).ok());
            },
        ),
        Case::new(
            "fence-lease",
            "fence and lease, for a cached entry",
            move || {
                let now = black_box(BootTime(Duration::ZERO));
                black_box(fence.holds(black_box(stamp), black_box(&marks)));
                black_box(lease.trust(Tolerance::Strict, now));
            },
        ),
    ]
}

fn parse(name: &'static str, what: &'static str, text: String) -> Case {
    let keys = filter_keys(1);
    Case::new(name, what, move || {
        let text = black_box(text.as_bytes());
        let _ = black_box(ReferenceToken::parse(text, &keys, NOW));
    })
}

fn text(secret: u8, end: u64) -> String {
    let end = AbsoluteEnd::new(UnixSeconds(end)).expect("invariant: before 2106");
    let token = ReferenceToken::mint(&filter_keys(secret), 1, end, [7; 16]);
    token.spell().as_str().to_owned()
}

fn filter_keys(secret: u8) -> FilterKeys {
    let id = FilterKeyId::new(3).expect("invariant: 3 is an id");
    FilterKeys::new(FilterKey::new(id, &[secret; 32]))
}
