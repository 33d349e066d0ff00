//! The lanes: one row a session, one column a step, time from left to right.
//!
//! A box is a step. Behind the boxes a band shows how long a transaction is open; hatching shows a wait, from the box
//! that waits to where it resumes. Steps that the evidence names carry the one strong colour. A history of many steps
//! is drawn densely: small boxes without words, with the words as tooltips.

mod arcs;

use std::fmt::Write;

use super::super::text::{clip, counted};
use super::markup::{class, escape};
use super::words::Kind;
use super::{Picture, Place, Step, Tone};

/// From so many steps on, boxes have no room for words.
const DENSE_STEPS_MIN: usize = 80;
/// Characters that a box has room for.
pub(super) const BOX_COLUMNS: usize = 16;
/// Characters that stand above a column.
const HEADING_COLUMNS: usize = 20;
/// Characters that a session's name has room for.
const NAME_COLUMNS: usize = 4;
/// The lanes are at least this wide, in pixels, so that the legend fits.
const WIDTH_MIN: f64 = 640.0;

/// Sizes in pixels.
struct Scale {
    /// Left of the first column.
    left: f64,
    /// Above the first lane.
    head: f64,
    /// From one column to the next.
    column: f64,
    /// From one lane to the next.
    lane: f64,
    /// From the top of a lane to its boxes.
    drop: f64,
    /// Width and height of a box.
    size: (f64, f64),
    /// Whether there are words in the boxes.
    words: Words,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Words {
    InBoxes,
    AsTooltips,
}

impl Scale {
    fn of(steps: usize) -> Self {
        if steps < DENSE_STEPS_MIN {
            let size = (126.0, 66.0);
            Self {
                left: 64.0,
                head: 52.0,
                column: 140.0,
                lane: 132.0,
                drop: 40.0,
                size,
                words: Words::InBoxes,
            }
        } else {
            let size = (10.0, 26.0);
            Self {
                left: 64.0,
                head: 52.0,
                column: 12.0,
                lane: 64.0,
                drop: 14.0,
                size,
                words: Words::AsTooltips,
            }
        }
    }

    /// Left edge of a step's box.
    fn x(&self, step: usize) -> f64 {
        self.left + step as f64 * self.column
    }

    /// Top edge of a session's boxes.
    fn y(&self, session: usize) -> f64 {
        self.head + session as f64 * self.lane + self.drop
    }
}

/// Draws into a string.
struct Drawing<'a> {
    picture: &'a Picture<'a>,
    scale: Scale,
    out: String,
}

/// The lanes as an `<svg>` element; `style` stands at its start.
pub(super) fn draw(picture: &Picture<'_>, style: &str) -> String {
    let mut drawing = Drawing { picture, scale: Scale::of(picture.steps.len()), out: String::new() };
    drawing.open(style);
    drawing.rails();
    drawing.axis();
    (0..picture.sessions.len()).for_each(|session| drawing.bands(session));
    arcs::draw(&mut drawing, Place::Beside);
    for (number, step) in picture.steps.iter().enumerate() {
        drawing.wait(number, step);
        drawing.step(number, step);
    }
    for (number, waited) in picture.completed_by().into_iter().enumerate() {
        for step in waited {
            drawing.resumes(number, step);
        }
    }
    arcs::draw(&mut drawing, Place::OnTheCycle);
    // Their names stay readable where an arc crosses them.
    drawing.headings();
    drawing.legend();
    drawing.names();
    drawing.out.push_str("</svg>");
    drawing.out
}

impl Drawing<'_> {
    fn put(&mut self, arguments: std::fmt::Arguments<'_>) {
        // A string takes whatever is written to it.
        let _ = self.out.write_fmt(arguments);
        self.out.push('\n');
    }

    fn text(&mut self, class: &str, x: f64, y: f64, text: &str) {
        self.put(format_args!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{}</text>", escape(text)));
    }

    fn floor(&self) -> f64 {
        self.scale.head + self.picture.sessions.len() as f64 * self.scale.lane
    }

    fn steps(&self) -> usize {
        self.picture.steps.len()
    }

    fn width(&self) -> f64 {
        (self.scale.x(self.steps()) + 16.0).max(WIDTH_MIN)
    }

    fn open(&mut self, style: &str) {
        let (width, height) = (self.width(), self.floor() + 52.0);
        let (column, floor) = (self.scale.column, self.floor() - 8.0);
        let class = if self.scale.words == Words::InBoxes { "lanes" } else { "lanes dense" };
        let (title, says) = (escape(&self.picture.title), escape(&self.says()));
        self.put(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"{class}\" role=\"img\" \
             aria-labelledby=\"lanes-title lanes-says\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\">\n<title id=\"lanes-title\">{title}</title>\n\
             <desc id=\"lanes-says\">{says}</desc>\n{style}\
             <defs><pattern id=\"hatch\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\" \
             patternTransform=\"rotate(45)\"><rect class=\"hatch-ground\" width=\"7\" height=\"7\"/>\
             <rect class=\"hatch-line\" width=\"2\" height=\"7\"/></pattern>\
             <marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
             orient=\"auto\"><path class=\"head\" d=\"M0 0L8 4L0 8z\"/></marker>\
             <marker id=\"head-cycle\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" \
             markerHeight=\"7\" orient=\"auto\"><path class=\"head cycle\" d=\"M0 0L8 4L0 8z\"/></marker></defs>\n\
             <rect class=\"ground\" width=\"{width}\" height=\"{height}\"/>\n\
             <rect class=\"now\" x=\"-500\" y=\"8\" width=\"{column}\" height=\"{floor}\" rx=\"8\"/>"
        ));
    }

    /// The whole picture in words, for those who cannot see it.
    fn says(&self) -> String {
        let picture = self.picture;
        let name = |step: &Step| picture.sessions[step.session].name.as_str();
        let order: Vec<&str> = picture.steps.iter().map(name).collect();
        let mut says = format!(
            "{} over {}, in the order {}.",
            counted(picture.sessions.len() as u64, "session"),
            counted(picture.steps.len() as u64, "step"),
            clip(&order.join(" "), 400)
        );
        for verdict in picture.verdicts(Tone::Violated) {
            let (first, rest) =
                verdict.claim.split_at(verdict.claim.chars().next().map_or(0, char::len_utf8));
            let why = verdict.why.as_ref().map_or_else(String::new, |why| format!(", {why}"));
            says.push_str(&format!(" {}{rest}{why}.", first.to_uppercase()));
        }
        says
    }

    /// What the eye follows from a session's name to its steps.
    fn rails(&mut self) {
        let (left, right) = (self.scale.left - 12.0, self.width() - 16.0);
        for session in 0..self.picture.sessions.len() {
            let middle = self.scale.y(session) + self.scale.size.1 / 2.0;
            self.put(format_args!("<path class=\"rail\" d=\"M{left} {middle}H{right}\"/>"));
        }
    }

    /// The names of the sessions, on top of all else, so that a page can keep them in sight while the lanes scroll.
    fn names(&mut self) {
        let (width, height) = (self.scale.left - 18.0, self.floor());
        self.put(format_args!(
            "<g class=\"names\"><rect class=\"ground\" width=\"{width}\" height=\"{height}\"/>"
        ));
        for session in 0..self.picture.sessions.len() {
            let middle = self.scale.y(session) + self.scale.size.1 / 2.0;
            self.text(
                "session",
                24.0,
                middle + 7.0,
                &clip(&self.picture.sessions[session].name, NAME_COLUMNS),
            );
        }
        self.out.push_str("</g>\n");
    }

    fn axis(&mut self) {
        for number in 0..self.steps() {
            let marked = self.picture.steps[number].marked;
            let dense = self.scale.words == Words::AsTooltips;
            if dense && !marked && !(number + 1).is_multiple_of(10) {
                continue;
            }
            let x = self.scale.x(number) + self.scale.size.0 / 2.0;
            if marked && !dense {
                self.put(format_args!("<circle class=\"mark\" cx=\"{x}\" cy=\"26\" r=\"13\"/>"));
            }
            // In a dense picture a marked number stands above the others, so that the two never overlap.
            let y = if dense && marked { 16.0 } else { 31.0 };
            let class = if marked { "number marked" } else { "number" };
            self.text(class, x, y, &(number + 1).to_string());
        }
    }

    /// How long transactions are open.
    fn bands(&mut self, session: usize) {
        let (margin, y) = (if self.scale.words == Words::InBoxes { 7.0 } else { 3.0 }, self.scale.y(session));
        for &(from, to) in &self.picture.sessions[session].open {
            let x = self.scale.x(from) - margin;
            let width = self.scale.x(to) + self.scale.size.0 + margin - x;
            let height = self.scale.size.1 + 2.0 * margin;
            self.put(format_args!(
                "<rect class=\"band\" x=\"{x}\" y=\"{}\" width=\"{width}\" height=\"{height}\" rx=\"12\"/>",
                y - margin
            ));
        }
    }

    /// What begins with a step, above it, as far as there is room before the next of the lane.
    fn headings(&mut self) {
        if self.scale.words == Words::AsTooltips {
            return;
        }
        let mut ends = vec![self.steps(); self.picture.sessions.len()];
        for (number, step) in self.picture.steps.iter().enumerate().rev() {
            let Some(heading) = &step.heading else { continue };
            let end = std::mem::replace(&mut ends[step.session], number);
            let (x, y) = (self.scale.x(number), self.scale.y(step.session) - 16.0);
            self.text("operation", x, y, &clip(heading, (end - number) * HEADING_COLUMNS));
        }
    }

    /// A wait is hatched until its step completes, or until the end of the picture.
    fn wait(&mut self, number: usize, step: &Step) {
        let Some(wait) = &step.wait else { return };
        let until = wait.until.unwrap_or(self.steps());
        if until <= number {
            return;
        }
        let (x, y) = (self.scale.x(number) + self.scale.size.0, self.scale.y(step.session));
        let inset = self.scale.size.1 / 4.0;
        let (width, height) = (self.scale.x(until) - x, self.scale.size.1 - 2.0 * inset);
        self.put(format_args!(
            "<rect class=\"hatch\" x=\"{x}\" y=\"{}\" width=\"{width}\" height=\"{height}\"/>",
            y + inset
        ));
    }

    fn step(&mut self, number: usize, step: &Step) {
        let marked = if step.marked { "marked" } else { "" };
        let failed = if step.failed { "failed" } else { "" };
        let waits = if step.wait.is_some() { "waits" } else { "" };
        let classes = class(&["step", step.kind.class(), failed, waits, marked]);
        let (x, y, (width, height)) = (self.scale.x(number), self.scale.y(step.session), self.scale.size);
        let radius = if self.scale.words == Words::InBoxes { 8 } else { 3 };
        self.put(format_args!(
            "<g{classes} data-step=\"{}\"><title>{}</title><rect class=\"box\" x=\"{x}\" y=\"{y}\" \
             width=\"{width}\" height=\"{height}\" rx=\"{radius}\"/>",
            number + 1,
            escape(&step.tooltip),
        ));
        if self.scale.words == Words::InBoxes {
            for ((class, text), down) in step.in_box.iter().zip([21.0, 38.0, 56.0]) {
                if !text.is_empty() {
                    self.text(class, x + 10.0, y + down, &clip(text, BOX_COLUMNS));
                }
            }
        }
        self.out.push_str("</g>\n");
    }

    /// What completes in another's step stands in that step's column.
    fn resumes(&mut self, number: usize, waited: usize) {
        let step = &self.picture.steps[waited];
        let (x, y, (width, height)) = (self.scale.x(number), self.scale.y(step.session), self.scale.size);
        let inset = height / 4.0;
        let failed = if step.failed { "failed" } else { "" };
        let classes = class(&["resumes", failed]);
        self.put(format_args!(
            "<g{classes} data-step=\"{}\"><title>step {} resumes: {}</title><rect class=\"box\" x=\"{x}\" \
             y=\"{}\" width=\"{width}\" height=\"{}\" rx=\"{}\"/>",
            number + 1,
            waited + 1,
            escape(&step.result),
            y + inset,
            height - 2.0 * inset,
            if self.scale.words == Words::InBoxes { 8 } else { 3 },
        ));
        if self.scale.words == Words::InBoxes {
            let text = format!("↳ {}  {}", waited + 1, step.result);
            self.text("result", x + 10.0, y + height / 2.0 + 4.0, &clip(&text, BOX_COLUMNS));
        }
        self.out.push_str("</g>\n");
    }

    /// Only what occurs is explained.
    fn legend(&mut self) {
        let picture = self.picture;
        let has = |kind: Kind| picture.steps.iter().any(|step| step.kind == kind);
        let entries = [
            ("read", "read", has(Kind::Read)),
            ("lock", "read that locks", has(Kind::Lock)),
            ("write", "write", has(Kind::Write)),
            ("commit", "commit", has(Kind::Commit)),
            ("abort", "roll-back", has(Kind::Abort)),
            ("unknown", "outcome not told", has(Kind::Unknown)),
            ("legend-waits", "waits", picture.steps.iter().any(|step| step.wait.is_some())),
            ("marked", "named by the evidence", picture.steps.iter().any(|step| step.marked)),
        ];
        let (mut x, y) = (self.scale.left, self.floor() + 20.0);
        for (class, words, _) in entries.into_iter().filter(|(_, _, occurs)| *occurs) {
            self.put(format_args!(
                "<g class=\"step {class}\"><rect class=\"box\" x=\"{x}\" y=\"{y}\" width=\"20\" height=\"14\" \
                 rx=\"4\"/></g>"
            ));
            self.text("legend", x + 28.0, y + 11.5, words);
            x += 56.0 + words.len() as f64 * 6.6;
        }
    }
}
