//! What must hold for any bytes: shared by the fuzz targets and the tests that replay their corpus.

#![allow(dead_code, clippy::panic, reason = "each user takes its part, and fails by panicking")]

use moorline_layer::{Fernet, Serializer, Value};

/// Bytes are a value that survives being written and read, or an error.
pub(crate) fn decoder(serializer: Serializer, bytes: &[u8]) {
    let Ok(Value::Map(map)) = serializer.decode(bytes) else { return };
    // JSON reads NaN but does not write it.
    let Ok(written) = serializer.encode(&map) else { return };
    let Ok(Value::Map(again)) = serializer.decode(&written) else { panic!("not read again") };
    assert_eq!(serializer.encode(&again).ok(), Some(written));
}

/// Bytes are no token of ours.
pub(crate) fn fernet(bytes: &[u8]) {
    let Ok(fernet) = Fernet::new(&["not in the corpus"]) else { return };
    assert!(fernet.open(bytes, 1_700_000_000, None).is_err());
}
