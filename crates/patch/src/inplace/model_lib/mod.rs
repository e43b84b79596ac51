//! `artcheck patch model-lib`: the name of a model library in an app or package
//! configuration of mlc-llm. The JSON keeps its formatting and every other byte.

mod scan;

use super::PlanError;
use crate::plan::{Edit, EditPlan, NameChange, Named};
use scan::Place;

/// Plans the change of every `from` to `to`. Empty when `from` does not occur
/// and `to` does.
pub fn plan(bytes: &[u8], from: &str, to: &str) -> Result<EditPlan, PlanError> {
    let places = scan::places(bytes).map_err(PlanError::container)?;
    let has = |name: &str| places.iter().any(|place| place.name == name);
    if !has(from) && !has(to) {
        let mut names: Vec<&str> = places.iter().map(|place| place.name.as_str()).collect();
        names.dedup();
        return Err(PlanError::container(format!(
            "expected the model library name \"{from}\", found {}",
            match names.as_slice() {
                [] => "no model_lib at all".to_owned(),
                names => names.join(", "),
            }
        )));
    }
    let wanted: Vec<&Place> = places.iter().filter(|place| place.name == from).collect();
    let is_key = |place: &&Place| place.what == Named::PreparedLib;
    if wanted.iter().copied().any(|place| is_key(&place))
        && places
            .iter()
            .any(|place| is_key(&place) && place.name == to)
    {
        return Err(PlanError::container(format!(
            "model_lib_path_for_prepare_libs has a key \"{to}\" already; remove one of the two"
        )));
    }
    let edits: Vec<Edit> = wanted.iter().map(|place| edit(place, bytes, to)).collect();
    let new = EditPlan::between(bytes, bytes, edits.clone())
        .apply_to(bytes)
        .unwrap_or_default();
    let mut plan = EditPlan::between(bytes, &new, edits);
    plan.names = wanted
        .iter()
        .map(|place| NameChange {
            number: place.number,
            what: place.what,
            from: from.to_owned(),
            to: to.to_owned(),
        })
        .collect();
    plan.summary = plan.names.iter().map(sentence).collect();
    if plan.is_empty() {
        plan.summary.push(format!(
            "nothing to change: no model library is named \"{from}\", and \"{to}\" is there already"
        ));
    }
    Ok(plan)
}

fn edit(place: &Place, bytes: &[u8], to: &str) -> Edit {
    let old = bytes.get(place.at.clone()).unwrap_or_default();
    let new = serde_json::Value::from(to).to_string().into_bytes();
    let why = place_of(place.what, place.number);
    Edit::new(place.at.start, old, &new, why)
}

fn place_of(what: Named, number: usize) -> String {
    match what {
        Named::PreparedLib => {
            format!("key {number} of model_lib_path_for_prepare_libs")
        }
        _ => format!("model_lib of entry {number} of model_list"),
    }
}

fn sentence(change: &NameChange) -> String {
    format!(
        "{}: \"{}\" becomes \"{}\"",
        place_of(change.what, change.number),
        change.from,
        change.to
    )
}
