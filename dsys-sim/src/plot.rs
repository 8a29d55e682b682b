//! Line plots as SVG (feature `plot`).

use plotters::coord::ranged1d::ValueFormatter;
use plotters::prelude::*;

/// A plot cannot be drawn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlotError {
    /// There is nothing to draw.
    #[error("the plot has no points; add at least one line with a finite point")]
    Empty,
    /// The drawing library refused.
    #[error("the plot could not be drawn: {0}")]
    Draw(String),
}

/// A line plot, built step by step.
///
/// ```
/// use dsys_sim::plot::Plot;
///
/// let svg = Plot::new("Who has not heard yet")
///     .axes("seconds", "residue")
///     .line("k = 2", vec![(0.0, 1.0), (0.5, 0.4), (1.0, 0.03)])
///     .svg()?;
/// assert!(svg.starts_with("<svg"));
/// # Ok::<(), dsys_sim::plot::PlotError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Plot {
    title: String,
    x: String,
    y: String,
    log_x: bool,
    lines: Vec<(String, Vec<(f64, f64)>)>,
}

const SIZE: (u32, u32) = (720, 400);
/// Okabe and Ito's colours, told apart by the colour-blind too.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];
/// More points than this are thinned: nobody sees the difference, and the file stays small.
const MOST_POINTS: usize = 600;

impl Plot {
    /// An empty plot.
    pub fn new(title: impl Into<String>) -> Self {
        Plot { title: title.into(), x: String::new(), y: String::new(), log_x: false, lines: Vec::new() }
    }

    /// What the axes show, with units.
    #[must_use]
    pub fn axes(mut self, x: impl Into<String>, y: impl Into<String>) -> Self {
        (self.x, self.y) = (x.into(), y.into());
        self
    }

    /// Makes the horizontal axis logarithmic; points at or below zero are left out.
    #[must_use]
    pub fn log_x(mut self) -> Self {
        self.log_x = true;
        self
    }

    /// Adds a line through these points, in the order given. Points that are not finite are left out.
    #[must_use]
    pub fn line(mut self, name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        self.lines.push((name.into(), points));
        self
    }

    /// Adds the cumulative distribution of these samples: at each x, the fraction of samples that are no larger.
    #[must_use]
    pub fn distribution(self, name: impl Into<String>, mut samples: Vec<f64>) -> Self {
        samples.sort_unstable_by(f64::total_cmp);
        let count = samples.len() as f64;
        let points = samples.into_iter().enumerate().map(|(at, x)| (x, (at + 1) as f64 / count)).collect();
        self.line(name, points)
    }

    /// The plot as one SVG element, without a prologue, to be put into a file or into HTML.
    ///
    /// # Errors
    /// [`PlotError::Empty`] without points, [`PlotError::Draw`] if the library fails.
    pub fn svg(&self) -> Result<String, PlotError> {
        let lines: Vec<(&str, Vec<(f64, f64)>)> =
            self.lines.iter().map(|(name, points)| (name.as_str(), self.shown(points))).collect();
        let all = || lines.iter().flat_map(|(_, points)| points);
        let (left, right) = range(all().map(|point| point.0)).ok_or(PlotError::Empty)?;
        let (low, high) = range(all().map(|point| point.1)).ok_or(PlotError::Empty)?;
        let low = if low > 0.0 && low < high / 2.0 { 0.0 } else { low };
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            area.fill(&WHITE).map_err(failed)?;
            let mut builder = ChartBuilder::on(&area);
            builder
                .caption(&self.title, ("sans-serif", 20))
                .margin(14)
                .margin_right(28)
                .x_label_area_size(44)
                .y_label_area_size(72);
            let top = high + (high - low) * 0.05;
            let scale = |x: f64| if self.log_x { x.ln() } else { x };
            let legend = emptiest(&lines, |(x, y)| {
                let across = (scale(x) - scale(left)) / (scale(right) - scale(left));
                (across, (y - low) / (top - low))
            });
            if self.log_x {
                let chart =
                    builder.build_cartesian_2d((left..right).log_scale(), low..top).map_err(failed)?;
                self.draw(chart, lines, legend)?;
            } else {
                let chart = builder.build_cartesian_2d(left..right, low..top).map_err(failed)?;
                self.draw(chart, lines, legend)?;
            }
            area.present().map_err(failed)?;
        }
        Ok(svg)
    }

    fn draw<'a, X>(
        &self,
        mut chart: ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, plotters::coord::types::RangedCoordf64>>,
        lines: Vec<(&str, Vec<(f64, f64)>)>,
        legend: SeriesLabelPosition,
    ) -> Result<(), PlotError>
    where
        X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        chart
            .configure_mesh()
            .x_desc(&self.x)
            .y_desc(&self.y)
            .light_line_style(TRANSPARENT)
            .bold_line_style(RGBColor(225, 225, 225))
            .x_label_formatter(&|x| number(*x))
            .y_label_formatter(&|y| number(*y))
            .label_style(("sans-serif", 13))
            .draw()
            .map_err(failed)?;
        for (at, (name, points)) in lines.into_iter().enumerate() {
            let colour = COLOURS.iter().cycle().nth(at).copied().unwrap_or(BLACK);
            chart
                .draw_series(LineSeries::new(points, colour.stroke_width(2)))
                .map_err(failed)?
                .label(name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        }
        if self.lines.len() > 1 {
            chart
                .configure_series_labels()
                .position(legend)
                .background_style(WHITE.mix(0.85))
                .border_style(RGBColor(200, 200, 200))
                .label_font(("sans-serif", 13))
                .draw()
                .map_err(failed)?;
        }
        Ok(())
    }

    /// The points that can be shown, thinned.
    fn shown(&self, points: &[(f64, f64)]) -> Vec<(f64, f64)> {
        let every = points.len().div_ceil(MOST_POINTS).max(1);
        let last = points.len().saturating_sub(1);
        let kept = points.iter().enumerate().filter(|(at, _)| at % every == 0 || *at == last);
        let finite = |point: &&(f64, f64)| {
            point.0.is_finite() && point.1.is_finite() && (!self.log_x || point.0 > 0.0)
        };
        kept.map(|(_, point)| point).filter(finite).copied().collect()
    }
}

/// Where a legend hides least of the lines. `place` gives a point as parts of the width and of the height, from the lower left.
fn emptiest(
    lines: &[(&str, Vec<(f64, f64)>)],
    place: impl Fn((f64, f64)) -> (f64, f64),
) -> SeriesLabelPosition {
    use SeriesLabelPosition::{
        LowerLeft, LowerMiddle, LowerRight, MiddleLeft, MiddleMiddle, MiddleRight, UpperLeft, UpperMiddle,
        UpperRight,
    };
    // About what it takes.
    let (width, height) = (0.34, (0.06 * lines.len() as f64 + 0.04).min(1.0));
    let (middle, right) = ((1.0 - width) / 2.0, 1.0 - width);
    let (centre, top) = ((1.0 - height) / 2.0, 1.0 - height);
    let places = [
        (UpperRight, right, top),
        (LowerRight, right, 0.0),
        (UpperLeft, 0.0, top),
        (LowerLeft, 0.0, 0.0),
        (UpperMiddle, middle, top),
        (LowerMiddle, middle, 0.0),
        (MiddleRight, right, centre),
        (MiddleLeft, 0.0, centre),
        (MiddleMiddle, middle, centre),
    ];
    let mut hidden = places.each_ref().map(|_| 0u64);
    for (from, to) in lines.iter().flat_map(|(_, points)| points.iter().zip(points.iter().skip(1))) {
        let (from, to) = (place(*from), place(*to));
        // In steps of a hundredth, so that long lines between few points count for what they are.
        let steps = ((to.0 - from.0).abs().max((to.1 - from.1).abs()) * 100.0).clamp(1.0, 200.0) as u32;
        for step in 0..=steps {
            let part = f64::from(step) / f64::from(steps);
            let (x, y) = (from.0 + (to.0 - from.0) * part, from.1 + (to.1 - from.1) * part);
            for ((_, left, low), hidden) in places.iter().zip(&mut hidden) {
                let within = (*left..=left + width).contains(&x) && (*low..=low + height).contains(&y);
                *hidden += u64::from(within);
            }
        }
    }
    let least = places.into_iter().zip(hidden).min_by_key(|(_, hidden)| *hidden);
    least.map_or(UpperRight, |((place, ..), _)| place)
}

/// Least and most, apart; `None` of nothing.
fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let (least, most) = values
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| (least.min(value), most.max(value)));
    (least <= most).then(|| if least < most { (least, most) } else { (least, least + least.abs().max(1.0)) })
}

/// Short: `0.25`, `1500`, `20k`, `2M`.
fn number(value: f64) -> String {
    let (value, unit) = match value.abs() {
        size if size >= 1e6 => (value / 1e6, "M"),
        size if size >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let text = format!("{value:.3}");
    format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
}

fn failed(error: impl std::fmt::Display) -> PlotError {
    PlotError::Draw(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_shows_its_lines_and_labels() {
        let plot =
            Plot::new("T").axes("the x", "the y").line("one", vec![(0.0, 1.0), (1.0, f64::NAN), (2.0, 3.0)]);
        let one = plot.svg().unwrap();
        assert!(one.contains("the x") && one.contains("the y") && one.matches("<polyline").count() >= 1);
        let two = plot.distribution("two", vec![3.0, 1.0]).log_x().svg().unwrap();
        assert!(two.contains("one") && two.contains("two"));
    }

    #[test]
    fn a_legend_stands_where_nothing_is() {
        let where_is = |lines: &[&[(f64, f64)]]| {
            let lines: Vec<_> = lines.iter().map(|points| ("", points.to_vec())).collect();
            emptiest(&lines, |point| point)
        };
        assert!(matches!(where_is(&[&[(0.0, 0.1), (1.0, 0.2)]]), SeriesLabelPosition::UpperRight));
        assert!(matches!(where_is(&[&[(0.0, 0.9), (1.0, 0.95)]]), SeriesLabelPosition::LowerRight));
        let [above, below] = [[(0.0, 0.97), (1.0, 0.95)], [(0.0, 0.02), (1.0, 0.05)]];
        assert!(matches!(where_is(&[&above, &below]), SeriesLabelPosition::MiddleRight));
        let rise: &[(f64, f64)] = &[(0.0, 0.0), (1.0, 1.0)];
        assert!(matches!(where_is(&[rise, rise]), SeriesLabelPosition::LowerRight));
    }

    #[test]
    fn nothing_is_refused_and_one_point_is_not() {
        assert_eq!(Plot::new("T").line("empty", vec![(f64::NAN, 1.0)]).svg(), Err(PlotError::Empty));
        assert!(Plot::new("T").line("flat", vec![(5.0, 5.0)]).svg().is_ok());
        assert_eq!(Plot::new("T").line("flat", vec![(0.0, 5.0)]).log_x().svg(), Err(PlotError::Empty));
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([0.25, 0.0, 1500.0, 20_000.0, 2.5e6].map(number), ["0.25", "0", "1500", "20k", "2.5M"]);
    }
}
