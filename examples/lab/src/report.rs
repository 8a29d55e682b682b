//! The table: one line per row, and what is kept for the HTML.

pub(crate) mod html;

use std::io::Write;
use std::path::Path;

use dsys_sim::plot::Plot;
use indicatif::{ProgressBar, ProgressStyle};

/// All that was found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    topics: Vec<&'static str>,
    rows: Vec<Row>,
    plots: Vec<(String, String)>,
}

#[derive(Debug)]
struct Row {
    name: String,
    theirs: String,
    ours: String,
    allowed: String,
    verdict: &'static str,
}

/// What a row must be to be `ok`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Allowed {
    AtLeast(f64),
    AtMost(f64),
    Between(f64, f64),
    /// Shown for information; cannot fall short.
    Anything,
}

impl Report {
    /// What follows belongs to this topic.
    pub(crate) fn begin(&mut self, topic: &'static str) {
        print("table row | theirs | ours | allowed | ok or short\n");
        self.topics.push(topic);
    }

    /// Prints and keeps a row. `show` writes a number with its unit; what could not be measured falls short if
    /// anything was asked of it.
    pub(crate) fn row(
        &mut self,
        name: impl Into<String>,
        theirs: impl Into<String>,
        ours: Option<f64>,
        allowed: Allowed,
        show: fn(f64) -> String,
    ) {
        let row = Row {
            name: name.into(),
            theirs: theirs.into(),
            ours: ours.map_or("not measured".into(), show),
            allowed: allowed.show(show),
            verdict: allowed.verdict(ours),
        };
        print(&format!(
            "{:<44} | {:>12} | {:>12} | {:>18} | {}\n",
            row.name, row.theirs, row.ours, row.allowed, row.verdict
        ));
        self.rows.push(row);
    }

    /// Keeps a plot, for `TOPIC-NAME.svg`. One that has nothing to show is left out, as with a shard that has no data.
    pub(crate) fn plot(&mut self, name: &str, plot: &Plot) {
        if let Ok(svg) = plot.svg() {
            let topic = self.topics.last().copied().unwrap_or_default();
            self.plots.push((format!("{topic}-{name}.svg"), svg));
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn short(&self) -> usize {
        self.rows.iter().filter(|row| row.verdict == SHORT).count()
    }

    /// Writes `report.html` and each plot.
    pub(crate) fn write(&self, out: &Path) -> Result<(), String> {
        for (name, svg) in &self.plots {
            html::save(&out.join(name), svg)?;
        }
        html::save(&out.join("report.html"), &html::page(self))
    }
}

const SHORT: &str = "short";

impl Allowed {
    fn show(self, show: fn(f64) -> String) -> String {
        match self {
            Allowed::AtLeast(least) => format!("at least {}", show(least)),
            Allowed::AtMost(most) => format!("at most {}", show(most)),
            Allowed::Between(least, most) => format!("{} to {}", show(least), show(most)),
            Allowed::Anything => "-".into(),
        }
    }

    fn verdict(self, ours: Option<f64>) -> &'static str {
        let ok = match (self, ours) {
            (Allowed::Anything, _) => return "-",
            (_, None) => false,
            (Allowed::AtLeast(least), Some(ours)) => ours >= least,
            (Allowed::AtMost(most), Some(ours)) => ours <= most,
            (Allowed::Between(least, most), Some(ours)) => (least..=most).contains(&ours),
        };
        if ok { "ok" } else { SHORT }
    }
}

/// A bar on standard error, gone when the work is done; nothing at all where that is no terminal. It has no colours.
pub(crate) fn progress(steps: u64) -> ProgressBar {
    let bar = ProgressBar::new(steps);
    if let Ok(style) = ProgressStyle::with_template("[{bar:30}] {pos}/{len} {msg} ({eta} left)") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

/// To standard output; whoever closed it does not want the rest.
pub(crate) fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// The middle one of several, the lower of two.
pub(crate) fn median(samples: &[f64]) -> Option<f64> {
    dsys_sim::measure::percentile(samples, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_judged_by_what_is_allowed() {
        let mut report = Report::default();
        let show = |number: f64| format!("{number:.1}");
        report.row("good", "1", Some(2.0), Allowed::AtLeast(2.0), show);
        report.row("bad", "1", Some(2.1), Allowed::AtMost(2.0), show);
        report.row("within", "1", Some(2.1), Allowed::Between(2.0, 3.0), show);
        report.row("absent", "1", None, Allowed::AtMost(2.0), show);
        report.row("told", "1", None, Allowed::Anything, show);
        assert_eq!((report.rows(), report.short()), (5, 2));
    }

    #[test]
    fn the_page_holds_everything_and_escapes_it() {
        let mut report = Report::default();
        report.row("a < b & c", "1", Some(1.0), Allowed::AtMost(0.5), |number| number.to_string());
        report.begin("test");
        report.plot("line", &Plot::new("P").line("one", vec![(0.0, 0.0), (1.0, 1.0)]));
        report.plot("empty", &Plot::new("P"));
        let page = html::page(&report);
        assert!(page.contains("a &lt; b &amp; c") && page.contains("class=\"short\""));
        assert_eq!(page.matches("<svg").count(), 1);
        assert!(!page.contains("src=") && !page.contains("href="), "nothing is loaded from elsewhere");
        assert_eq!(report.plots.iter().map(|plot| plot.0.as_str()).collect::<Vec<_>>(), ["test-line.svg"]);
    }
}
