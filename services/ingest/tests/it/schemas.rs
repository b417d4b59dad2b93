//! The registry's API.

use stardust_wire::Subject;

use crate::client::{Answer, get};
use crate::stack::{Options, start};

fn is_registry_error(answer: &Answer, status: u16, code: u32) {
    assert_eq!(answer.status, status);
    let body = answer.json();
    assert_eq!(body["error_code"], code);
    assert!(body["message"].is_string());
    assert_eq!(
        answer.header("content-type"),
        "application/vnd.schemaregistry.v1+json"
    );
}

#[tokio::test]
async fn every_schema_is_served_by_subject_and_by_id() {
    let stack = start(Options::default()).await;
    let subjects = get(stack.address, "/subjects").await.json();
    assert_eq!(subjects.as_array().unwrap().len(), Subject::ALL.len());
    for subject in subjects.as_array().unwrap() {
        let subject = subject.as_str().unwrap();
        assert!(subject.ends_with("-value"));
        let versions = get(stack.address, &format!("/subjects/{subject}/versions"))
            .await
            .json();
        let last = versions.as_array().unwrap().last().unwrap();
        let latest = get(stack.address, &format!("/subjects/{subject}/versions/latest"))
            .await
            .json();
        assert_eq!(&latest["version"], last);
        assert_eq!(latest["subject"], subject);
        let id = &latest["id"];
        let by_id = get(stack.address, &format!("/schemas/ids/{id}")).await.json();
        assert_eq!(by_id["schema"], latest["schema"]);
        let text = get(
            stack.address,
            &format!("/subjects/{subject}/versions/{last}/schema"),
        )
        .await;
        assert_eq!(text.text(), latest["schema"].as_str().unwrap());
        assert_eq!(
            text.text(),
            get(stack.address, &format!("/schemas/ids/{id}/schema"))
                .await
                .text()
        );
        let places = get(stack.address, &format!("/schemas/ids/{id}/versions"))
            .await
            .json();
        assert_eq!(places[0]["subject"], subject);
        let config = get(stack.address, &format!("/config/{subject}")).await.json();
        assert_eq!(config["compatibilityLevel"], "BACKWARD");
    }
    assert_eq!(get(stack.address, "/schemas/types").await.text(), r#"["AVRO"]"#);
    assert_eq!(
        get(stack.address, "/config").await.text(),
        r#"{"compatibilityLevel":"BACKWARD"}"#
    );
    assert_eq!(get(stack.address, "/mode").await.text(), r#"{"mode":"READONLY"}"#);
}

#[tokio::test]
async fn what_is_not_there_has_the_registrys_own_codes() {
    let stack = start(Options::default()).await;
    let raw = "ava4.readings.raw-value";
    is_registry_error(&get(stack.address, "/subjects/x/versions").await, 404, 40_401);
    is_registry_error(&get(stack.address, "/subjects/x/versions/1").await, 404, 40_401);
    is_registry_error(&get(stack.address, "/config/x").await, 404, 40_401);
    is_registry_error(
        &get(stack.address, &format!("/subjects/{raw}/versions/99")).await,
        404,
        40_402,
    );
    is_registry_error(
        &get(stack.address, &format!("/subjects/{raw}/versions/0")).await,
        422,
        42_202,
    );
    is_registry_error(&get(stack.address, "/schemas/ids/9999").await, 404, 40_403);
    is_registry_error(&get(stack.address, "/schemas/ids/x/schema").await, 404, 40_403);
}
