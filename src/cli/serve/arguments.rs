//! The command line of `eric serve`, made of the table of settings, and what was given there.

use std::{ffi::OsString, path::PathBuf};

use clap::{Arg, ArgMatches, Command, builder::OsStringValueParser, parser::ValueSource, value_parser};

use super::super::context::Connection;
use crate::config::{self, Config, Faults, Given, Origin, SETTINGS, Setting};

/// What flags and variables gave, unread: faults are told all at once, with those of the file.
pub(in crate::cli) struct Serve {
    file: Option<(PathBuf, Origin)>,
    given: Vec<Given>,
}

impl Serve {
    /// The configuration of all layers.
    pub(super) fn load(self) -> Result<Config, Faults> {
        let file = self.file.as_ref().map(|(path, named_by)| (path.as_path(), named_by));
        config::load(file, self.given)
    }
}

const CONFIG: &str = "config";
const CONFIG_VARIABLE: &str = "ERIC_CONFIG";

const LAYERS: &str = "\
A flag overrides its variable, the variable the file, the file the default. The file is TOML, one key a setting, \
without tables:

    listen = \"0.0.0.0:50051\"
    max_payload_bytes = \"4MiB\"
    drain_deadline = \"30s\"

All faults are told at once; then the status is 2. It is 1 if the server cannot start, or if open calls had to be \
cut at the drain deadline.";

impl clap::Args for Serve {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new(CONFIG)
            .long(CONFIG)
            .env(CONFIG_VARIABLE)
            .value_name("PATH")
            .value_parser(value_parser!(PathBuf))
            .help("A TOML file of settings");
        let others = Connection::out_of_sight(false);
        command.arg(config).args(SETTINGS.iter().map(argument)).args(others).after_long_help(LAYERS)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn argument(setting: &'static Setting) -> Arg {
    let default = setting.of(&mut Config::default());
    let summary = setting.about.split_inclusive(". ").next().unwrap_or_default().trim_end_matches(['.', ' ']);
    Arg::new(setting.name)
        .long(setting.flag())
        .env(setting.variable())
        // `ways` tells it
        .hide_env(true)
        .value_name(setting.placeholder())
        // not text yet: what is not Unicode is a fault like another
        .value_parser(OsStringValueParser::new())
        .allow_negative_numbers(true)
        .help(format!("{summary} [default: {default}]"))
        .long_help(format!("{}\nAccepts {}.\n{}", setting.about, setting.expected(), ways(setting, &default)))
}

fn ways(setting: &Setting, default: &str) -> String {
    format!("[default: {default}] [env: {}] [file: {}]", setting.variable(), setting.name)
}

impl clap::FromArgMatches for Serve {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let path = matches.get_one::<PathBuf>(CONFIG).cloned();
        let file = path.zip(origin(matches, CONFIG, CONFIG.to_owned(), CONFIG_VARIABLE.to_owned()));
        Ok(Self { file, given: SETTINGS.iter().filter_map(|setting| given(matches, setting)).collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn given(matches: &ArgMatches, setting: &'static Setting) -> Option<Given> {
    let text = matches.get_one::<OsString>(setting.name)?.to_string_lossy().into_owned();
    let origin = origin(matches, setting.name, setting.flag(), setting.variable())?;
    Some(Given { setting, text, origin })
}

/// None where nobody gave it.
fn origin(matches: &ArgMatches, id: &str, flag: String, variable: String) -> Option<Origin> {
    let source = matches.value_source(id)?;
    // there is no third: defaults lie below the file, so the command line has none
    Some(if source == ValueSource::EnvVariable { Origin::Variable(variable) } else { Origin::Flag(flag) })
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches as _};

    use super::*;

    fn command() -> Command {
        Serve::augment_args(Command::new("serve"))
    }

    fn parse(arguments: &[&str]) -> Serve {
        let matches = command().get_matches_from([&["serve"], arguments].concat());
        Serve::from_arg_matches(&matches).unwrap()
    }

    #[test]
    fn the_long_help_tells_all_of_every_setting() {
        let help = command().term_width(0).render_long_help().to_string();
        for setting in &SETTINGS {
            let flag = format!("--{} <{}>", setting.flag(), setting.placeholder());
            let section = help.split("\n\n").find(|section| section.contains(&flag)).unwrap();
            let ways = ways(setting, &setting.of(&mut Config::default()));
            for part in [setting.about, &setting.expected(), &ways] {
                assert!(section.contains(part), "{part:?} in {section}");
            }
        }
    }

    #[test]
    fn a_flag_sets_its_setting() {
        let config = parse(&["--max-streams", "5", "--listen", "[::]:0"]).load().unwrap();
        assert_eq!(config, Config { max_streams: 5, listen: "[::]:0".parse().unwrap(), ..Config::default() });
    }

    #[test]
    fn every_faulty_flag_is_told() {
        let faults =
            parse(&["--max-streams", "-5", "--workers", "all", "--config", "/nowhere"]).load().unwrap_err();
        let told = faults.to_string();
        for start in [
            "3 faults in the configuration:",
            "  /nowhere of --config: ",
            "  workers = \"all\" in --workers: ",
            "  max_streams = \"-5\" in --max-streams: ",
        ] {
            assert!(told.lines().any(|line| line.starts_with(start)), "{start:?} in {told}");
        }
    }
}
