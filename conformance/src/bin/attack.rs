//! Attacks a server of ours, with honest clients beside it, and prints what the attack came to.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use oap_conformance::attacks::{Attack, Measure};
use oap_conformance::faults;
use oap_conformance::suite::Kind;

/// Attacks of the flood family against a server in a process of its own.
#[derive(Parser)]
struct Arguments {
    /// Lists the attacks.
    #[arg(long)]
    list: bool,
    /// One attack by its name; without it all of them, one after the other.
    #[arg(long)]
    attack: Option<String>,
    /// Units of the attack at least: START+CANCEL pairs, frames, bytes, as the list says.
    #[arg(long, default_value_t = 10_000)]
    count: u64,
    /// Rounds at least; each has a part without attack, one with the attack on another server and
    /// one with the attack on this one.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Milliseconds of each part.
    #[arg(long, default_value_t = 500)]
    part: u64,
    /// The server's stack: tokio, tokio-current, smol or blocking.
    #[arg(long, default_value = "tokio")]
    stack: String,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Subcommand)]
enum Role {
    /// Plays a part in another process' test.
    #[command(hide = true)]
    Peer {
        /// The role and its arguments.
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("attack: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), String> {
    if let Some(Role::Peer { arguments }) = arguments.role {
        return faults::run(&arguments);
    }
    if arguments.list {
        for attack in Attack::ALL {
            println!(
                "{:16} {} (counts {})",
                attack.name, attack.what, attack.unit
            );
        }
        return Ok(());
    }
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let measure = Measure {
        program: program.to_str().ok_or("the program's path is not UTF-8")?,
        kind: Kind::from_id(&arguments.stack).ok_or("--stack: is not one of the suite's")?,
        count: arguments.count,
        rounds: arguments.rounds.max(1),
        part: Duration::from_millis(arguments.part),
    };
    let attacks = match arguments.attack {
        Some(name) => vec![Attack::named(&name).ok_or(format!("{name}: see --list"))?],
        None => Attack::ALL.to_vec(),
    };
    for attack in attacks {
        println!("{}", measure.run(attack));
    }
    Ok(())
}
