//! Dependencies between steps, as arcs from the step that is depended on to the one that depends on it.
//!
//! Those on the cycle lie on top of everything; the others lie behind the boxes, and where they are many they are thin and
//! carry no words, so that the cycle stays what the eye finds first.

use super::super::markup::escape;
use super::super::{Edge, Place};
use super::{Drawing, Words};

/// From so many arcs beside the cycle on, they carry no words.
const QUIET_MIN: usize = 24;

/// How an arc is drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    OnTheCycle,
    Beside,
    /// One of many.
    Quiet,
}

/// Draws those at `place`. Several between the same two steps share an arc.
pub(super) fn draw(drawing: &mut Drawing<'_>, place: Place) {
    let picture = drawing.picture;
    let mut edges: Vec<&Edge> = picture.edges.iter().filter(|edge| edge.place == place).collect();
    edges.sort_by_key(|edge| (edge.from, edge.to));
    let arcs: Vec<&[&Edge]> = edges.chunk_by(|a, b| (a.from, a.to) == (b.from, b.to)).collect();
    let manner = match place {
        Place::OnTheCycle => Manner::OnTheCycle,
        Place::Beside if arcs.len() >= QUIET_MIN || drawing.scale.words == Words::AsTooltips => Manner::Quiet,
        Place::Beside => Manner::Beside,
    };
    arcs.into_iter().for_each(|of_two| arc(drawing, of_two, manner));
}

fn arc(drawing: &mut Drawing<'_>, edges: &[&Edge], manner: Manner) {
    let (from, to) = (edges[0].from, edges[0].to);
    let steps = &drawing.picture.steps;
    let (width, height) = drawing.scale.size;
    let end = |step: usize| (drawing.scale.x(step) + width / 2.0, drawing.scale.y(steps[step].session));
    let ((x1, y1), (x2, y2)) = (end(from), end(to));
    // Between two lanes an arc leaves on the side that faces the other lane; within one it goes over the boxes.
    let (y1, y2, bend) = if y1 < y2 {
        (y1 + height, y2 - 2.0, (y2 - y1 - height) / 2.0)
    } else if y1 > y2 {
        (y1, y2 + height + 2.0, -(y1 - y2 - height) / 2.0)
    } else {
        (y1, y2 - 2.0, -26.0)
    };
    let same_lane = bend < 0.0 && (y1 - y2).abs() < 3.0;
    let (c1, c2) = if same_lane { (y1 + bend, y2 + bend) } else { (y1 + bend, y2 - bend) };
    let (class, head) = match manner {
        Manner::OnTheCycle => ("edge cycle", " marker-end=\"url(#head-cycle)\""),
        Manner::Beside => ("edge", " marker-end=\"url(#head)\""),
        Manner::Quiet => ("edge quiet", ""),
    };
    let title = |edge: &&Edge| {
        format!("step {} → step {}, {}: {}", from + 1, to + 1, escape(&edge.kind), escape(&edge.label))
    };
    let titles: Vec<String> = edges.iter().map(title).collect();
    drawing.put(format_args!(
        "<g class=\"{class}\"><title>{}</title><path d=\"M{x1} {y1}C{x1} {c1} {x2} {c2} {x2} {y2}\"{head}/>",
        titles.join("\n"),
    ));
    if manner != Manner::Quiet {
        let kinds: Vec<&str> = edges.iter().map(|edge| edge.kind.as_str()).collect();
        // Between lanes the words stand in the upper half of the gap: below are the names of the lower lane's operations.
        let lift = if same_lane { 4.0 } else { -7.0 };
        let (x, y) = ((x1 + x2) / 2.0, (y1 + y2 + 3.0 * (c1 + c2)) / 8.0 + lift);
        drawing.text("kind", x, y, &kinds.join(", "));
    }
    drawing.out.push_str("</g>\n");
}
