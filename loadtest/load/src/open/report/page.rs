//! A report as one page: no script, nothing that is fetched, light or dark as the reader has it.

use std::fmt::Write as _;

use super::chart::{Chart, Line};
use super::{Curve, Figures, Report, WatchedSeries};

const STYLE: &str = include_str!("page.css");

/// The whole page.
#[must_use]
pub fn page(report: &Report) -> String {
    let setting = &report.scenario;
    let title = format!("{} – {}", escape(&setting.name), report.environment.date);
    let mut body = String::new();
    // Writing to a string does not fail, here and below.
    let _ = write!(
        body,
        "<header><h1>{}</h1><p>{} for {:.0} s, {} arrivals; {}, {}, to <b>{}</b></p></header>",
        escape(&setting.name),
        rate(report),
        setting.lasts_s,
        setting.arrivals,
        setting.protocol,
        setting.connections,
        escape(&setting.target),
    );
    body.push_str(&verdicts(report));
    body.push_str(&cards(report));
    body.push_str(&drawn(&charts(report)));
    body.push_str(&revocations(report));
    body.push_str(&kinds(report));
    body.push_str(&drawn(&watched(report)));
    body.push_str(&conditions(report));
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <title>{title}</title><style>{STYLE}</style></head>\
         <body><main>{body}</main></body></html>\n"
    )
}

fn drawn(charts: &[Chart]) -> String {
    let charts = charts.iter().filter(|chart| !chart.is_empty());
    let drawn = charts.map(|chart| {
        format!(
            "<section><h2>{}</h2><p class=\"keys\">{}</p>{}</section>",
            chart.title,
            chart.legend(),
            chart.drawings()
        )
    });
    drawn.collect()
}

fn rate(report: &Report) -> String {
    let setting = &report.scenario;
    if (setting.rate_from - setting.rate_to).abs() < f64::EPSILON {
        return format!("{:.0} requests/s", setting.rate_to);
    }
    format!(
        "{:.0} to {:.0} requests/s",
        setting.rate_from, setting.rate_to
    )
}

/// What makes the figures less than they look.
fn verdicts(report: &Report) -> String {
    let mut text = String::new();
    if let Some(why) = &report.given_up {
        let _ = write!(text, "<p class=\"bad\">Given up: {}.</p>", escape(why));
    }
    for (what, count) in report.all.failures.told() {
        let _ = write!(text, "<p class=\"bad\">{count} failed: {what}.</p>");
    }
    let generator = &report.generator;
    let is_sound = generator.doubts.is_empty();
    let class = if is_sound { "fine" } else { "doubt" };
    let doubts = generator.doubts.iter();
    let doubts = doubts.map(|doubt| format!("<br>The generator: {}.", escape(doubt)));
    let _ = write!(
        text,
        "<p class=\"{class}\">The generator: {}.{}</p>",
        escape(&generator.verdict()),
        doubts.collect::<String>()
    );
    text
}

/// Tokens that were taken back meanwhile.
fn revocations(report: &Report) -> String {
    let Some(revocations) = &report.revocations else {
        return String::new();
    };
    let took = &revocations.took;
    let cards = [
        ("refused in time", revocations.refused.to_string()),
        ("refused late", revocations.late.to_string()),
        ("went wrong", revocations.failed.to_string()),
        ("median until refused", tell_us(took.p50 as f64)),
        ("99 %", tell_us(took.p99 as f64)),
        ("longest", tell_us(took.max as f64)),
    ];
    let notes = revocations.notes.iter();
    let notes = notes.map(|note| format!("<p class=\"bad\">{}.</p>", escape(note)));
    format!(
        "<section><h2>Tokens taken back</h2><p class=\"keys\">Each was used, taken back, and asked for \
         again until it was refused; the time counts from the answer to the order.</p>{}\
         <div class=\"cards\">{}</div></section>",
        notes.collect::<String>(),
        show_cards(cards)
    )
}

fn cards(report: &Report) -> String {
    let all = &report.all;
    let answered_wrong = all.failures.status + all.failures.body;
    let due = all.answered + all.failed.saturating_sub(answered_wrong);
    let share = all.failed as f64 / due.max(1) as f64 * 100.0;
    let cards = [
        ("answered a second", format!("{:.0}", all.per_second)),
        ("failed", format!("{share:.2} %")),
        ("median", tell_us(all.latency.p50 as f64)),
        ("99 %", tell_us(all.latency.p99 as f64)),
        ("99.9 %", tell_us(all.latency.p999 as f64)),
        ("longest", tell_us(all.latency.max as f64)),
    ];
    format!("<section class=\"cards\">{}</section>", show_cards(cards))
}

fn show_cards<const N: usize>(cards: [(&str, String); N]) -> String {
    let cards = cards.map(|(name, value)| format!("<div><b>{value}</b><span>{name}</span></div>"));
    cards.concat()
}

fn charts(report: &Report) -> Vec<Chart> {
    let mut charts = vec![percentiles(&report.all)];
    let seconds = || {
        let moments = report.moments.iter().enumerate();
        moments.map(|(at, it)| ((at as u64 * report.moment_s) as f64, it))
    };
    let moment_s = report.moment_s.max(1) as f64;
    let marks = seconds_marks(report);
    charts.push(Chart {
        title: "Latency over time".to_owned(),
        lines: vec![
            line("median", "a", seconds().map(|(at, it)| (at, it.p50 as f64))),
            line("99 %", "b", seconds().map(|(at, it)| (at, it.p99 as f64))),
        ],
        marks: marks.clone(),
        tell: tick_us,
    });
    charts.push(Chart {
        title: "Requests a second".to_owned(),
        lines: vec![
            line(
                "due",
                "a",
                seconds().map(|(at, it)| (at, it.due as f64 / moment_s)),
            ),
            line(
                "failed",
                "c",
                seconds().map(|(at, it)| (at, it.failed as f64 / moment_s)),
            ),
        ],
        marks,
        tell: |value| format!("{value:.0}"),
    });
    charts
}

/// What the processes under test used.
fn watched(report: &Report) -> Vec<Chart> {
    report.watched.iter().flat_map(watched_charts).collect()
}

/// What one process used.
fn watched_charts(watched: &WatchedSeries) -> [Chart; 2] {
    let name = escape(&watched.name);
    let last = watched.points.last().map_or(0.0, |(at, _, _)| *at);
    let points = || watched.points.iter();
    let first = watched.points.first().map_or(0.0, |(at, _, _)| *at);
    let tell = |at: f64| (at, format!("{at:.0} s"));
    let marks = vec![tell(first), tell(f64::midpoint(first, last)), tell(last)];
    let mib = |kib: u64| kib as f64 / 1024.0;
    let cores = Chart {
        title: format!("{name}: cores in use, {:.2} on average", watched.cores),
        lines: vec![line(
            "cores",
            "a",
            points().map(|(at, cores, _)| (*at, *cores)),
        )],
        marks: marks.clone(),
        tell: |value| format!("{value:.2}"),
    };
    let memory = Chart {
        title: format!(
            "{name}: memory, {:.1} MiB at most",
            mib(watched.rss_kib_max)
        ),
        lines: vec![line(
            "MiB",
            "b",
            points().map(|(at, _, kib)| (*at, mib(*kib))),
        )],
        marks,
        tell: |value| format!("{value:.0}"),
    };
    [cores, memory]
}

fn line(name: &'static str, class: &'static str, points: impl Iterator<Item = (f64, f64)>) -> Line {
    Line {
        name,
        class,
        points: points.collect(),
    }
}

/// Each nine as wide as the one before: that is where servers differ.
fn percentiles(all: &Figures) -> Chart {
    let place = |share: f64| -(1.0 - share.min(0.999_999)).log10();
    // Beyond the share of one request there is nothing to be told apart.
    let last = 1.0 - 1.0 / all.answered.max(2) as f64;
    let of = |curve: &Curve| -> Vec<_> {
        let points = curve.points.iter().filter(|(share, _)| *share <= last);
        points
            .map(|(share, us)| (place(*share), *us as f64))
            .collect()
    };
    let marks = [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999];
    Chart {
        title: "How many were how fast".to_owned(),
        lines: vec![
            line("from when they were due", "b", of(&all.latency).into_iter()),
            line(
                "from when they were sent",
                "a",
                of(&all.service).into_iter(),
            ),
        ],
        marks: marks
            .into_iter()
            .filter(|share| *share <= last)
            .map(|share| (place(share), format!("{} %", trim(share * 100.0))))
            .collect(),
        tell: tick_us,
    }
}

fn trim(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn seconds_marks(report: &Report) -> Vec<(f64, String)> {
    let count = report.moments.len();
    let step = count.div_ceil(8).max(1);
    let places = (0..count).step_by(step);
    let seconds = places.map(|at| at as u64 * report.moment_s);
    seconds.map(|at| (at as f64, format!("{at} s"))).collect()
}

fn kinds(report: &Report) -> String {
    let mut rows = String::new();
    for kind in std::iter::once(&report.all).chain(&report.kinds) {
        let latency = &kind.latency;
        let cells = [
            kind.answered.to_string(),
            kind.failed.to_string(),
            format!("{:.0}", kind.per_second),
            tell_us(latency.p50 as f64),
            tell_us(latency.p90 as f64),
            tell_us(latency.p99 as f64),
            tell_us(latency.p999 as f64),
            tell_us(latency.max as f64),
        ];
        let cells = cells.map(|cell| format!("<td>{cell}</td>"));
        let _ = write!(
            rows,
            "<tr><th>{}</th>{}</tr>",
            escape(&kind.name),
            cells.concat()
        );
    }
    format!(
        "<section><h2>By kind</h2><div class=\"wide\"><table><thead><tr><th></th><th>answered</th>\
         <th>failed</th><th>a second</th><th>50 %</th><th>90 %</th><th>99 %</th><th>99.9 %</th>\
         <th>longest</th></tr></thead><tbody>{rows}</tbody></table></div></section>"
    )
}

fn conditions(report: &Report) -> String {
    let environment = &report.environment;
    let generator = &report.generator;
    let rows = [
        ("made on", environment.date.clone()),
        (
            "machine",
            format!("{}, {} CPUs", environment.cpu_model, environment.cpus),
        ),
        ("kernel", format!("Linux {}", environment.kernel)),
        ("load average before", environment.load_average.clone()),
        (
            "warm-up",
            format!("{:.1} s, which are in no figure", report.scenario.warm_up_s),
        ),
        (
            "generator",
            format!(
                "tollgate {}, {} thread(s), {:.0} % of their time in use, late by {} at 99 %",
                report.version,
                report.scenario.threads,
                generator.share * 100.0,
                tell_us(generator.late_p99 as f64)
            ),
        ),
        (
            "connections",
            format!(
                "{} opened; {} requests waited for a free one",
                generator.connects, generator.waited
            ),
        ),
    ];
    let rows =
        rows.map(|(name, value)| format!("<tr><th>{name}</th><td>{}</td></tr>", escape(&value)));
    format!(
        "<section><h2>Conditions</h2><div class=\"wide\"><table class=\"plain\"><tbody>{}</tbody>\
         </table></div></section>",
        rows.concat()
    )
}

/// Microseconds in the unit that is read most easily.
fn tell_us(us: f64) -> String {
    match us {
        _ if us < 1e3 => format!("{us:.0} µs"),
        _ if us < 1e4 => format!("{:.2} ms", us / 1e3),
        _ if us < 1e6 => format!("{:.0} ms", us / 1e3),
        _ => format!("{:.2} s", us / 1e6),
    }
}

/// The same beside an axis, where distances are round.
fn tick_us(us: f64) -> String {
    let (number, unit) = match us {
        _ if us < 1e3 => (us, "µs"),
        _ if us < 1e6 => (us / 1e3, "ms"),
        _ => (us / 1e6, "s"),
    };
    format!("{} {unit}", trim(number))
}

fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_the_unit_that_fits() {
        #[rustfmt::skip]
        let cases = [
            (0.0, "0 µs"), (999.0, "999 µs"), (1500.0, "1.50 ms"),
            (25_000.0, "25 ms"), (1_250_000.0, "1.25 s"),
        ];
        for (us, expected) in cases {
            assert_eq!(tell_us(us), expected);
        }
    }

    #[test]
    fn ticks_are_told_as_short_as_they_are_round() {
        #[rustfmt::skip]
        let cases = [
            (0.0, "0 µs"), (500.0, "500 µs"), (5000.0, "5 ms"), (2500.0, "2.5 ms"), (2e6, "2 s"),
        ];
        for (us, expected) in cases {
            assert_eq!(tick_us(us), expected);
        }
    }

    #[test]
    fn what_a_file_says_is_text_on_the_page() {
        assert_eq!(escape("<b>&\"x\""), "&lt;b&gt;&amp;&quot;x&quot;");
    }
}
