//! The `pgweave` binary: exit codes, and nothing else.

fn main() -> std::process::ExitCode {
    pgweave::cli::main().into()
}
