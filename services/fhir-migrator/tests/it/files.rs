//! Files that were made of a database.

use std::path::Path;

use stardust_fhir_migrator::files::Folder;
use stardust_pipeline::history::{Documents, Source, SourceDocument, SourceError};
use tempfile::TempDir;

/// Stands for the decoder of the database's adapter: the bytes behind the length as hex.
fn decode(bytes: &[u8]) -> Option<String> {
    let hex: String = bytes[4..].iter().map(|b| format!("{b:02x}")).collect();
    (bytes[4] != 0xff).then_some(hex)
}

fn folder_with(name: &str, content: &[u8]) -> (TempDir, Folder) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(name), content).unwrap();
    let opened = Folder::open(folder.path(), "AMY", decode).unwrap();
    (folder, opened)
}

async fn read(
    folder: &Folder,
    after: Option<&str>,
    most: usize,
) -> (Vec<SourceDocument>, Option<SourceError>) {
    let mut documents = folder.open("c", after).await.unwrap();
    let mut all = Vec::new();
    loop {
        match documents.next(most, 10).await {
            Ok(some) if some.is_empty() => return (all, None),
            Ok(some) => {
                assert!(some.len() <= most);
                all.extend(some);
            }
            Err(error) => return (all, Some(error)),
        }
    }
}

fn texts(documents: &[SourceDocument]) -> Vec<Option<&str>> {
    documents.iter().map(|d| d.text.as_deref()).collect()
}

const ONE: &str = r#"{"_id":1,"a":"} \" {","data":[{"x":[1]}]}"#;
const TWO: &str = r#"{"_id":2}"#;

#[tokio::test]
async fn a_document_a_line_an_array_and_documents_over_several_lines_are_read() {
    let pretty = "{\n  \"_id\" : 2\n}";
    for (content, expected) in [
        (format!("{ONE}\n{TWO}\n"), vec![ONE, TWO]),
        (format!("{ONE}\r\n\n{TWO}"), vec![&format!("{ONE}\r"), TWO]),
        (format!("\u{feff}{TWO}\n{ONE}\n"), vec![TWO, ONE]),
        (format!("[{ONE},{TWO}]\n"), vec![ONE, TWO]),
        (format!("[\n{ONE},\n{TWO}\n]"), vec![ONE, TWO]),
        (format!("{pretty}\n{pretty}\n"), vec![pretty, pretty]),
        ("[]".to_owned(), vec![]),
        (String::new(), vec![]),
    ] {
        let (_kept, folder) = folder_with("c.json", content.as_bytes());
        for most in [1, 100] {
            let (documents, error) = read(&folder, None, most).await;
            let expected: Vec<Option<&str>> = expected.iter().map(|text| Some(*text)).collect();
            assert_eq!((texts(&documents), error), (expected, None), "{content}");
        }
    }
}

#[tokio::test]
async fn reading_goes_on_behind_any_place() {
    for content in [
        format!("{ONE}\n{TWO}\n{ONE}\n"),
        format!("[{ONE}, {TWO},\n{ONE}]"),
    ] {
        let (_kept, folder) = folder_with("c.json", content.as_bytes());
        let (all, _) = read(&folder, None, 100).await;
        assert_eq!(all.len(), 3);
        for at in 0..3 {
            let (rest, error) = read(&folder, Some(&all[at].place), 100).await;
            assert_eq!((texts(&rest), error), (texts(&all[at + 1..]), None));
        }
        let size: u64 = all.iter().map(|d| d.size).sum();
        let whole = folder.collections(&["c"]).await.unwrap()[0].size;
        assert!(whole - size <= 2, "{size} of {whole}");
    }
}

#[tokio::test]
async fn what_is_no_document_harms_no_other() {
    let (_kept, folder) = folder_with("c.json", format!("{ONE}\nnonsense {{\n\"\\\n{TWO}\n").as_bytes());
    let (documents, error) = read(&folder, None, 100).await;
    assert_eq!(texts(&documents)[0], Some(ONE));
    assert_eq!(
        (documents.last().unwrap().text.as_deref(), error),
        (Some(TWO), None)
    );
    let (_kept, folder) = folder_with("c.json", format!("[{ONE}, 17, null, {TWO}]").as_bytes());
    let (documents, error) = read(&folder, None, 100).await;
    assert_eq!(texts(&documents), [Some(ONE), None, None, Some(TWO)]);
    assert_eq!(error, None);
    let (_kept, folder) = folder_with("c.json", b"{\"_id\":1,\"a\":\"\xff\"}\n{\"_id\":2}\n");
    assert_eq!(texts(&read(&folder, None, 100).await.0), [None, Some(TWO)]);
}

#[tokio::test]
async fn a_file_that_is_cut_off_gives_what_is_whole_and_says_where_it_ends() {
    for content in [format!("{TWO}\n{{\"_id\":3,\"da"), format!("[{TWO},{{\"_id\":3,")] {
        let (_kept, folder) = folder_with("c.json", content.as_bytes());
        let (documents, error) = read(&folder, None, 100).await;
        assert_eq!(texts(&documents), [Some(TWO)]);
        assert!(
            matches!(&error, Some(SourceError::CutOff(what)) if what.contains("starts at byte 1")),
            "{error:?}"
        );
    }
    let (_kept, folder) = folder_with("c.bson", &[6, 0, 0, 0, 1, 0, 9, 0, 0, 0, 1]);
    let (documents, error) = read(&folder, None, 100).await;
    assert_eq!(texts(&documents), [Some("0100")]);
    assert!(matches!(&error, Some(SourceError::CutOff(what)) if what.contains("starts at byte 6")));
}

#[tokio::test]
async fn a_dump_is_cut_by_the_lengths_of_its_documents() {
    let dump = [6, 0, 0, 0, 1, 0, 5, 0, 0, 0, 0xff, 7, 0, 0, 0, 1, 2, 0];
    let (_kept, folder) = folder_with("c.bson", &dump);
    let (documents, error) = read(&folder, None, 1).await;
    assert_eq!(
        (texts(&documents), error),
        (vec![Some("0100"), None, Some("010200")], None)
    );
    let (rest, _) = read(&folder, Some(&documents[1].place), 1).await;
    assert_eq!(texts(&rest), [Some("010200")]);
    let (_kept, folder) = folder_with("c.bson", &[6, 0, 0, 0, 1, 0, 1, 0, 0, 0]);
    let (documents, error) = read(&folder, None, 100).await;
    assert_eq!(documents.len(), 1);
    assert!(matches!(error, Some(SourceError::Unusable(_))), "{error:?}");
}

#[tokio::test]
async fn a_folder_has_one_file_for_a_collection() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str| std::fs::write(folder.path().join(name), "{}\n").unwrap();
    put("b.json");
    put("d.bson.gz");
    let opened = |at: &Path| Folder::open(at, "AMY", decode);
    let source = opened(folder.path()).unwrap();
    let found = source.collections(&["a", "b", "c"]).await.unwrap();
    assert_eq!(
        found
            .iter()
            .map(|c| (c.name.as_str(), c.size))
            .collect::<Vec<_>>(),
        [("b", 3)]
    );
    let error = source.collections(&["d"]).await.unwrap_err().to_string();
    assert!(error.contains("gunzip"), "{error}");
    put("b.bson");
    let error = source.collections(&["b"]).await.unwrap_err().to_string();
    assert!(error.contains("b.bson") && error.contains("b.json"), "{error}");
    assert!(opened(&folder.path().join("nowhere")).is_err());
    // As mongodump has it: a folder for each database.
    std::fs::create_dir(folder.path().join("AMY")).unwrap();
    let within = opened(folder.path()).unwrap();
    assert!(within.collections(&["b"]).await.unwrap().is_empty());
    assert_ne!(within.describe(), source.describe());
    let same = opened(&folder.path().join("AMY")).unwrap();
    assert_eq!(within.describe(), same.describe());
}

#[tokio::test]
async fn a_file_that_became_shorter_is_another_file() {
    let (_kept, folder) = folder_with("c.json", b"{}\n");
    let error = folder.open("c", Some("17")).await.unwrap_err();
    assert!(matches!(error, SourceError::Unusable(_)), "{error:?}");
}
