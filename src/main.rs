//! The `eric` command.

fn main() -> std::process::ExitCode {
    eric::cli::run()
}
