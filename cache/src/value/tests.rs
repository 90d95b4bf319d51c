use proptest::prelude::*;

use super::*;

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_map(Value::Float),
        "[$a-z]{0,6}".prop_map(Value::from),
        any::<[u8; 32]>().prop_map(|bytes| Value::Blob(Digest::from_bytes(bytes))),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::list),
            prop::collection::btree_map("[$a-z]{0,3}|\\$blob|\\$float", inner, 0..4)
                .prop_map(Value::map),
        ]
    })
}

proptest! {
    #[test]
    fn json_round_trips(value in any_value()) {
        let text = serde_json::to_string(&value).unwrap();
        prop_assert_eq!(&text, &value.to_json().to_string());
        prop_assert_eq!(&serde_json::from_str::<Value>(&text).unwrap(), &value);
        prop_assert_eq!(Value::from_json(value.to_json()).unwrap(), value);
    }

    #[test]
    fn the_canonical_encoding_round_trips(value in any_value()) {
        prop_assert_eq!(Value::from_canonical(&value.canonical()).unwrap(), value);
    }

    #[test]
    fn bytes_that_are_no_value_are_refused(bytes in prop::collection::vec(0u8..9, 0..80)) {
        if let Ok(value) = Value::from_canonical(&bytes) {
            // Names out of order, or a second zero, would give one value two encodings.
            prop_assert_eq!(value.canonical(), bytes);
        }
    }

    #[test]
    fn the_canonical_encoding_is_injective(a in any_value(), b in any_value()) {
        prop_assert_eq!(a == b, a.canonical() == b.canonical());
    }
}

#[test]
fn the_canonical_encoding_is_frozen() {
    let value = Value::map([
        ("text", Value::from("élan")),
        (
            "numbers",
            Value::list([Value::Int(-1), Value::Float(0.5), Value::Float(-0.0)]),
        ),
        ("nothing", Value::Null),
        ("truth", Value::Bool(true)),
        ("blob", Value::Blob(Digest::of(b"x"))),
    ]);
    assert_eq!(
        value.digest().to_string(),
        "6c98f4921603cd8813fe637bb710ef151721164fca3fd463eade47723adfe94f"
    );
}

#[test]
fn numbers_and_near_misses_stay_apart() {
    assert_ne!(Value::Int(1), Value::Float(1.0));
    assert_ne!(Value::from("1"), Value::Int(1));
    assert_ne!(Value::list([]), Value::map::<&str>([]));
    assert_eq!(Value::Float(f64::NAN), Value::Float(-f64::NAN));
    assert!(Value::of(&u64::MAX).is_err());
}
