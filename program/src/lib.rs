//! The program `sharekan`: the library's steps by name, over files, and what measures and compares them.
#![allow(unreachable_pub, reason = "in a program `pub` is what a module has for the other modules")]

mod bench;
mod cli;
mod parallel;
mod pipeline;
mod report;
mod study;
mod video;

/// Runs the command that the arguments name. Never panics on what a user gives it.
pub fn main() -> std::process::ExitCode {
    cli::main()
}
