//! The committed files keep to their schema, and the schema notices what does not.

use std::fs;

use serde_json::{Value, json};

fn schema() -> jsonschema::Validator {
    let text = fs::read_to_string(super::directory().join("schema.json")).expect("a schema");
    let schema: Value = serde_json::from_str(&text).expect("JSON");
    jsonschema::draft202012::meta::validate(&schema).expect("a schema of 2020-12");
    jsonschema::draft202012::new(&schema).expect("a schema")
}

#[test]
fn the_files_keep_to_their_schema() {
    let schema = schema();
    let mut files = 0;
    for entry in fs::read_dir(super::directory()).expect("the directory of the vectors") {
        let path = entry.expect("an entry").path();
        let is_json = path
            .extension()
            .is_some_and(|extension| extension == "json");
        if !is_json || path.ends_with("schema.json") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a file");
        let file: Value = serde_json::from_str(&text).expect("JSON");
        let errors: Vec<String> = schema
            .iter_errors(&file)
            .map(|error| format!("{}: {error}", error.instance_path))
            .collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
        files += 1;
    }
    assert_eq!(
        files,
        super::sections().len(),
        "a file that is built by nobody"
    );
}

#[test]
fn the_schema_notices_what_is_wrong() {
    let schema = schema();
    let file = |vector: Value| json!({"$schema": "schema.json", "section": "1 Frame", "vectors": [vector]});
    let vector = |step: Value| {
        file(json!({"name": "x", "clauses": ["OAP-1-1"], "role": "server", "steps": [step]}))
    };
    assert!(schema.is_valid(&vector(
        json!({"do": "input", "bytes": ["00", {"hex": "ff", "repeat": 9}]})
    )));
    for wrong in [
        json!({"do": "inputs", "bytes": "00"}),
        json!({"do": "input"}),
        json!({"do": "input", "bytes": "0"}),
        json!({"do": "input", "bytes": "00", "more": 1}),
        json!({"do": "send", "corr": 1}),
        json!({"do": "eof", "expect": {"events": [{"event": "closed"}]}}),
        json!({"do": "eof", "expect": {"output": [{"flags": ["FIN"], "corr": "1"}]}}),
        json!({"do": "eof", "expect": {"output": [{"flags": [], "corr": "01"}]}}),
    ] {
        assert!(!schema.is_valid(&vector(wrong.clone())), "{wrong}");
    }
    let nameless = json!({"clauses": ["OAP-1-1"], "role": "server", "steps": []});
    assert!(!schema.is_valid(&file(nameless)));
}
