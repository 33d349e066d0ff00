//! Dependencies between steps, as arcs from the step that is depended on to the one that depends on it.

use super::super::markup::escape;
use super::super::{Edge, Place};
use super::Drawing;

/// Those on the cycle are drawn last, on top of the others.
pub(super) fn draw(drawing: &mut Drawing<'_>) {
    let picture = drawing.picture;
    for place in [Place::Beside, Place::OnTheCycle] {
        for edge in picture.edges().filter(|edge| edge.place == place) {
            arc(drawing, edge);
        }
    }
}

fn arc(drawing: &mut Drawing<'_>, edge: &Edge) {
    let steps = &drawing.picture.finding.history.steps;
    let (width, height) = drawing.scale.size;
    let end = |step: usize| (drawing.scale.x(step) + width / 2.0, drawing.scale.y(steps[step].session));
    let ((x1, y1), (x2, y2)) = (end(edge.from), end(edge.to));
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
    let (class, head) = match edge.place {
        Place::OnTheCycle => ("edge cycle", "head-cycle"),
        Place::Beside => ("edge", "head"),
    };
    // Between lanes the words stand in the upper half of the gap: below are the names of the lower lane's operations.
    let lift = if same_lane { 4.0 } else { -7.0 };
    let (x, y) = ((x1 + x2) / 2.0, (y1 + y2 + 3.0 * (c1 + c2)) / 8.0);
    drawing.put(format_args!(
        "<g class=\"{class}\"><title>step {} → step {}, {}: {}</title>\
         <path d=\"M{x1} {y1}C{x1} {c1} {x2} {c2} {x2} {y2}\" marker-end=\"url(#{head})\"/>\
         <text class=\"kind\" x=\"{x}\" y=\"{}\">{}</text></g>",
        edge.from + 1,
        edge.to + 1,
        escape(&edge.kind),
        escape(&edge.label),
        y + lift,
        escape(&edge.kind),
    ));
}
