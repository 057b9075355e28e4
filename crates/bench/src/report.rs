//! What was measured: as a table for the terminal, and as a page that keeps what people wrote in it.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use hdrhistogram::Histogram;

use crate::Result;
use crate::load::Measured;

const NOT_MEASURED: &str = "not measured: ";

/// One line of the table.
#[derive(Debug, Clone)]
pub struct Row {
    pub scenario: String,
    pub target: String,
    pub measured: String,
    pub p50: Option<Duration>,
    pub p99: Option<Duration>,
    /// `None`: without a target.
    pub met: Option<bool>,
    /// Operations a second, where it is a rate.
    pub rate: Option<f64>,
}

impl Row {
    /// A rate. `least`: so many a second are wanted.
    pub fn rate(scenario: impl Into<String>, least: Option<f64>, unit: &str, measured: &Measured) -> Self {
        let rate = measured.per_second();
        let target = least.map_or_else(|| "–".to_owned(), |least| format!("≥ {least:.0}/s"));
        let figures = format!("{rate:.0} {unit}/s");
        let met = least.map(|least| rate >= least);
        Self { rate: Some(rate), met, ..Self::of(scenario.into(), target, figures, &measured.latencies) }
    }

    /// Latencies, whose 99th percentile is wanted below `most`.
    pub fn p99(scenario: impl Into<String>, most: Duration, latencies: &Histogram<u64>) -> Self {
        let row = Self::of(scenario.into(), format!("p99 < {}", millis(most)), samples(latencies), latencies);
        Self { met: Some(row.p99.is_some_and(|p99| p99 < most)), ..row }
    }

    /// That all came; what it took is told.
    pub fn delivered(scenario: impl Into<String>, latencies: &Histogram<u64>) -> Self {
        Self {
            met: Some(true),
            ..Self::of(scenario.into(), "all".into(), format!("{} deliveries", latencies.len()), latencies)
        }
    }

    /// Latencies, whose median is wanted below `most`.
    pub fn p50(scenario: impl Into<String>, most: Duration, latencies: &Histogram<u64>) -> Self {
        let row = Self::of(scenario.into(), format!("p50 < {}", millis(most)), samples(latencies), latencies);
        Self { met: Some(row.p50.is_some_and(|p50| p50 < most)), ..row }
    }

    fn of(scenario: String, target: String, measured: String, latencies: &Histogram<u64>) -> Self {
        let quantile = |q| (!latencies.is_empty()).then(|| Duration::from_micros(latencies.value_at_quantile(q)));
        Self { scenario, target, measured, p50: quantile(0.5), p99: quantile(0.99), met: None, rate: None }
    }

    /// One figure. `met`: whether it is what is wanted.
    pub fn figure(scenario: impl Into<String>, target: &str, measured: String, met: Option<bool>) -> Self {
        let (scenario, target) = (scenario.into(), target.to_owned());
        Self { scenario, target, measured, p50: None, p99: None, met, rate: None }
    }

    /// A scenario that did not come to its end.
    pub fn failed(scenario: &str, why: &str) -> Self {
        Self::figure(scenario, "–", format!("{NOT_MEASURED}{why}"), Some(false))
    }

    /// Why the scenario did not come to its end; `None` when it did.
    pub fn failure(&self) -> Option<&str> {
        self.measured.strip_prefix(NOT_MEASURED)
    }
}

fn samples(latencies: &Histogram<u64>) -> String {
    format!("{} samples", latencies.len())
}

fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

/// The lines as a table of Markdown.
pub fn table(rows: &[Row], yardstick: f64) -> String {
    let mut text = String::from("| scenario | target | measured | of pgbench | p50 | p99 | met |\n");
    text.push_str("| --- | --- | --- | --- | --- | --- | --- |\n");
    for row in rows {
        let time = |time: Option<Duration>| time.map_or_else(String::new, millis);
        let ratio = row.rate.map_or_else(String::new, |rate| format!("{:.2}", rate / yardstick.max(1.0)));
        let met = match row.met {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "",
        };
        let measured = row.measured.replace(['|', '\n'], " ");
        let (p50, p99) = (time(row.p50), time(row.p99));
        // Writing to a text cannot fail.
        let _ = writeln!(text, "| {} | {} | {measured} | {ratio} | {p50} | {p99} | {met} |", row.scenario, row.target);
    }
    text
}

/// Machine, settings and date, for above the table.
pub fn circumstances(server: &str, time: Duration) -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).and_then(|line| line.split_once(':'));
    let memory = read("/proc/meminfo");
    let kilobytes =
        memory.lines().find_map(|line| line.strip_prefix("MemTotal:")).and_then(|line| line.split_whitespace().next());
    let gibibytes = kilobytes.and_then(|text| text.parse::<u64>().ok()).unwrap_or_default() / 1024 / 1024;
    let date: DateTime<Utc> = SystemTime::now().into();
    format!(
        "{}; {} × {}, {gibibytes} GiB; generator, program, database and broker on the same machine; {server}; {} s a loop.",
        date.format("%Y-%m-%d"),
        std::thread::available_parallelism().map_or(1, usize::from),
        model.map_or("unknown CPU", |(_, name)| name.trim()),
        time.as_secs_f64(),
    )
}

/// Puts the figures of `part` between its marks in the page; what stands around them is kept.
///
/// # Errors
/// When the page cannot be read or written, or has lost its marks.
pub fn write(page: &Path, part: &str, figures: &str) -> Result<()> {
    let text = std::fs::read_to_string(page)?;
    std::fs::write(page, replaced(&text, part, figures)?)?;
    Ok(())
}

fn replaced(text: &str, part: &str, figures: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- written by `{part}` -->"), format!("<!-- end of `{part}` -->"));
    let lost = || format!("the page has lost its marks; put `{begin}` and `{end}` where the figures belong");
    let (before, rest) = text.split_once(&begin).ok_or_else(lost)?;
    let (_, after) = rest.split_once(&end).ok_or_else(lost)?;
    Ok(format!("{before}{begin}\n\n{}\n\n{end}{after}", figures.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_replaced_and_what_people_wrote_is_kept() {
        let marked = |part: &str| format!("<!-- written by `{part}` -->\nold\n<!-- end of `{part}` -->\n");
        let page = format!("# Title\n\nmine\n\n{}also mine\n{}", marked("a"), marked("b"));
        let once = replaced(&page, "a", "new\n").unwrap();
        assert!(once.starts_with("# Title\n\nmine\n") && once.contains("also mine\n"));
        assert_eq!((once.matches("new").count(), once.matches("old").count()), (1, 1), "only its own part");
        assert_eq!(replaced(&once, "a", "new").unwrap(), once);
        assert!(replaced("without marks", "a", "new").is_err());
    }

    #[test]
    fn a_line_says_whether_its_target_is_met() {
        let mut latencies = crate::load::histogram().unwrap();
        latencies.record_n(2_000, 100).unwrap();
        let row = Row::p99("cancel", Duration::from_millis(1), &latencies);
        assert_eq!(row.met, Some(false));
        let measured = Measured { latencies, operations: 500, elapsed: Duration::from_secs(1) };
        let text = table(&[row, Row::rate("create", Some(400.0), "tasks", &measured)], 1000.0);
        assert!(text.contains("| cancel | p99 < 1.00 ms | 100 samples |  | 2.00 ms | 2.00 ms | **no** |"), "{text}");
        assert!(text.contains("| create | ≥ 400/s | 500 tasks/s | 0.50 | 2.00 ms | 2.00 ms | yes |"), "{text}");
    }
}
