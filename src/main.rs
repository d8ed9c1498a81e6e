//! The program `sharekan`: the library's steps by name, over files.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
