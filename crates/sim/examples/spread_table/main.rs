//! Measures how updates spread, with the real protocol core in a simulated cluster; prints the
//! tables of docs/spread.md.

mod args;
mod burst;
mod meter;
mod methods;
mod tree;
mod trial;

use args::Args;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = match Args::read(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(error) => {
            eprintln!("{error}\n\n{}", args::HELP);
            return ExitCode::from(2);
        }
    };
    let done = match args.table.as_str() {
        "tree" => tree::table(&args),
        "mail" => methods::mail(&args),
        "rumor" => methods::rumor(&args),
        "entropy" => methods::entropy(&args),
        "burst" => burst::table(&args),
        _ => {
            eprintln!("there is no table {}\n\n{}", args.table, args::HELP);
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(violation) => {
            eprintln!("{violation}");
            ExitCode::FAILURE
        }
    }
}
