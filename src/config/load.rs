//! The layers: defaults, then the file, then what the command line and its variables gave; faults of all of them.

use std::path::Path;

use super::{
    Config,
    fault::{Fault, Faults, Origin},
    file,
    given::Given,
    settings::Setting,
};

/// Makes one configuration of the file, if there is one, and of what was `given` above it.
///
/// A value in the file is checked even where a flag or a variable overrides it: a file that is wrong stays wrong.
pub(crate) fn load(file: Option<(&Path, &Origin)>, given: Vec<Given>) -> Result<Config, Faults> {
    let mut faults = Faults::default();
    let mut layers = file.map(|(path, named_by)| file::read(path, named_by, &mut faults)).unwrap_or_default();
    layers.extend(given);

    let mut config = Config::default();
    let is_sound = |given: &Given| apply(given, &mut config).map_err(|fault| faults.0.push(fault)).is_ok();
    let (sound, faulty): (Vec<_>, Vec<_>) = layers.into_iter().partition(is_sound);
    faults.0.extend(misfits(&mut config, &sound, &faulty));
    if faults.0.is_empty() { Ok(config) } else { Err(faults) }
}

fn apply(given: &Given, config: &mut Config) -> Result<(), Fault> {
    if given.setting.set(config, &given.text) {
        return Ok(());
    }
    Err(Fault::Value {
        name: given.setting.name,
        text: given.text.clone(),
        origin: given.origin.clone(),
        expected: given.setting.expected(),
    })
}

/// Two limits that are sound alone and senseless together.
struct Fit {
    small: &'static str,
    large: &'static str,
    why: &'static str,
    is_broken: fn(&Config) -> bool,
}

const FITS: [Fit; 2] = [
    Fit {
        small: "max_batch_bytes",
        large: "max_payload_bytes",
        why: "no batch could carry the largest message",
        is_broken: |config| config.max_batch_bytes < config.max_payload_bytes,
    },
    Fit {
        small: "max_log_bytes",
        large: "max_payload_bytes",
        why: "the log could not hold the largest message",
        is_broken: |config| (1..config.max_payload_bytes).contains(&config.max_log_bytes_in_force()),
    },
];

fn misfits(config: &mut Config, sound: &[Given], faulty: &[Given]) -> Vec<Fault> {
    // where one of the two is faulty its default stands in, of which nobody should hear
    let is_faulty = |name| faulty.iter().any(|given| given.setting.name == name);
    let mut misfits = Vec::new();
    for Fit { small, large, why, is_broken } in FITS {
        if is_broken(config) && !is_faulty(small) && !is_faulty(large) {
            let [small, large] = [small, large].map(|name| in_force(name, config, sound));
            misfits.push(Fault::Misfit { small, large, why });
        }
    }
    misfits
}

/// A setting with its value and where that came from.
fn in_force(name: &'static str, config: &mut Config, sound: &[Given]) -> String {
    let setting = Setting::named(name).expect("the names in FITS are in the table");
    let value = setting.of(config);
    match sound.iter().rev().find(|given| given.setting.name == name) {
        Some(given) => format!("{name} = {value} in {}", given.origin),
        None => format!("{name} = {value} by default"),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use tempfile::TempDir;

    use super::*;

    /// Keeps the folder alive, and the path with it.
    fn file(text: &str) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("eric.toml");
        fs::write(&path, text).unwrap();
        (folder, path)
    }

    fn flag(name: &str, text: &str) -> Given {
        let setting = Setting::named(name).unwrap();
        Given { setting, text: text.to_owned(), origin: Origin::Flag(setting.flag()) }
    }

    fn named_by() -> Origin {
        Origin::Variable("ERIC_CONFIG".to_owned())
    }

    /// The lines of the report, with the folder of the file taken away.
    fn faults(text: &str, given: Vec<Given>) -> Vec<String> {
        let (folder, path) = file(text);
        let faults = load(Some((&path, &named_by())), given).unwrap_err();
        let folder = format!("{}/", folder.path().display());
        faults.0.iter().map(|fault| fault.to_string().replace(&folder, "")).collect()
    }

    #[test]
    fn nothing_given_is_the_default() {
        assert_eq!(load(None, Vec::new()).unwrap(), Config::default());
    }

    #[test]
    fn what_is_given_overrides_the_file_and_the_file_the_default() {
        let (_folder, path) = file("workers = 3\nmax_streams = 7\nlog_format = \"json\"\n");
        let config = load(Some((&path, &named_by())), vec![flag("max_streams", "8")]).unwrap();
        let expected = Config {
            workers: 3,
            max_streams: 8,
            log_format: crate::config::LogFormat::Json,
            ..Config::default()
        };
        assert_eq!(config, expected);
    }

    #[test]
    fn every_fault_is_told_with_its_setting_and_its_place() {
        let text = "max_streams = \"many\"\nmax_stream = 5\nworkers = 0\nlisten = localhost\n";
        let given = vec![flag("drain_deadline", "10"), flag("log_level", "inof")];
        let told = faults(text, given);
        assert_eq!(told.len(), 6, "{told:#?}");
        assert!(told[0].starts_with("eric.toml, line 4: not TOML: "), "{told:#?}");
        assert_eq!(
            told[1..],
            [
                "max_stream in eric.toml, line 2: no such setting; did you mean max_streams?",
                "max_streams = \"many\" in eric.toml, line 1: expected a whole number, from 1 to 1_000_000",
                "workers = \"0\" in eric.toml, line 3: expected a whole number, from 1 to 1024",
                "drain_deadline = \"10\" in --drain-deadline: expected a time with its unit, such as 500ms, 10s or \
                 1m30s, from 0s to 1h",
                "log_level = \"inof\" in --log-level: expected off, error, warn, info, debug or trace, or directives \
                 such as info,eric::hub=debug",
            ]
        );
    }

    #[test]
    fn a_fault_in_the_file_is_told_even_where_a_flag_overrides_it() {
        let told = faults("max_streams = -1\n", vec![flag("max_streams", "8")]);
        assert_eq!(
            told,
            ["max_streams = \"-1\" in eric.toml, line 1: expected a whole number, from 1 to 1_000_000"]
        );
    }

    #[test]
    fn a_file_that_cannot_be_read_is_one_fault_among_others() {
        let missing = PathBuf::from("/nowhere/eric.toml");
        let faults = load(Some((&missing, &named_by())), vec![flag("workers", "no")]).unwrap_err();
        let told = faults.to_string();
        assert!(
            told.starts_with("2 faults in the configuration:\n  /nowhere/eric.toml of ERIC_CONFIG: "),
            "{told}"
        );
        assert!(told.contains("\n  workers = \"no\" in --workers: "), "{told}");
    }

    #[test]
    fn limits_that_do_not_fit_are_told_together() {
        let told = faults("max_batch_bytes = \"512KiB\"\nmax_log_bytes = 5\n", Vec::new());
        assert_eq!(
            told,
            [
                "max_batch_bytes = 512KiB in eric.toml, line 1: must not be below max_payload_bytes = 1MiB by default: \
                 no batch could carry the largest message",
                "max_log_bytes = 5 in eric.toml, line 2: must not be below max_payload_bytes = 1MiB by default: the \
                 log could not hold the largest message",
            ]
        );
    }

    #[test]
    fn a_faulty_limit_is_not_told_again_for_its_default() {
        let told = faults("max_batch_bytes = \"512KiB\"\nmax_payload_bytes = \"64kb\"\n", Vec::new());
        assert_eq!(told.len(), 1, "{told:#?}");
    }

    #[test]
    fn a_log_without_limit_holds_every_message() {
        assert!(load(None, vec![flag("max_log_bytes", "0")]).is_ok());
    }
}
