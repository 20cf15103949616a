//! How a setting is written: counts, bytes, times, addresses and the two words about the log.

use std::{net::SocketAddr, path::PathBuf, str::FromStr as _, time::Duration};

use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use super::{GIB, KIB, LogFormat, MIB};

/// A kind of value: what stands for it in the help, what it is called in an error, and its text form.
pub(crate) struct Unit<T> {
    pub(crate) placeholder: &'static str,
    pub(crate) name: &'static str,
    pub(crate) read: fn(&str) -> Option<T>,
    /// What `read` understands, so that a default can be copied from the help.
    pub(crate) write: fn(&T) -> String,
}

pub(crate) static ADDRESS: Unit<SocketAddr> = Unit {
    placeholder: "ADDRESS",
    name: "an IP address and a port, such as 127.0.0.1:50051 or [::]:50051",
    read: |text| text.parse().ok(),
    write: SocketAddr::to_string,
};

pub(crate) static ADDRESS_OR_OFF: Unit<Option<SocketAddr>> = Unit {
    placeholder: "ADDRESS",
    name: "an IP address and a port, such as 127.0.0.1:8080 or [::]:8080, or off",
    read: |text| if text == "off" { Some(None) } else { (ADDRESS.read)(text).map(Some) },
    write: |address| address.as_ref().map_or_else(|| "off".to_owned(), ADDRESS.write),
};

pub(crate) static ORIGINS: Unit<Vec<String>> = Unit {
    placeholder: "ORIGINS",
    name: "origins with commas between, such as https://app.example,http://localhost:3000, or *, or none",
    read: |text| match text {
        "none" => Some(Vec::new()),
        "*" => Some(vec!["*".to_owned()]),
        text => text.split(',').map(origin).collect(),
    },
    write: |origins| if origins.is_empty() { "none".to_owned() } else { origins.join(",") },
};

/// As browsers write it: a scheme, a host, and a port that is not the scheme's own.
fn origin(text: &str) -> Option<String> {
    let text = text.trim();
    let uri: http::Uri = text.parse().ok()?;
    let origin = format!("{}://{}", uri.scheme_str()?, uri.authority()?);
    (text == origin && text == text.to_ascii_lowercase()).then_some(origin)
}

pub(crate) static COUNT: Unit<usize> = Unit {
    placeholder: "COUNT",
    name: "a whole number",
    read: |text| usize::try_from(whole(text)?).ok(),
    write: |count| grouped(*count as u64),
};

pub(crate) static BYTES: Unit<u64> = Unit {
    placeholder: "BYTES",
    name: "bytes, such as 65_536, 64KiB, 4MiB or 1GiB",
    read: bytes,
    write: sized,
};

/// No machine has it, and sums of sizes stay far from the end of a `u64`.
const PIB: u64 = 1 << 50;
/// What follows from something else where it is not said.
const AUTO: &str = "auto";

pub(crate) static LOG_BYTES: Unit<Option<u64>> = Unit {
    placeholder: "BYTES",
    name: "auto, or bytes up to 1PiB, such as 64MiB or 1GiB",
    read: |text| if text == AUTO { Some(None) } else { bytes(text).filter(|size| *size <= PIB).map(Some) },
    write: |size| size.as_ref().map_or_else(|| AUTO.to_owned(), sized),
};

const A_PATH: Unit<Option<PathBuf>> = Unit {
    placeholder: "PATH",
    name: "a path, or none",
    read: |text| match text {
        "" => None,
        "none" => Some(None),
        path => Some(Some(path.into())),
    },
    write: |path| path.as_ref().map_or_else(|| "none".to_owned(), |path| path.display().to_string()),
};

pub(crate) static PATH: Unit<Option<PathBuf>> = A_PATH;

pub(crate) static DIRECTORY: Unit<Option<PathBuf>> = Unit { placeholder: "DIRECTORY", ..A_PATH };

pub(crate) static SYNC: Unit<Duration> = Unit {
    placeholder: "TIME",
    name: "always, or a time with its unit, such as 20ms or 1s",
    read: |text| if text == "always" { Some(Duration::ZERO) } else { (TIME.read)(text) },
    write: |time| if time.is_zero() { "always".to_owned() } else { (TIME.write)(time) },
};

pub(crate) static TIME: Unit<Duration> = Unit {
    placeholder: "TIME",
    name: "a time with its unit, such as 500ms, 10s or 1m30s",
    read: |text| humantime::parse_duration(text).ok(),
    write: |time| humantime::format_duration(*time).to_string().replace(' ', ""),
};

pub(crate) static LOG_FORMAT: Unit<LogFormat> = Unit {
    placeholder: "FORMAT",
    name: "text or json",
    read: |text| match text {
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        _ => None,
    },
    write: |format| match format {
        LogFormat::Text => "text".to_owned(),
        LogFormat::Json => "json".to_owned(),
    },
};

pub(crate) static LOG_FILTER: Unit<String> = Unit {
    placeholder: "FILTER",
    name: "off, error, warn, info, debug or trace, or directives such as info,eric::hub=debug",
    read: |text| log_filter(text).map(|_| text.to_owned()),
    write: String::clone,
};

/// Reads filter directives. A bare word that is no level is refused: `tracing` would take `inof` for a module
/// and silence all others.
pub(crate) fn log_filter(directives: &str) -> Option<EnvFilter> {
    let clear =
        |part: &str| part.contains(['=', '[']) || (!part.is_empty() && LevelFilter::from_str(part).is_ok());
    let parsed = EnvFilter::builder().parse(directives).ok()?;
    directives.split(',').all(clear).then_some(parsed)
}

/// Underscores may stand between digits, as in TOML.
fn whole(text: &str) -> Option<u64> {
    let digits = text.split('_');
    let sound =
        digits.clone().all(|group| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit()));
    sound.then(|| digits.collect::<String>())?.parse().ok()
}

const SIZES: [(&str, u64); 4] = [("TiB", 1024 * GIB), ("GiB", GIB), ("MiB", MIB), ("KiB", KIB)];

fn bytes(text: &str) -> Option<u64> {
    let suffixed = SIZES.iter().find_map(|(suffix, size)| Some((text.strip_suffix(suffix)?, *size)));
    let (number, size) = suffixed.unwrap_or((text, 1));
    whole(number.trim_end())?.checked_mul(size)
}

fn sized(bytes: &u64) -> String {
    match SIZES.iter().find(|(_, size)| *bytes > 0 && bytes.is_multiple_of(*size)) {
        Some((suffix, size)) => format!("{}{suffix}", grouped(bytes / size)),
        None => grouped(*bytes),
    }
}

/// 1024, but 10_000.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    if digits.len() <= 4 {
        return digits;
    }
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups: Vec<&str> = groups.map(|group| str::from_utf8(group).expect("digits are ASCII")).collect();
    groups.join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_plain_or_have_a_binary_suffix() {
        for (text, expected) in [
            ("0", Some(0)),
            ("65_536", Some(65_536)),
            ("64KiB", Some(64 * KIB)),
            ("4 MiB", Some(4 * MIB)),
            ("1GiB", Some(GIB)),
            ("4MB", None),
            ("4 mib", None),
            ("MiB", None),
            ("-1", None),
            ("+1", None),
            ("1.5MiB", None),
            ("20000000000GiB", None),
            ("1__0", None),
            ("", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        for size in [0, 1, 999, 1000, 1023, KIB, 1_048_577, 4 * MIB, GIB, 1024 * 1024 * GIB] {
            assert_eq!(bytes(&sized(&size)), Some(size), "{}", sized(&size));
        }
        assert_eq!(grouped(1_000_000), "1_000_000");
        assert_eq!((TIME.write)(&Duration::from_secs(90)), "1m30s");
        assert_eq!((TIME.read)("1m30s"), Some(Duration::from_secs(90)));
    }

    #[test]
    fn an_origin_is_what_a_browser_sends_and_nothing_beyond() {
        let read = |text: &str| (ORIGINS.read)(text);
        assert_eq!(read("none"), Some(Vec::new()));
        assert_eq!(read("*"), Some(vec!["*".to_owned()]));
        let two = read("https://app.example, http://localhost:3000").unwrap();
        assert_eq!(two, ["https://app.example", "http://localhost:3000"]);
        assert_eq!((ORIGINS.read)(&(ORIGINS.write)(&two)), Some(two));
        for bad in [
            "",
            "app.example",
            "https://app.example/",
            "HTTPS://app.example",
            "https://a,",
            "https://a,*",
            "null",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_time_has_its_unit() {
        assert_eq!((TIME.read)("500ms"), Some(Duration::from_millis(500)));
        assert_eq!((TIME.read)("0"), Some(Duration::ZERO));
        assert_eq!((TIME.read)("10"), None);
        assert_eq!((TIME.read)("-1s"), None);
    }

    #[test]
    fn a_filter_names_levels_or_targets_with_levels() {
        for good in ["info", "OFF", "warn,eric::hub=debug", "[request{id}]=trace"] {
            assert!(log_filter(good).is_some(), "{good}");
        }
        for bad in ["inof", "", "info,", "eric=loud", "eric"] {
            assert!(log_filter(bad).is_none(), "{bad}");
        }
    }
}
