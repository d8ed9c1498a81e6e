//! The program `sharekan`.

fn main() -> std::process::ExitCode {
    sharekan_program::main()
}
