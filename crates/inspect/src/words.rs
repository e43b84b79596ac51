//! Facts in words: messages say what the JSON report says.

/// The word serde writes for a fact; the JSON report and messages agree.
pub fn spell(fact: impl serde::Serialize) -> String {
    match serde_json::to_value(fact) {
        Ok(serde_json::Value::String(word)) => word,
        // `{"other": 40}`: a number the tool has no word for.
        Ok(serde_json::Value::Object(other)) => {
            let words = other.iter().map(|(kind, value)| format!("{kind} {value}"));
            words.collect::<Vec<_>>().join(" ")
        }
        Ok(other) => other.to_string(),
        Err(_) => String::from("unknown"),
    }
}
