//! A report as one page: no script, nothing that is fetched, light or dark as the reader has it.

use std::fmt::Write as _;

use super::quote::{PEERS, thousands};
use super::summary::{JobSummary, PeersReport, Summary};
use crate::bench::stats::Spread;

/// The look of the page that a load writes, and what is only here.
const STYLE: &str = concat!(
    include_str!("../../open/report/page.css"),
    include_str!("page.css")
);
/// What is equal and what is not, told in one place.
const RULES: &str = include_str!("../../../../peers/README.md");

/// The whole page.
pub(super) fn page(report: &PeersReport) -> String {
    let mut body = header(report);
    for name in &report.absent {
        let _ = write!(
            body,
            "<p class=\"doubt\">{name} was not installed: it took no part.</p>"
        );
    }
    if let Some(why) = report.verdict() {
        let _ = write!(body, "<p class=\"bad\">{}.</p>", escape(&why));
    }
    body.push_str(&glance(report));
    body.extend(report.jobs.iter().map(job));
    let rules = [
        ("Equal for everybody", "equal"),
        ("Not equal, and why", "unequal"),
    ];
    for (heading, id) in rules {
        let _ = write!(
            body,
            "<section id=\"{id}\"><h2>{heading}</h2><ul class=\"list\">{}</ul></section>",
            items(RULES, heading)
        );
    }
    body.push_str(&set_ups(report));
    body.push_str(&conditions(report));
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <title>Tollgate beside its peers – {date}</title><style>{STYLE}</style></head>\
         <body><main>{body}</main></body></html>\n",
        date = report.day(),
    )
}

fn header(report: &PeersReport) -> String {
    let rounds = report.rounds.iter().map(|it| it.round).max().unwrap_or(0);
    let requests = report.rounds.iter();
    let requests = requests.map(|it| it.closed.requests + it.offered.answered);
    let requests: u64 = requests.sum();
    format!(
        "<header><h1>Tollgate beside its peers</h1><p>{day}. Everybody does the nearest same job, with one CPU \
         to itself, in turn, {rounds} times in one run of {minutes} minutes. {requests} requests were measured.\
         </p></header>",
        day = report.day(),
        minutes = report.took_s.div_ceil(60),
        requests = thousands(requests),
    )
}

/// What each job costs the others, in one table.
fn glance(report: &PeersReport) -> String {
    let heads = report
        .jobs
        .iter()
        .map(|it| format!("<th>{}</th>", it.title));
    let others = PEERS.iter().skip(1);
    let rows = others.filter_map(|(peer, title)| {
        let cells = report.jobs.iter().map(|job| {
            let own = job.entrants.iter().filter(|it| it.peer == *peer);
            let own = own.map(|it| format!("{:.2}×", median(it.times_ours)));
            own.collect::<Vec<_>>().join(" / ")
        });
        let cells: Vec<_> = cells.collect();
        let takes_part = cells.iter().any(|it| !it.is_empty());
        let cells = cells.join("</td><td>");
        takes_part.then(|| format!("<tr><th>{title}</th><td>{cells}</td></tr>"))
    });
    format!(
        "<section><h2>CPU time, as a multiple of Tollgate's</h2><p class=\"what\">In the same round, seconds \
         apart, the median of all rounds: what a slow machine moves, it moves alike. Above 1.00× is dearer \
         than Tollgate.</p><table class=\"glance\"><thead><tr><th></th>{}</tr></thead><tbody>{}</tbody></table>\
         </section>",
        heads.collect::<String>(),
        rows.collect::<String>()
    )
}

fn job(job: &JobSummary) -> String {
    let rate = thousands(job.offered_per_second);
    let mut text = format!(
        "<section><h2>{}</h2><p class=\"what\">{}</p>",
        job.title,
        escape(job.what)
    );
    let cost = |it: &Summary| Bar {
        whole: median(it.cpu_us_per_request),
        part: None,
        told: format!(
            "<b>{:.1}</b> µs · {:.2}×",
            median(it.cpu_us_per_request),
            median(it.times_ours)
        ),
    };
    text.push_str(&bars("CPU per request, at the limit", job, cost));
    let latency = |it: &Summary| {
        let (p50, p99) = (median(it.offered.p50_us), median(it.offered.p99_us));
        Bar {
            whole: p99,
            part: Some(p50),
            told: format!("<b>{}</b> · {}", millis(p50), millis(p99)),
        }
    };
    let title = format!("Latency at {rate} requests a second: median · 99 %");
    text.push_str(&bars(&title, job, latency));
    let memory = |it: &Summary| {
        let mib = |kib: u64| kib as f64 / 1024.0;
        let (rest, after) = (mib(it.pss_kib.at_rest), mib(it.pss_kib.after));
        Bar {
            whole: rest.max(after),
            part: Some(rest.min(after)),
            told: format!("<b>{rest:.0}</b> · {after:.0} MiB"),
        }
    };
    text.push_str(&bars("Memory at rest · after the load", job, memory));
    let doubts = job.entrants.iter().flat_map(|it| {
        let own = it.warnings.iter();
        own.map(|doubt| format!("{}: {}.", it.name, escape(doubt)))
    });
    let doubts: Vec<_> = doubts.collect();
    if !doubts.is_empty() {
        let _ = write!(text, "<p class=\"doubt\">{}</p>", doubts.join("<br>"));
    }
    text + &details(job) + "</section>"
}

/// One set-up's share of the longest bar.
struct Bar {
    whole: f64,
    /// Drawn over it, darker.
    part: Option<f64>,
    told: String,
}

fn bars(title: &str, job: &JobSummary, bar: impl Fn(&Summary) -> Bar) -> String {
    let bars: Vec<_> = job.entrants.iter().map(|it| (it, bar(it))).collect();
    let longest = bars.iter().map(|(_, it)| it.whole).fold(0.0, f64::max);
    let width = |value: f64| {
        if longest > 0.0 {
            value / longest * 100.0
        } else {
            0.0
        }
    };
    let mut text = format!("<h3>{title}</h3><div class=\"bars\">");
    for (entrant, bar) in bars {
        let class = ours(entrant);
        let _ = write!(
            text,
            "<span class=\"name{class}\">{}</span><span class=\"track\">",
            entrant.name
        );
        let tail = if bar.part.is_some() {
            " class=\"tail\""
        } else {
            ""
        };
        let _ = write!(
            text,
            "<i{tail} style=\"width:{:.1}%\"></i>",
            width(bar.whole)
        );
        if let Some(part) = bar.part {
            let _ = write!(text, "<i style=\"width:{:.1}%\"></i>", width(part));
        }
        let _ = write!(text, "</span><span class=\"told\">{}</span>", bar.told);
    }
    text + "</div>"
}

fn ours(entrant: &Summary) -> &'static str {
    if entrant.peer == "tollgate" {
        " ours"
    } else {
        ""
    }
}

fn details(job: &JobSummary) -> String {
    let mut rows = String::new();
    for it in &job.entrants {
        let cells = [
            range(it.cpu_us_per_request, 1),
            range(it.times_ours, 2),
            range(it.requests_per_second, 0),
            range(it.core_share, 2),
            range(it.offered.cpu_us_per_request, 1),
            range(it.offered.p50_us, 0),
            range(it.offered.p99_us, 0),
            range(it.offered.generator_late_p99_us, 0),
            range(it.log_bytes_per_request, 0),
            it.failed.to_string(),
        ];
        let cells = cells.map(|cell| format!("<td>{cell}</td>")).concat();
        let class = ours(it).trim();
        let _ = write!(
            rows,
            "<tr class=\"{class}\"><th>{}</th>{cells}</tr>",
            it.name
        );
    }
    let rate = job.offered_per_second;
    format!(
        "<details><summary>All figures, with the smallest and the largest round</summary><div class=\"wide\">\
         <table><thead><tr><th></th><th>CPU µs</th><th>times ours</th><th>requests/s</th><th>share of its \
         CPU</th><th>CPU µs at {rate}/s</th><th>p50 µs</th><th>p99 µs</th><th>load late by µs</th>\
         <th>log bytes</th><th>failed</th></tr></thead><tbody>{rows}</tbody></table></div></details>"
    )
}

fn set_ups(report: &PeersReport) -> String {
    let mut rows = String::new();
    for job in &report.jobs {
        for it in &job.entrants {
            let _ = write!(
                rows,
                "<tr><th>{}</th><td class=\"left\">{}</td><td class=\"left\"><code>loadtest/peers/{}</code></td></tr>",
                it.name,
                escape(it.setup),
                it.file
            );
        }
    }
    format!(
        "<section><h2>Set-ups</h2><div class=\"wide\"><table><tbody>{rows}</tbody></table></div></section>"
    )
}

fn conditions(report: &PeersReport) -> String {
    let it = &report.conditions;
    let versions = it
        .versions
        .iter()
        .map(|it| format!("{} {}", it.program, it.version));
    let rows = [
        ("made on", it.date.clone()),
        (
            "machine",
            format!("{}, {} CPUs, Linux {}", it.cpu_model, it.cpus, it.kernel),
        ),
        ("load average before", it.load_average.clone()),
        ("layout", it.layout.clone()),
        ("run", format!("{}; {} s in all", it.flags, report.took_s)),
        (
            "tokens",
            format!("signed ones have {} bytes", report.value_token_bytes),
        ),
        ("versions", versions.collect::<Vec<_>>().join(", ")),
        ("again", "./dev bench peers".to_owned()),
    ];
    let rows = rows.map(|(name, value)| {
        format!(
            "<tr><th>{name}</th><td>{}</td></tr>",
            escape(value.as_str())
        )
    });
    format!(
        "<section><h2>Conditions</h2><div class=\"wide\"><table class=\"plain\"><tbody>{}</tbody></table>\
         </div></section>",
        rows.concat()
    )
}

/// The items of a list under a heading, for which no more of Markdown is needed than this.
fn items(document: &str, heading: &str) -> String {
    let under = document.split("\n## ").find(|it| it.starts_with(heading));
    let list = under
        .and_then(|it| it.split_once("\n- "))
        .map_or("", |it| it.1);
    let items = list.split("\n- ").map(|item| {
        let words = item.split_whitespace().collect::<Vec<_>>().join(" ");
        let parts = words.split('`').enumerate().map(|(place, part)| {
            if place % 2 == 1 {
                format!("<code>{}</code>", escape(part))
            } else {
                escape(part)
            }
        });
        format!("<li>{}</li>", parts.collect::<String>())
    });
    items.collect()
}

fn median(spread: Option<Spread>) -> f64 {
    spread.map_or(0.0, |it| it.median)
}

fn range(spread: Option<Spread>, decimals: usize) -> String {
    let Some(Spread { median, min, max }) = spread else {
        return "–".to_owned();
    };
    format!("{median:.decimals$} <small>({min:.decimals$}–{max:.decimals$})</small>")
}

fn millis(us: f64) -> String {
    if us < 1e3 {
        return format!("{us:.0} µs");
    }
    format!("{:.1} ms", us / 1e3)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_stands_alone_and_says_who_took_no_part() {
        let page = page(&super::super::summary::tests::report(0));
        for fetched in ["<script", "src=", "href=", "url(", "@import"] {
            assert!(!page.contains(fetched), "{fetched}");
        }
        assert!(page.contains("varnish was not installed"), "{page}");
        assert!(
            page.contains("<tr><th>nginx</th><td>0.95×</td></tr>"),
            "{page}"
        );
    }

    #[test]
    fn the_rules_of_fairness_are_on_the_page() {
        for heading in ["Equal for everybody", "Not equal, and why"] {
            let items = items(RULES, heading);
            assert!(items.matches("<li>").count() > 2, "{heading}: {items}");
        }
    }

    #[test]
    fn an_item_may_go_over_lines_and_hold_code() {
        let document = "# A\n\n## One\n\n- a\n  b `c<d`\n- e\n\n## Two\n\n- f\n";
        assert_eq!(
            items(document, "One"),
            "<li>a b <code>c&lt;d</code></li><li>e</li>"
        );
    }
}
