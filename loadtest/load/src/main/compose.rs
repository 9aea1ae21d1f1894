//! The flags of `load bench compose`.

use clap::Args;
use load::bench::ComposeOptions;

use super::Common;

#[derive(Debug, Args)]
pub(super) struct Compose {
    /// Times every way is measured, in turn.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Composed answers in a round.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(10..))]
    answers: u32,
    #[command(flatten)]
    common: Common,
}

impl From<Compose> for ComposeOptions {
    fn from(given: Compose) -> Self {
        Self {
            rounds: given.rounds,
            answers: given.answers,
            tollgate: given.common.tollgate,
            out: given.common.out,
        }
    }
}
