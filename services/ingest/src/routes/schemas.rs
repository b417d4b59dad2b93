//! The schemas under the API of a Confluent-compatible registry, read only. Its errors have the registry's own shape.

use serde::Serialize;
use stardust_wire::Subject;
use stardust_wire::schemas::{VERSIONS, Version};
use warp::http::{HeaderValue, StatusCode};
use warp::reply::Response;
use warp::{Filter, Rejection};

use crate::reply;
use crate::request::Ask;
use crate::routes::{ask, get};

pub(super) fn filter() -> impl Filter<Extract = (Response,), Error = Rejection> + Clone {
    let subjects = warp::path!("subjects").and(ask()).map(|ask: Ask| {
        let names: Vec<_> = Subject::ALL.iter().map(|s| s.name()).collect();
        found(&ask, &names)
    });
    let versions = warp::path!("subjects" / String / "versions")
        .and(ask())
        .map(|subject: String, ask: Ask| answer(&ask, numbers(&subject)));
    let version = warp::path!("subjects" / String / "versions" / String)
        .and(ask())
        .map(|subject: String, version: String, ask: Ask| {
            answer(&ask, find(&subject, &version).map(Whole::of))
        });
    let text = warp::path!("subjects" / String / "versions" / String / "schema")
        .and(ask())
        .map(|subject: String, version: String, ask: Ask| raw(&ask, find(&subject, &version)));
    let schemas = by_id();
    let types = warp::path!("schemas" / "types")
        .and(ask())
        .map(|ask: Ask| found(&ask, &["AVRO"]));
    let config = warp::path!("config")
        .and(ask())
        .map(|ask: Ask| found(&ask, &BACKWARD));
    let subject_config = warp::path!("config" / String)
        .and(ask())
        .map(|subject: String, ask: Ask| answer(&ask, numbers(&subject).map(|_| BACKWARD)));
    let mode = warp::path!("mode")
        .and(ask())
        .map(|ask: Ask| found(&ask, &Mode { mode: "READONLY" }));
    let any = subjects
        .or(versions)
        .unify()
        .or(version)
        .unify()
        .or(text)
        .unify()
        .or(schemas)
        .unify()
        .or(types)
        .unify()
        .or(config)
        .unify()
        .or(subject_config)
        .unify()
        .or(mode)
        .unify();
    get().and(any)
}

fn by_id() -> impl Filter<Extract = (Response,), Error = Rejection> + Clone {
    let schema = warp::path!("schemas" / "ids" / String)
        .and(ask())
        .map(|id: String, ask: Ask| answer(&ask, identified(&id).map(|v| Text { schema: v.text })));
    let text = warp::path!("schemas" / "ids" / String / "schema")
        .and(ask())
        .map(|id: String, ask: Ask| raw(&ask, identified(&id)));
    let versions = warp::path!("schemas" / "ids" / String / "versions")
        .and(ask())
        .map(|id: String, ask: Ask| {
            let place = identified(&id).map(|v| {
                [Place {
                    subject: v.subject.name(),
                    version: v.version,
                }]
            });
            answer(&ask, place)
        });
    schema.or(text).unify().or(versions).unify()
}

/// The registry's own errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lack {
    Subject,
    Version,
    Schema,
    /// A version that is neither a number above 0 nor `latest`.
    Unversion,
}

#[derive(Serialize)]
struct Error {
    error_code: u32,
    message: &'static str,
}

#[derive(Serialize)]
struct Whole {
    subject: String,
    version: u32,
    id: u32,
    schema: &'static str,
}

impl Whole {
    fn of(version: &'static Version) -> Self {
        Self {
            subject: version.subject.name(),
            version: version.version,
            id: version.id,
            schema: version.text,
        }
    }
}

#[derive(Serialize)]
struct Text {
    schema: &'static str,
}

#[derive(Serialize)]
struct Place {
    subject: String,
    version: u32,
}

#[derive(Serialize)]
struct Config {
    #[serde(rename = "compatibilityLevel")]
    compatibility_level: &'static str,
}

const BACKWARD: Config = Config {
    compatibility_level: "BACKWARD",
};

#[derive(Serialize)]
struct Mode {
    mode: &'static str,
}

fn of_subject(name: &str) -> impl Iterator<Item = &'static Version> {
    VERSIONS.iter().filter(move |v| v.subject.name() == name)
}

fn numbers(subject: &str) -> Result<Vec<u32>, Lack> {
    let numbers: Vec<_> = of_subject(subject).map(|v| v.version).collect();
    if numbers.is_empty() {
        return Err(Lack::Subject);
    }
    Ok(numbers)
}

fn find(subject: &str, version: &str) -> Result<&'static Version, Lack> {
    numbers(subject)?;
    if version == "latest" || version == "-1" {
        return of_subject(subject).last().ok_or(Lack::Version);
    }
    match version.parse::<u32>() {
        Ok(0) | Err(_) => Err(Lack::Unversion),
        Ok(number) => of_subject(subject)
            .find(|v| v.version == number)
            .ok_or(Lack::Version),
    }
}

fn identified(id: &str) -> Result<&'static Version, Lack> {
    let id: u32 = id.parse().map_err(|_| Lack::Schema)?;
    VERSIONS.iter().find(|v| v.id == id).ok_or(Lack::Schema)
}

fn typed(mut response: Response) -> Response {
    response.headers_mut().insert(
        warp::http::header::CONTENT_TYPE,
        HeaderValue::from_static("application/vnd.schemaregistry.v1+json"),
    );
    response
}

fn found<T: Serialize>(ask: &Ask, value: &T) -> Response {
    typed(reply::json(ask, StatusCode::OK, value))
}

fn answer<T: Serialize>(ask: &Ask, value: Result<T, Lack>) -> Response {
    match value {
        Ok(value) => found(ask, &value),
        Err(lack) => lacking(ask, lack),
    }
}

fn raw(ask: &Ask, version: Result<&'static Version, Lack>) -> Response {
    match version {
        Ok(version) => reply::bytes(
            ask,
            StatusCode::OK,
            HeaderValue::from_static("application/json"),
            version.text,
        ),
        Err(lack) => lacking(ask, lack),
    }
}

fn lacking(ask: &Ask, lack: Lack) -> Response {
    let (status, error_code, message) = match lack {
        Lack::Subject => (StatusCode::NOT_FOUND, 40_401, "Subject not found"),
        Lack::Version => (StatusCode::NOT_FOUND, 40_402, "Version not found"),
        Lack::Schema => (StatusCode::NOT_FOUND, 40_403, "Schema not found"),
        Lack::Unversion => (
            StatusCode::UNPROCESSABLE_ENTITY,
            42_202,
            "The version is neither a number above 0 nor 'latest'",
        ),
    };
    typed(reply::json(ask, status, &Error { error_code, message }))
}
