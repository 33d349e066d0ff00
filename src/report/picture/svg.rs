//! The lanes as an SVG document of their own, for a README or a review. It follows the reader's light or dark setting and
//! needs nothing from anywhere else.

use super::Picture;
use super::lanes;

/// Colours by name, for light and for dark.
pub(in crate::report) const COLOURS: &str = include_str!("colours.css");
/// How lanes look, in those colours.
pub(super) const LANES: &str = include_str!("lanes.css");

/// The picture as an SVG document.
pub fn svg(picture: &Picture<'_>) -> String {
    let style = format!("<style>{COLOURS}{LANES}</style>");
    lanes::draw(picture, &style)
}
