//! The plot of the growth.

use crate::Failure;
use crate::report::thousands;
use plotters::prelude::*;
use std::path::Path;

/// One of several charts next to each other, all over the number of browsers.
#[derive(Debug)]
pub struct Panel {
    /// The quantity shown, and its unit.
    pub title: String,
    /// One for each contestant.
    pub lines: Vec<Line>,
}

/// How one contestant does.
#[derive(Debug)]
pub struct Line {
    /// The program.
    pub name: &'static str,
    /// Browsers, and the figure.
    pub points: Vec<(f64, f64)>,
}

/// Readable for all people, colour-blind or not (Okabe and Ito's palette).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 0, 0),
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
];

const PANEL: (u32, u32) = (420, 360);

/// Draws the panels side by side.
pub fn draw(path: &Path, panels: &[Panel]) -> Result<(), Failure> {
    let size = (PANEL.0 * panels.len() as u32, PANEL.1);
    let area = SVGBackend::new(path, size).into_drawing_area();
    area.fill(&WHITE).map_err(|error| failed(&error))?;
    for (panel, area) in panels.iter().zip(area.split_evenly((1, panels.len()))) {
        panel.draw(&area).map_err(|error| failed(&error))?;
    }
    area.present().map_err(|error| failed(&error))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

impl Panel {
    fn draw<'a>(
        &self,
        area: &Area<'a>,
    ) -> Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>> {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let most = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(0.0, f64::max);
        let (right, top) = (most(|point| point.0) * 1.02, most(|point| point.1) * 1.5);
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, ("sans-serif", 16))
            .margin(12)
            .x_label_area_size(36)
            .y_label_area_size(44)
            .build_cartesian_2d(0.0..right.max(1.0), 0.0..top.max(0.1))?;
        chart
            .configure_mesh()
            .x_desc("browsers")
            .x_labels(5)
            .x_label_formatter(&|browsers| thousands(format_args!("{browsers:.0}")))
            .y_labels(6)
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.12))
            .draw()?;
        for (line, colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            let series = LineSeries::new(line.points.iter().copied(), colour.stroke_width(2));
            chart.draw_series(series)?.label(line.name).legend(move |(x, y)| {
                PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2))
            });
            let dots = line.points.iter().map(|at| Circle::new(*at, 3, colour.filled()));
            chart.draw_series(dots)?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE.mix(0.8))
            .label_font(("sans-serif", 12))
            .draw()
    }
}

fn failed(error: &dyn std::fmt::Display) -> Failure {
    Failure(format!("the plot cannot be drawn: {error}"))
}
