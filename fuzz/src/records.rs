//! Records and values: what is read back from the cache's folder.

use ccsr_cache::{ActionKey, Digest, RunId, Value};
use ccsr_engine::record::RunRecord;

/// Reads a record, a value in both written forms, and ids.
pub fn records(input: &[u8]) {
    if let Ok(value) = Value::from_canonical(input) {
        assert_eq!(value.canonical(), input, "two encodings of one value");
        written(&value);
    }
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok(record) = serde_json::from_str::<RunRecord>(text) {
        let json = serde_json::to_string(&record).expect("it was JSON");
        let again: RunRecord = serde_json::from_str(&json).expect("it was written a moment ago");
        assert_eq!(serde_json::to_string(&again).ok(), Some(json));
    }
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        written(&value);
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string().parse::<Digest>().ok(), Some(digest));
    }
    if let Ok(id) = text.parse::<RunId>() {
        assert_eq!(id.to_string(), text);
    }
    let _ = text.parse::<ActionKey>();
}

/// A value reads the same from both of its forms.
fn written(value: &Value) {
    assert_eq!(Value::from_json(value.to_json()).ok().as_ref(), Some(value));
    let encoded = value.canonical();
    assert_eq!(Value::from_canonical(&encoded).ok().as_ref(), Some(value));
    let _ = value.blobs();
}
