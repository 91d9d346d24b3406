//! What lies around a name of the knowledge graph, drawn on the server with attributes only.

use std::collections::BTreeMap;
use std::f64::consts::TAU;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde_json::Value;

use super::page::{Page, respond};
use super::sessions::BrowserSession;
use super::text::PageText;
use super::view::counted_of;
use crate::actors::Sessions;
use crate::engine::{Neighborhood, Neighbors, Relation};
use crate::error::Error;
use crate::http::ask::query;
use crate::model::percent::encoded_path;

/// More names than these are one dark spot.
const NODES: usize = 200;
/// Between two rings, and between two names of one ring, at least.
const RING: f64 = 90.0;
const ROOM: f64 = 46.0;
/// Around everything, for names that stand at the edge.
const MARGIN: f64 = 110.0;
/// Characters of a name that the drawing shows.
const LABEL_CHARS: usize = 18;

#[derive(Template)]
#[template(path = "ui/graph.html")]
struct GraphPage {
    page: Page,
    /// Where it begins; empty where nobody said.
    name: String,
    nodes: Vec<NodeView>,
    lines: Vec<EdgeView>,
    /// Of the drawing: the left and upper edge, and the length of a side.
    edge: String,
    side: String,
    summary: String,
    total: String,
}

/// A name in the drawing and in the list.
struct NodeView {
    name: PageText,
    label: PageText,
    kind: PageText,
    /// Where more is around it.
    path: String,
    /// The memory that it lies in; empty if there is none.
    memory: String,
    x: String,
    y: String,
    is_first: bool,
}

struct EdgeView {
    from: PageText,
    kind: PageText,
    to: PageText,
    x1: String,
    y1: String,
    x2: String,
    y2: String,
}

/// A place of the drawing, whose middle is zero.
type Point = (f64, f64);

/// Draws the neighborhood of a name, or lists where one may begin.
pub(in crate::http) async fn graph(
    request: HttpRequest,
    session: BrowserSession,
    sessions: web::Data<Sessions>,
) -> Result<HttpResponse, Error> {
    let asked = query(&request, |_| false)?;
    let name = asked.get("name").and_then(Value::as_str).map(str::to_owned);
    let verb = Neighborhood { name: name.clone(), most: NODES };
    let found = sessions.ask(&session.caller, verb).await?;
    let steps: Vec<usize> = found.nodes.iter().map(|node| node.steps).collect();
    let (points, radius) = rings(&steps);
    let reach = radius + MARGIN;
    let page = GraphPage {
        page: Page::of(&request, Some(&session), "Knowledge graph"),
        nodes: nodes(&found, &points),
        lines: lines(&found, &points),
        edge: rounded(-reach),
        side: rounded(2.0 * reach),
        summary: format!("{} names and {} relations", found.nodes.len(), found.relations.len()),
        total: counted_of(found.total),
        name: name.unwrap_or_default(),
    };
    Ok(respond(StatusCode::OK, &page))
}

/// A place for each of some names, which lie so many steps from the first, the nearest first; and how far
/// out the last ones are. Each step has a ring, as wide as its names need.
fn rings(steps: &[usize]) -> (Vec<Point>, f64) {
    let mut points = Vec::with_capacity(steps.len());
    let mut radius = 0.0_f64;
    for ring in steps.chunk_by(|one, next| one == next) {
        let count = f64::from(u32::try_from(ring.len()).unwrap_or(u32::MAX));
        if !points.is_empty() || ring.len() > 1 {
            radius = (radius + RING).max(count * ROOM / TAU);
        }
        let mut turn = 0.0;
        for _ in ring {
            let angle = turn / count * TAU;
            points.push((radius * angle.cos(), radius * angle.sin()));
            turn += 1.0;
        }
    }
    (points, radius)
}

fn nodes(found: &Neighbors, points: &[Point]) -> Vec<NodeView> {
    let places = found.nodes.iter().zip(points);
    let view = places.enumerate().map(|(n, (node, (x, y)))| {
        let short: String = node.name.chars().take(LABEL_CHARS).collect();
        let dots = if short.len() < node.name.len() { "..." } else { "" };
        NodeView {
            name: PageText::of(&node.name),
            label: PageText::of(&format!("{short}{dots}")),
            kind: PageText::of(&node.kind),
            path: format!("/ui/graph?name={}", encoded_path(&node.name)),
            memory: node.id.map(|id| id.to_string()).unwrap_or_default(),
            x: rounded(*x),
            y: rounded(*y),
            is_first: n == 0,
        }
    });
    view.collect()
}

fn lines(found: &Neighbors, points: &[Point]) -> Vec<EdgeView> {
    let names = found.nodes.iter().map(|node| node.name.as_str());
    let places: BTreeMap<&str, &Point> = names.zip(points).collect();
    let line = |relation: &Relation| {
        let (x1, y1) = places.get(relation.from.as_str())?;
        let (x2, y2) = places.get(relation.to.as_str())?;
        Some(EdgeView {
            from: PageText::of(&relation.from),
            kind: PageText::of(&relation.kind),
            to: PageText::of(&relation.to),
            x1: rounded(*x1),
            y1: rounded(*y1),
            x2: rounded(*x2),
            y2: rounded(*y2),
        })
    };
    found.relations.iter().filter_map(line).collect()
}

fn rounded(number: f64) -> String {
    format!("{number:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_place_of_its_own_and_the_first_is_in_the_middle() {
        let steps: Vec<usize> = [0, 1, 1, 1].into_iter().chain([2; 150]).chain([3]).collect();

        let (points, radius) = rings(&steps);

        assert_eq!(points.len(), steps.len());
        assert_eq!(points[0], (0.0, 0.0));
        for (n, (x, y)) in points.iter().enumerate() {
            assert!(x.hypot(*y) <= radius + 1.0, "{n} is outside");
            let is_free = |(other_x, other_y): &Point| (x - other_x).hypot(y - other_y) > 20.0;
            assert!(points[..n].iter().all(is_free), "{n} lies on another");
        }
        assert_eq!(rings(&[]), (Vec::new(), 0.0));
    }
}
