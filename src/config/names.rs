//! Names that are almost ours: a suggestion for a wrong key, a warning for a wrong variable.

use std::fmt;

use super::fault::Suggestion;

/// An `ERIC_` variable that nobody reads: most likely a setting that its writer believes to be in force.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stranger {
    name: String,
    close: Option<String>,
}

impl fmt::Display for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing reads {}{}", self.name, Suggestion(self.close.as_ref()))
    }
}

/// The `ERIC_` variables among `present` that are not `known`.
pub(crate) fn strangers(present: impl Iterator<Item = String>, known: &[String]) -> Vec<Stranger> {
    present
        .filter(|name| name.starts_with(PREFIX) && !known.contains(name) && !is_service_link(name))
        .map(|name| Stranger { close: closest(&name, known.iter()).cloned(), name })
        .collect()
}

/// The one of `names` that is most like `wrong`, if any is like it.
pub(super) fn closest<T: AsRef<str>>(wrong: &str, names: impl Iterator<Item = T>) -> Option<T> {
    let likeness = |name: &T| strsim::normalized_damerau_levenshtein(stem(wrong), stem(name.as_ref()));
    names
        .map(|name| (likeness(&name), name))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

const PREFIX: &str = "ERIC_";

/// Below it a suggestion is a guess: `payload_bytes` finds `max_payload_bytes` (0.76), `port` finds nothing.
const ALIKE: f64 = 0.6;

/// What all variables begin with says nothing about their likeness.
fn stem(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name)
}

/// Kubernetes gives every pod near a Service named `eric` variables such as `ERIC_SERVICE_HOST` and
/// `ERIC_PORT_50051_TCP`: nobody wrote them.
fn is_service_link(name: &str) -> bool {
    name.contains("_SERVICE_") || name.ends_with("_PORT") || name.contains("_PORT_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strange_variable_is_told_with_the_nearest_known_one() {
        let known = ["ERIC_MAX_STREAMS", "ERIC_SERVER"].map(str::to_owned);
        let present = ["ERIC_MAX_STREAM", "ERIC_SERVER", "ERIC_MOOD", "HOME"].map(str::to_owned);
        let told: Vec<String> =
            strangers(present.into_iter(), &known).iter().map(Stranger::to_string).collect();
        assert_eq!(
            told,
            ["nothing reads ERIC_MAX_STREAM; did you mean ERIC_MAX_STREAMS?", "nothing reads ERIC_MOOD"]
        );
    }

    #[test]
    fn what_kubernetes_sets_by_itself_is_no_stranger() {
        let present = ["ERIC_SERVICE_HOST", "ERIC_PORT", "ERIC_PORT_50051_TCP_ADDR", "ERIC_WEB_SERVICE_PORT"];
        assert_eq!(strangers(present.map(str::to_owned).into_iter(), &[]), []);
    }

    #[test]
    fn only_a_like_name_is_suggested() {
        let names = ["max_payload_bytes", "max_batch_bytes", "listen", "drain_deadline"];
        assert_eq!(closest("payload_bytes", names.iter().copied()), Some("max_payload_bytes"));
        assert_eq!(closest("port", names.iter().copied()), None);
    }
}
