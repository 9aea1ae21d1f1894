//! What must be so besides, while something is broken, and whether it is broken at all.

use std::net::SocketAddr;

use super::Breakage;
use super::deeds::{Broken, spender};
use crate::bench::BenchError;
use crate::closed::{Load, Request};
use crate::fleet::{ACCESS_LIFE, Fleet, Gateway, Route};
use crate::revocation::forgery;

/// A file that was not taken.
const REFUSED: &str = "tollgate_reloads_total{result=\"refused\"}";
/// A line of an access log that no disk took.
const DROPPED: &str = "tollgate_access_log_dropped_total";
const DAY: i64 = 24 * 60 * 60;
/// Seconds begin at different moments, and asking takes a while.
const SECONDS_OFF_MAX: i64 = 2;

/// What is not so, in words.
pub(in crate::revocation) async fn complain(
    fleet: &mut Fleet,
    breakage: Breakage,
    broken: &Broken,
) -> Result<Option<String>, BenchError> {
    if breakage == Breakage::IdpDiskFull && fleet.operator()?.issue(None).await.is_ok() {
        return Ok(Some("a token was issued that no disk has".to_owned()));
    }
    if let Breakage::IdpFilesSpent | Breakage::GatewayFilesSpent = breakage {
        let (member, _) = spender(fleet, breakage)?;
        let spent = member.cpu_time()?.saturating_sub(broken.cpu_before);
        if spent > broken.began.elapsed() / 2 {
            return Ok(Some(format!("it spins: {spent:?} on a CPU")));
        }
        if !member.said().contains("could not be accepted") {
            return Ok(Some("its log does not tell".to_owned()));
        }
    }
    if breakage == Breakage::GatewaysMisled {
        return unless_all_counted(&fleet.gateways, REFUSED).await;
    }
    if breakage == Breakage::GatewayDiskFull {
        return unless_all_counted(fleet.gateways.get(..1).unwrap_or_default(), DROPPED).await;
    }
    if let Breakage::IdpClock(off) | Breakage::GatewayClock(off) = breakage {
        let told = difference(fleet, breakage).await?;
        if told.is_none_or(|told| (told - off).abs() > SECONDS_OFF_MAX) {
            return Ok(Some(format!("the clocks differ by {told:?} s")));
        }
    }
    Ok(None)
}

/// It happened to each of them, and each counted it.
async fn unless_all_counted(
    gateways: &[Gateway],
    metric: &str,
) -> Result<Option<String>, BenchError> {
    for gateway in gateways {
        if gateway.metric(metric).await? == 0 {
            return Ok(Some(format!("{metric} is 0")));
        }
    }
    Ok(None)
}

/// By how many seconds the clock that was set is off.
async fn difference(fleet: &Fleet, breakage: Breakage) -> Result<Option<i64>, BenchError> {
    let gateways: Vec<_> = fleet.gateways.iter().map(|it| it.address).collect();
    let (set, right) = match (breakage, gateways.as_slice()) {
        // Its answers have a date that does not go back where the clock does.
        (Breakage::IdpClock(_), [right, ..]) => {
            let token = fleet.operator()?.issue(None).await?;
            let ends_at = forgery::ends_at(&token.text);
            let began_at = ends_at.map(|at| at - ACCESS_LIFE.as_secs().cast_signed());
            (began_at.map(|at| at % DAY), *right)
        }
        (_, [set, right, ..]) => (second_of_day(*set).await?, *right),
        _ => return Ok(None),
    };
    let right = second_of_day(right).await?;
    let apart = |(set, right): (i64, i64)| (set - right + DAY + DAY / 2) % DAY - DAY / 2;
    Ok(set.zip(right).map(apart))
}

/// What the date of an answer of this server says.
async fn second_of_day(server: SocketAddr) -> Result<Option<i64>, BenchError> {
    let asked = Load::new(server, Request::get(Route::Open.path()))
        .ask()
        .await;
    let answer = asked.map_err(|failure| BenchError::WrongAnswer {
        name: "a server",
        tally: failure.to_string(),
    })?;
    Ok(answer.header("date").and_then(parse_second_of_day))
}

/// `Sat, 28 Nov 2026 18:02:01 GMT`
fn parse_second_of_day(date: &str) -> Option<i64> {
    let time = date.split(' ').nth(4)?;
    let mut parts = time.split(':').map(str::parse::<i64>);
    let mut next = || parts.next()?.ok();
    Some((next()? * 60 + next()?) * 60 + next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_of_the_day_is_read_off_a_date() {
        let cases = [
            ("Sat, 28 Nov 2026 18:02:01 GMT", Some(64_921)),
            ("Sat, 28 Nov 2026 00:00:00 GMT", Some(0)),
            ("Sat, 28 Nov 2026", None),
            ("yesterday", None),
        ];
        for (date, expected) in cases {
            assert_eq!(parse_second_of_day(date), expected, "{date}");
        }
    }
}
