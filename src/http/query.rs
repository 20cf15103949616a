//! The query of a URL: parameters that are known, each by one name.

use super::problem::Problem;

/// A request has no more of them.
const MAX_PARAMETERS: usize = 256;

/// The parameters of a query, in order, decoded.
pub(super) fn parameters(query: Option<&str>) -> Result<Vec<(String, String)>, Problem> {
    let text = query.unwrap_or_default().as_bytes();
    let parsed: Vec<_> = form_urlencoded::parse(text).into_owned().take(MAX_PARAMETERS + 1).collect();
    if parsed.len() > MAX_PARAMETERS {
        return Err(Problem::parameter(format!("a query has at most {MAX_PARAMETERS} parameters")));
    }
    Ok(parsed)
}

/// A parameter that nobody knows.
pub(super) fn unknown(name: &str) -> Problem {
    let name: String = name.chars().take(64).collect();
    Problem::parameter(format!("no parameter {name:?}"))
}

/// Puts a parameter where it belongs, unless it is there already.
pub(super) fn once(name: &str, value: String, place: &mut Option<String>) -> Result<(), Problem> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Problem::parameter(format!("{name} is given twice"))),
    }
}
