//! Extended JSON, canonical and relaxed, as `mongoexport` writes it.

use mongodb::bson::{Bson, DateTime, Document};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// Every number says its type.
    Canonical,
    /// Numbers are JSON numbers where they can be.
    Relaxed,
}

/// A document as one line.
pub fn line(document: &Document, spelling: Spelling) -> String {
    let mut out = String::with_capacity(1_024);
    object(&mut out, document, spelling);
    out
}

fn object(out: &mut String, document: &Document, spelling: Spelling) {
    out.push('{');
    for (at, (name, value)) in document.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        text(out, name);
        out.push(':');
        push(out, value, spelling);
    }
    out.push('}');
}

fn push(out: &mut String, value: &Bson, spelling: Spelling) {
    let relaxed = spelling == Spelling::Relaxed;
    match value {
        Bson::Null => out.push_str("null"),
        Bson::Boolean(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Bson::String(of) => text(out, of),
        Bson::ObjectId(id) => wrapped(out, "$oid", &id.to_hex()),
        Bson::Int32(n) if relaxed => out.push_str(&n.to_string()),
        Bson::Int32(n) => wrapped(out, "$numberInt", &n.to_string()),
        Bson::Int64(n) if relaxed => out.push_str(&n.to_string()),
        Bson::Int64(n) => wrapped(out, "$numberLong", &n.to_string()),
        Bson::Double(n) if relaxed && n.is_finite() => out.push_str(&double(*n)),
        Bson::Double(n) => wrapped(out, "$numberDouble", &double(*n)),
        Bson::DateTime(at) => date(out, *at, relaxed),
        Bson::Document(document) => object(out, document, spelling),
        Bson::Array(values) => {
            out.push('[');
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                push(out, value, spelling);
            }
            out.push(']');
        }
        other => panic!("the hospital has no {:?}", other.element_type()),
    }
}

fn date(out: &mut String, at: DateTime, relaxed: bool) {
    const YEAR_10000: i64 = 253_402_300_800_000;
    let millis = at.timestamp_millis();
    out.push_str(r#"{"$date":"#);
    if relaxed && (0..YEAR_10000).contains(&millis) {
        text(out, &at.try_to_rfc3339_string().expect("a year of four digits"));
    } else {
        wrapped(out, "$numberLong", &millis.to_string());
    }
    out.push('}');
}

/// The shortest text of a double, with the point that says what it is.
fn double(n: f64) -> String {
    if n.is_nan() {
        "NaN".to_owned()
    } else if n.is_infinite() {
        if n > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else {
        format!("{n:?}")
    }
}

fn wrapped(out: &mut String, name: &str, value: &str) {
    out.push_str(r#"{""#);
    out.push_str(name);
    out.push_str(r#"":""#);
    out.push_str(value);
    out.push_str(r#""}"#);
}

fn text(out: &mut String, of: &str) {
    out.push_str(&serde_json::to_string(of).expect("a text is JSON"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::{doc, oid::ObjectId};

    #[test]
    fn both_spellings_are_those_of_the_export_tool() {
        let document = doc! {
            "_id": ObjectId::from_bytes([1; 12]), "i": 7, "l": 7_i64, "d": 7.0, "e": 100.8, "inf": f64::INFINITY, "n": null,
            "at": DateTime::from_millis(1_000), "before": DateTime::from_millis(-1_000), "a": ["x", true, {"y": 1}],
        };
        assert_eq!(
            line(&document, Spelling::Relaxed),
            r#"{"_id":{"$oid":"010101010101010101010101"},"i":7,"l":7,"d":7.0,"e":100.8,"inf":{"$numberDouble":"Infinity"},"n":null,"at":{"$date":"1970-01-01T00:00:01Z"},"before":{"$date":{"$numberLong":"-1000"}},"a":["x",true,{"y":1}]}"#
        );
        assert_eq!(
            line(&document, Spelling::Canonical),
            r#"{"_id":{"$oid":"010101010101010101010101"},"i":{"$numberInt":"7"},"l":{"$numberLong":"7"},"d":{"$numberDouble":"7.0"},"e":{"$numberDouble":"100.8"},"inf":{"$numberDouble":"Infinity"},"n":null,"at":{"$date":{"$numberLong":"1000"}},"before":{"$date":{"$numberLong":"-1000"}},"a":["x",true,{"y":{"$numberInt":"1"}}]}"#
        );
    }
}
