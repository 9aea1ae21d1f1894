//! The `tollgate` binary: one thin file per verb.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;

mod log;
mod operator;
mod serve;
mod tour;
mod verb;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// An edge gateway for services that move money.
#[derive(Debug, Parser)]
#[command(name = "tollgate", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run everything in one process, on loopback: the gateway and the pay services behind it
    Up(verb::up::Up),
    /// Run the gateway
    Gateway(verb::gateway::Gateway),
    /// Run the identity provider
    Idp(verb::idp::Idp),
    /// Run the composer by itself, which asks nobody who they are: services are shown what clients bring
    Composer(verb::composer::Composer),
    /// Issue, inspect and revoke single tokens
    Token(verb::token::Token),
    /// Create, list and disable those who may sign in
    User(verb::user::User),
    /// Register, list and disable applications
    Client(verb::client::Client),
    /// Put a server under load as a scenario says, and write a report
    Load(verb::load::Load),
    /// Check a configuration file: every problem in one run; starts nothing
    Check(verb::check::Check),
    /// Say what a composed answer is made of and what it costs; starts nothing
    Explain(verb::explain::Explain),
    /// Print the JSON Schema of the configuration file
    Schema(verb::schema::Schema),
}

fn main() -> ExitCode {
    let result = match Cli::parse().verb {
        Verb::Up(up) => up.run(),
        Verb::Gateway(gateway) => gateway.run(),
        Verb::Idp(idp) => idp.run(),
        Verb::Composer(composer) => composer.run(),
        Verb::Explain(explain) => explain.run(),
        Verb::Token(token) => token.run(),
        Verb::User(user) => user.run(),
        Verb::Client(client) => client.run(),
        Verb::Load(load) => load.run(),
        Verb::Check(check) => check.run(),
        Verb::Schema(schema) => schema.run(),
    };
    result.unwrap_or_else(|error| {
        verb::complain(&error);
        ExitCode::FAILURE
    })
}
