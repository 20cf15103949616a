//! What a stream of Server-Sent Events costs: a line for each that serves it.

use super::{Figure, digits, judged, table};
use serde::Serialize;

/// A load, and what each came to that served it. The first is the bare writer, the second Eric.
#[derive(Debug, Serialize)]
pub(crate) struct Served {
    pub(crate) name: String,
    pub(crate) sides: Vec<(String, Figure)>,
    /// What Eric may take, times what the bare writer takes; 0: nothing is asked.
    pub(crate) goal: f64,
}

const HEAD: &str = "load | served by | CPU an event | ratio | goal | events a second | latency ms (p99)";

pub(super) fn print(rows: &[Served]) {
    let lines: Vec<_> = rows.iter().flat_map(Served::lines).collect();
    table("CPU of the server an event, of Server-Sent Events", &lines, HEAD, Clone::clone);
    if rows.iter().any(|row| row.sides.len() > 3) {
        println!("\nnginx with Nchan in one process, a buffer of 100 messages.");
    } else if !rows.is_empty() {
        println!("\nnginx with Nchan is left out: ERIC_NCHAN names no nginx.");
    }
}

impl Served {
    fn lines(&self) -> Vec<Vec<String>> {
        self.sides.iter().enumerate().map(|(at, (who, figure))| self.line(at, who, figure)).collect()
    }

    fn line(&self, at: usize, who: &str, figure: &Figure) -> Vec<String> {
        let ratio = figure.cpu_micros / self.sides[0].1.cpu_micros;
        vec![
            if at == 0 { self.name.clone() } else { String::new() },
            who.to_owned(),
            format!("{} µs", digits(figure.cpu_micros)),
            if at > 0 { format!("{} ×", digits(ratio)) } else { String::new() },
            if at == 1 && self.goal > 0.0 {
                judged(ratio <= self.goal, &format!("{} ×", self.goal))
            } else {
                String::new()
            },
            figure.rate_cell(),
            figure.latency_cell(),
        ]
    }
}
