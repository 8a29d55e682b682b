//! Shows how far the nodes are: bars for a person, lines for a file.

use std::time::{Duration, Instant};

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};

use crate::output;
use crate::status::{Phase, Status};

/// How often it is worth looking.
pub(crate) const TICK: Duration = Duration::from_millis(80);
/// Without a terminal, a line about a fetch under way comes at most so often.
const LINES: Duration = Duration::from_secs(2);

/// Shows some nodes.
pub(crate) struct Progress {
    nodes: Vec<Shown>,
    bars: Option<MultiProgress>,
    begun: Instant,
    spoken: Instant,
}

struct Shown {
    name: String,
    status: Status,
    phase: Phase,
    bar: Option<ProgressBar>,
    /// What the last line said.
    percent: u64,
}

impl Progress {
    /// Begins to show; the names should be equally wide.
    pub(crate) fn new(nodes: impl IntoIterator<Item = (String, Status)>, begun: Instant) -> Self {
        let bars = output::watched().then(MultiProgress::new);
        let nodes = nodes.into_iter().map(|(name, status)| {
            let bar = bars.as_ref().map(|bars| {
                let bar = bars.add(ProgressBar::new(1));
                bar.set_style(style());
                bar.set_prefix(name.clone());
                bar.set_message("waits for news");
                bar
            });
            Shown { name, status, phase: Phase::Waiting, bar, percent: 0 }
        });
        Progress { nodes: nodes.collect(), bars, begun, spoken: Instant::now() }
    }

    /// Looks again.
    pub(crate) fn update(&mut self) {
        let periodic = self.spoken.elapsed() >= LINES;
        if periodic {
            self.spoken = Instant::now();
        }
        for at in 0..self.nodes.len() {
            let Some(node) = self.nodes.get_mut(at) else { return };
            let mut lines: Vec<String> =
                node.status.take_notes().iter().map(|note| format!("{}: {note}", node.name.trim())).collect();
            let phase = node.status.phase();
            let total = node.status.manifest().map(|manifest| manifest.bytes());
            if let Some(bar) = &node.bar {
                bar.set_length(total.unwrap_or(1).max(1));
                bar.set_position(if phase == Phase::Whole {
                    bar.length().unwrap_or(1)
                } else {
                    node.status.present()
                });
            }
            if phase != node.phase {
                let after = |at: Option<Instant>| ms(at.unwrap_or_else(Instant::now) - self.begun);
                let text = match &phase {
                    Phase::Waiting => String::new(),
                    Phase::Fetching => format!("knew after {}", after(node.status.knew())),
                    Phase::Whole => format!("whole after {}", after(node.status.whole())),
                    Phase::Failed(_) => "gave up".into(),
                };
                match &node.bar {
                    Some(bar) if matches!(phase, Phase::Whole | Phase::Failed(_)) => {
                        bar.abandon_with_message(text)
                    }
                    Some(bar) => bar.set_message(text),
                    None => lines.push(format!("{} {text}", node.name)),
                }
                node.phase = phase;
            } else if let (true, None, Some(total), Phase::Fetching) = (periodic, &node.bar, total, &phase) {
                let present = node.status.present();
                let percent = present.saturating_mul(100).checked_div(total).unwrap_or(100);
                if std::mem::replace(&mut node.percent, percent) != percent {
                    lines.push(format!(
                        "{} has {percent} % ({} of {})",
                        node.name,
                        HumanBytes(present),
                        HumanBytes(total)
                    ));
                }
            }
            lines.iter().for_each(|line| self.line(line));
        }
    }

    /// Says something above the bars.
    pub(crate) fn line(&self, line: &str) {
        match &self.bars {
            Some(bars) => drop(bars.println(line)),
            None => output::tell(line),
        }
    }

    /// Looks a last time and leaves the bars as they are.
    pub(crate) fn end(mut self) {
        self.update();
        for bar in self.nodes.iter().filter_map(|node| node.bar.as_ref()) {
            bar.abandon();
        }
        if self.bars.is_some() {
            // The last bar leaves the cursor at its end.
            output::tell("");
        }
    }
}

/// A time as people say it.
pub(crate) fn ms(time: Duration) -> String {
    match time.as_millis() {
        0..10_000 => format!("{} ms", time.as_millis()),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

fn style() -> ProgressStyle {
    let template = if output::colours() {
        "{prefix:.bold} {bar:20.cyan/black.bright} {bytes:>10} {binary_bytes_per_sec:>12}  {msg:.dim}"
    } else {
        "{prefix} {bar:20} {bytes:>10} {binary_bytes_per_sec:>12}  {msg}"
    };
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸─")
}
