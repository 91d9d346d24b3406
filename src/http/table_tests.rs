use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::middleware::from_fn;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, web};
use serde_json::{Value, json};

use super::front::tests::front_of;
use super::front::{Guard, receive};
use super::metrics::Metrics;
use super::openapi::description;
use super::table::table;
use crate::engine::{
    Add, Arguments, Context, Delete, Get, History, List, ListImports, ListProjects, ListRecalls,
    ListTags, Related, Restore, Search, Spoken, Stats, Undo, Update,
};

fn is_open_to_all(row: &super::route::Row) -> bool {
    matches!(row.guard, Guard::Open(_) | Guard::Probe(_))
}

/// The pages have a door of their own, and tests of it.
fn closed_rows() -> impl Iterator<Item = super::route::Row> {
    table().into_iter().filter(|row| !is_open_to_all(row) && !row.is_page())
}

#[actix_web::test]
async fn no_row_lets_a_stranger_past_its_guard() {
    let front =
        web::Data::new(front_of(&[("RATE_LIMIT_REQUESTS", "0")], Arc::new(Metrics::default())));
    let app = App::new().app_data(front).configure(super::routes).wrap(from_fn(receive));
    let app = init_service(app).await;
    let stranger = SocketAddr::from(([203, 0, 113, 9], 1));

    let mut closed = 0;
    for row in closed_rows() {
        let path = row.path.replace("{id}", "01ARZ3NDEKTSV4RRFFQ69G5FAV");
        let encoded = format!("/%{:02x}{}", path.as_bytes()[1], &path[2..]);
        for uri in [path.clone(), encoded, format!("{path}/"), format!("/{path}")] {
            let request = TestRequest::with_uri(&uri).method(row.method.clone());
            let request = request.insert_header(("Host", "127.0.0.1")).peer_addr(stranger);
            let status = call_service(&app, request.to_request()).await.status();
            assert_eq!(status.as_u16(), 401, "{} {uri}", row.method);
        }
        closed += 1;
    }
    assert!(closed > 20, "only {closed} closed routes");
}

#[test]
fn every_open_route_has_its_reason_and_no_other_is_described_as_open() {
    let described = description();

    for row in table().into_iter().filter(|row| !row.is_page()) {
        let path = if row.path == "/mcp/" { "/mcp" } else { row.path }.replace('/', "~1");
        let method = row.method.as_str().to_ascii_lowercase();
        let operation = described.pointer(&format!("/paths/{path}/{method}")).unwrap();
        let is_open = is_open_to_all(&row);
        let is_keyless = operation["security"] == json!([]);
        assert_eq!(is_keyless, matches!(row.guard, Guard::Open(_)), "{} {}", row.method, row.path);
        assert!(!row.words.summary.is_empty() && !row.words.tag.is_empty(), "{}", row.path);
        assert!(!row.words.answers.is_empty(), "{}", row.path);
        assert_eq!(operation["responses"].get("401").is_none(), is_open, "{}", row.path);
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let described = description();
    let text = described.to_string();

    let references = text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next());
    let mut count = 0;
    for reference in references {
        count += 1;
        assert!(described.pointer(reference).is_some(), "{reference} leads nowhere");
    }
    assert!(count > 10, "only {count} references");
}

#[test]
fn no_path_and_method_stands_in_the_table_twice() {
    let rows: Vec<_> =
        table().into_iter().map(|row| (row.path, row.method.as_str().to_owned())).collect();

    assert_eq!(rows.iter().collect::<BTreeSet<_>>().len(), rows.len());
}

#[test]
fn what_a_verb_takes_is_what_the_description_says() {
    let described = description();
    let mut seen = 0;
    seen += told::<List>(&described, "/api/v1/memories", "get");
    seen += told::<Add>(&described, "/api/v1/memories", "post");
    seen += told::<Get>(&described, "/api/v1/memories/{id}", "get");
    seen += told::<Update>(&described, "/api/v1/memories/{id}", "patch");
    seen += told::<Delete>(&described, "/api/v1/memories/{id}", "delete");
    seen += told::<History>(&described, "/api/v1/memories/{id}/history", "get");
    seen += told::<Restore>(&described, "/api/v1/memories/{id}/restore", "post");
    seen += told::<Undo>(&described, "/api/v1/undo", "post");
    seen += told::<Related>(&described, "/api/v1/memories/{id}/related", "get");
    seen += told::<Search>(&described, "/api/v1/search", "get");
    seen += told::<Search>(&described, "/api/v1/search", "post");
    seen += told::<Context>(&described, "/api/v1/context", "get");
    seen += told::<ListTags>(&described, "/api/v1/tags", "get");
    seen += told::<ListProjects>(&described, "/api/v1/projects", "get");
    seen += told::<Stats>(&described, "/api/v1/stats", "get");

    seen += told::<ListRecalls>(&described, "/api/v1/why", "get");
    seen += told::<ListImports>(&described, "/api/v1/import", "get");
    let takes_user_only = 4;
    // Those of older servers take what their calls declare.
    let is_ours = |row: &super::route::Row| row.path.starts_with("/api/v1/");
    let spoken = table().into_iter().filter(|row| row.words.takes_user && is_ours(row));
    assert_eq!(spoken.count(), seen + takes_user_only, "a route of a verb is not looked at here");
}

/// Looks at one route: the description names every argument of its verb and `user_id`, nothing
/// else, and the verb knows all of them.
fn told<V: Spoken>(described: &Value, path: &str, method: &str) -> usize {
    let operation = &described["paths"][path][method];
    let mut names: BTreeSet<String> = BTreeSet::new();
    for parameter in operation["parameters"].as_array().unwrap() {
        names.insert(parameter["name"].as_str().unwrap().to_owned());
    }
    let body = &operation["requestBody"]["content"]["application/json"]["schema"]["properties"];
    names.extend(body.as_object().into_iter().flat_map(|fields| fields.keys().cloned()));

    let mut taken: BTreeSet<String> =
        V::fields().iter().map(|field| field.name.to_owned()).collect();
    for name in &taken {
        let mut arguments = Arguments::default();
        arguments.set(name, json!({ "no": "argument" }));
        let problems = V::parse(arguments).err().map(|refused| refused.fields).unwrap_or_default();
        let unknown = problems
            .iter()
            .any(|told| told.field == *name && told.problem.contains("not an argument"));
        assert!(!unknown, "{method} {path} does not know {name}");
    }
    taken.insert("user_id".to_owned());
    assert_eq!(names, taken, "{method} {path}");
    1
}
