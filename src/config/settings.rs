//! The one table of settings: flags, variables, file keys, help, ranges and defaults all follow from it.

use std::time::Duration;

use super::{
    Config, GIB, MIB,
    units::{
        ADDRESS, ADDRESS_OR_OFF, BYTES, COUNT, DIRECTORY, LOG_BYTES, LOG_FILTER, LOG_FORMAT, ORIGINS, PATH,
        SYNC, TIME, Unit,
    },
};

/// One setting.
pub(crate) struct Setting {
    /// The key in the file; flag and variable follow from it.
    pub(crate) name: &'static str,
    /// What it is, in sentences; the first alone stands in the short help.
    pub(crate) about: &'static str,
    value: &'static dyn Value,
}

pub(crate) static SETTINGS: [Setting; 23] = [
    Setting {
        name: "listen",
        about: "The address to serve on. Port 0 takes any free one. There is no TLS and no authentication: whoever \
                reaches the address may send and receive.",
        value: &Of { unit: &ADDRESS, range: None, off: None, at: |config| &mut config.listen },
    },
    Setting {
        name: "http",
        about: "The address to serve HTTP on, for browsers and scripts: JSON, Server-Sent Events, and gRPC and gRPC-Web beside \
                them. Port 0 takes any free one, \"off\" has none. Who reaches it may send and receive, as by listen.",
        value: &Of { unit: &ADDRESS_OR_OFF, range: None, off: None, at: |config| &mut config.http },
    },
    Setting {
        name: "cors_origin",
        about: "Whose pages may use HTTP from a browser, beside those that come from the server itself. \"*\" lets every page \
                that a browser here has open send and receive. Where http is on loopback, a request must name localhost, an \
                address or the host of one of these as its host: a proxy on this machine that passes a public name on needs \
                the public origin here.",
        value: &Of { unit: &ORIGINS, range: None, off: None, at: |config| &mut config.cors_origin },
    },
    Setting {
        name: "socket",
        about: "The path of a Unix socket for clients of eric-sse, beside the address. Its file has mode 0600, so whoever \
                runs the server may connect; it is removed at the end, and what a server that was killed has left there \
                is replaced.",
        value: &Of { unit: &PATH, range: None, off: None, at: |config| &mut config.socket },
    },
    Setting {
        name: "data_dir",
        about: "A directory that keeps channels, listeners, messages and their places over the end of the process. It is \
                made where it is missing; one server at a time has it. Without one everything stays in memory, and ends \
                with the process.",
        value: &Of { unit: &DIRECTORY, range: None, off: None, at: |config| &mut config.data_dir },
    },
    Setting {
        name: "sync",
        about: "When accepted means on disk. With \"always\" what was answered is there after a power cut; with a time \
                what was accepted in as much of it may be lost then, though not when only the process ends. It counts \
                with data_dir alone.",
        value: &Of {
            unit: &SYNC,
            range: Some((Duration::from_millis(1), HOUR)),
            off: Some((Duration::ZERO, "nothing lost")),
            at: |config| &mut config.sync,
        },
    },
    Setting {
        name: "cache_bytes",
        about: "What of the messages in data_dir is held in memory, too. Listeners that are further behind are served \
                from disk.",
        value: &Of {
            unit: &BYTES,
            range: Some((MIB, 1024 * GIB)),
            off: None,
            at: |config| &mut config.cache_bytes,
        },
    },
    Setting {
        name: "workers",
        about: "Threads that serve, by default as many as cores. Each has connections of its own.",
        value: &count(1, 1024, |config| &mut config.workers),
    },
    Setting {
        name: "drain_deadline",
        about: "How long open calls may take to end after SIGTERM or SIGINT. Then they are cut; a second signal cuts at \
                once.",
        value: &Of {
            unit: &TIME,
            range: Some((Duration::ZERO, HOUR)),
            off: None,
            at: |config| &mut config.drain_deadline,
        },
    },
    Setting {
        name: "keep_alive_interval",
        about: "Time between HTTP/2 pings on a connection. Where http is served it is also how long a connection has nothing to \
                say before the system asks (TCP keep-alive).",
        value: &Of {
            unit: &TIME,
            range: Some((SECOND, HOUR)),
            off: Some((Duration::ZERO, "no pings")),
            at: |config| &mut config.keep_alive_interval,
        },
    },
    Setting {
        name: "keep_alive_timeout",
        about: "How long the answer to a ping may take. Then the connection is closed. So is one of http that has taken nothing \
                of what it was sent for this and keep_alive_interval together.",
        value: &Of {
            unit: &TIME,
            range: Some((SECOND, HOUR)),
            off: None,
            at: |config| &mut config.keep_alive_timeout,
        },
    },
    Setting {
        name: "header_timeout",
        about: "How long a new connection may take to begin its first request. Then it is closed. By HTTP/1.1 that goes for \
                each request's head, so it also closes a connection that is idle between requests; on the socket all of the \
                request has to come meanwhile.",
        value: &Of {
            unit: &TIME,
            range: Some((SECOND, HOUR)),
            off: None,
            at: |config| &mut config.header_timeout,
        },
    },
    Setting {
        name: "max_connections",
        about: "Open connections.",
        value: &count(1, 1_000_000, |config| &mut config.max_connections),
    },
    Setting {
        name: "max_payload_bytes",
        about: "The payload of one message. Beyond it: refused, reason MESSAGE_TOO_LARGE. It must fit into \
                max_batch_bytes and max_log_bytes.",
        value: &Of {
            unit: &BYTES,
            range: Some((1, GIB)),
            off: None,
            at: |config| &mut config.max_payload_bytes,
        },
    },
    Setting {
        name: "max_batch_messages",
        about: "Publications in one batch. Beyond it: refused, reason BATCH_TOO_LARGE.",
        value: &count(1, 65_536, |config| &mut config.max_batch_messages),
    },
    Setting {
        name: "max_batch_bytes",
        about: "The encoded size of one batch. Beyond it: refused, reason BATCH_TOO_LARGE. Bodies of HTTP that are on their way \
                hold together 64 times as much and 64MiB at most; beyond it: refused, reason REQUEST_LIMIT.",
        value: &Of {
            unit: &BYTES,
            range: Some((1, GIB)),
            off: None,
            at: |config| &mut config.max_batch_bytes,
        },
    },
    Setting {
        name: "max_channels",
        about: "Channels. Beyond it: refused, reason CHANNEL_LIMIT.",
        value: &count(1, 10_000_000, |config| &mut config.max_channels),
    },
    Setting {
        name: "max_listeners",
        about: "Listeners in all channels together. Beyond it: refused, reason LISTENER_LIMIT.",
        value: &count(1, 100_000_000, |config| &mut config.max_listeners),
    },
    Setting {
        name: "max_streams",
        about: "Open Listen and Watch streams. Beyond it: refused, reason STREAM_LIMIT.",
        value: &count(1, 1_000_000, |config| &mut config.max_streams),
    },
    Setting {
        name: "max_log_bytes",
        about: "What the log of messages may hold; by itself 1GiB in memory, and no limit with data_dir. At it, replay windows go first, then the oldest broadcasts of \
                channels that drop their oldest; where that frees nothing: refused, reason LOG_FULL.",
        value: &Of {
            unit: &LOG_BYTES,
            range: None,
            off: Some((Some(0), "no limit")),
            at: |config| &mut config.max_log_bytes,
        },
    },
    Setting {
        name: "max_idempotency_bytes",
        about: "What the memory of accepted ids may take: by it a message that is sent again under its id is accepted \
                once. Beyond it the oldest are forgotten before their time, which the server's own log tells.",
        value: &Of {
            unit: &BYTES,
            range: Some((MIB, 64 * GIB)),
            off: Some((0, "none")),
            at: |config| &mut config.max_idempotency_bytes,
        },
    },
    Setting {
        name: "log_format",
        about: "The form of the server's own log on stderr. Text is coloured on a terminal, unless NO_COLOR is set.",
        value: &Of { unit: &LOG_FORMAT, range: None, off: None, at: |config| &mut config.log_format },
    },
    Setting {
        name: "log_level",
        about: "What the server's own log tells. Payloads are never logged.",
        value: &Of { unit: &LOG_FILTER, range: None, off: None, at: |config| &mut config.log_level },
    },
];

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

impl Setting {
    /// The setting with this key in the file.
    pub(crate) fn named(name: &str) -> Option<&'static Setting> {
        SETTINGS.iter().find(|setting| setting.name == name)
    }

    /// Its flag, without the dashes in front.
    pub(crate) fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// Its environment variable.
    pub(crate) fn variable(&self) -> String {
        format!("ERIC_{}", self.name.to_ascii_uppercase())
    }

    /// What stands for its value in the help.
    pub(crate) fn placeholder(&self) -> &'static str {
        self.value.placeholder()
    }

    /// What it accepts: the unit and the range.
    pub(crate) fn expected(&self) -> String {
        self.value.expected()
    }

    /// Its value in `config`, as it may be written. (The way to a field is a mutable one: there is only one.)
    pub(crate) fn of(&self, config: &mut Config) -> String {
        self.value.write(config)
    }

    /// Sets it in `config`; false, and nothing set, where `text` is not what it accepts.
    pub(crate) fn set(&self, config: &mut Config, text: &str) -> bool {
        self.value.set(config, text.trim())
    }
}

/// The value of a setting, whatever its type.
trait Value: Sync {
    fn placeholder(&self) -> &'static str;
    fn expected(&self) -> String;
    fn write(&self, config: &mut Config) -> String;
    fn set(&self, config: &mut Config, text: &str) -> bool;
}

struct Of<T: 'static> {
    unit: &'static Unit<T>,
    /// The least and the greatest.
    range: Option<(T, T)>,
    /// A value outside the range that turns the thing off, and what that means.
    off: Option<(T, &'static str)>,
    at: fn(&mut Config) -> &mut T,
}

const fn count(least: usize, greatest: usize, at: fn(&mut Config) -> &mut usize) -> Of<usize> {
    Of { unit: &COUNT, range: Some((least, greatest)), off: None, at }
}

impl<T: PartialOrd> Of<T> {
    fn accepts(&self, value: &T) -> bool {
        let within = self.range.as_ref().is_none_or(|(least, greatest)| least <= value && value <= greatest);
        within || self.off.as_ref().is_some_and(|(off, _)| off == value)
    }
}

impl<T: PartialOrd + Sync> Value for Of<T> {
    fn placeholder(&self) -> &'static str {
        self.unit.placeholder
    }

    fn expected(&self) -> String {
        let write = self.unit.write;
        let mut text = self.unit.name.to_owned();
        if let Some((least, greatest)) = &self.range {
            text += &format!(", from {} to {}", write(least), write(greatest));
        }
        if let Some((off, meaning)) = &self.off {
            text += &format!(", or {} for {meaning}", write(off));
        }
        text
    }

    fn write(&self, config: &mut Config) -> String {
        (self.unit.write)((self.at)(config))
    }

    fn set(&self, config: &mut Config, text: &str) -> bool {
        match (self.unit.read)(text).filter(|value| self.accepts(value)) {
            Some(value) => *(self.at)(config) = value,
            None => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_what_the_setting_accepts() {
        for setting in &SETTINGS {
            let mut config = Config::default();
            let default = setting.of(&mut config);
            assert!(setting.set(&mut config, &default), "{} = {default}", setting.name);
            assert_eq!(config, Config::default(), "{}", setting.name);
        }
    }

    #[test]
    fn every_field_has_its_setting_under_its_own_name() {
        let fields = format!("{:#?}", Config::default());
        let fields: Vec<&str> =
            fields.lines().filter_map(|line| line.trim().split_once(": ")).map(|(name, _)| name).collect();
        let settings: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
        assert_eq!(settings, fields);
    }

    #[test]
    fn a_range_includes_its_ends_and_nothing_beyond() {
        let workers = Setting::named("workers").expect("it is in the table");
        let accepted = ["1", "1024", "0", "1025"].map(|text| workers.set(&mut Config::default(), text));
        assert_eq!(accepted, [true, true, false, false]);
    }

    #[test]
    fn zero_may_lie_outside_the_range_and_mean_off() {
        let interval = Setting::named("keep_alive_interval").expect("it is in the table");
        let accepted = ["0", "0s", "999ms", "1s"].map(|text| interval.set(&mut Config::default(), text));
        assert_eq!(accepted, [true, true, false, true]);
        assert_eq!(
            interval.expected(),
            "a time with its unit, such as 500ms, 10s or 1m30s, from 1s to 1h, or 0s for no pings"
        );
    }
}
