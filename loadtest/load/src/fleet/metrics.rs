//! What a process counts of itself.

use std::net::SocketAddr;

use crate::bench::BenchError;
use crate::closed::{Load, Request};

/// The sum of the rows whose names begin so, as whole numbers.
pub(crate) async fn sum(admin: SocketAddr, beginning: &str) -> Result<u64, BenchError> {
    let asked = Load::new(admin, Request::get("/metrics")).ask().await;
    let answer = asked.map_err(|failure| BenchError::WrongAnswer {
        name: "the metrics",
        tally: failure.to_string(),
    })?;
    Ok(add_up(&String::from_utf8_lossy(&answer.body), beginning))
}

fn add_up(text: &str, beginning: &str) -> u64 {
    let rows = text.lines().filter(|line| line.starts_with(beginning));
    let whole = |line: &str| {
        let value = line.rsplit_once(' ')?.1;
        value.split('.').next()?.parse::<u64>().ok()
    };
    rows.filter_map(whole).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_added_up_by_their_beginning() {
        let text = "# HELP a_total x\na_total{b=\"1\"} 2\na_total{b=\"2\"} 3.0\na_other 9\n";
        assert_eq!(add_up(text, "a_total"), 5);
        assert_eq!(add_up(text, "a_total{b=\"2\""), 3);
        assert_eq!(add_up(text, "c"), 0);
    }
}
