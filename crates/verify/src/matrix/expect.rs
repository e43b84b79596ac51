//! What the answers of a row are compared with, and the comparison.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::session::embedder::length;
use crate::session::generate::Sequence;

use super::reference::{Case, ReferenceName};

/// Expectations as written in the matrix.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectFile {
    pub(super) text: Option<String>,
    pub(super) contains: Option<Vec<String>>,
    pub(super) contains_any: Option<Vec<String>>,
    pub(super) tokens: Option<Vec<i32>>,
    /// `FILE#CASE`.
    pub(super) reference: Option<String>,
    pub(super) logits_tolerance: Option<f32>,
    pub(super) cosine: Option<f32>,
}

/// Largest difference of a logit from the reference, where nothing is said.
const TOLERANCE: f32 = 1e-3;

/// Least cosine of an embedding with the reference, where nothing is said.
const COSINE: f32 = 0.9999;

/// How far the length of an embedding may be off in any case, as a share: 16-bit numbers
/// are.
const LENGTH: f64 = 1e-3;

/// What must come of a prompt. All that is stated must hold.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Expect {
    /// The generated text begins so.
    pub text: Option<String>,
    /// All of these occur in the generated text; case does not matter.
    pub contains: Vec<String>,
    /// One of these occurs; case does not matter.
    pub contains_any: Vec<String>,
    /// The generated tokens begin so.
    pub tokens: Option<Vec<i32>>,
    /// Independent values.
    pub reference: Option<ReferenceName>,
    /// Largest difference of a logit from the reference.
    pub logits_tolerance: Option<f32>,
    /// Least cosine of an embedding with the reference.
    pub cosine: Option<f32>,
}

/// Expected similarity of two prompts' embeddings, by position.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Similarity {
    /// One prompt.
    pub a: usize,
    /// The other.
    pub b: usize,
    /// The cosine is at least this.
    pub at_least: Option<f32>,
    /// The cosine is at most this.
    pub at_most: Option<f32>,
}

/// One comparison.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Check {
    /// What was compared.
    pub name: String,
    /// Whether it holds.
    pub passed: bool,
    /// Figures, expected and found.
    pub detail: String,
}

impl Check {
    /// A comparison and its result.
    pub fn new(name: impl Into<String>, passed: bool, detail: impl Into<String>) -> Check {
        Check {
            name: name.into(),
            passed,
            detail: detail.into(),
        }
    }
}

impl ExpectFile {
    /// Resolves the reference's path.
    pub fn resolve(self, path: impl Fn(&str) -> Result<PathBuf, String>) -> Result<Expect, String> {
        let reference = self
            .reference
            .map(|text| match text.rsplit_once('#') {
                Some((file, case)) => Ok(ReferenceName {
                    file: path(file)?,
                    case: case.to_owned(),
                }),
                None => Err(format!("reference `{text}`: write FILE#CASE")),
            })
            .transpose()?;
        Ok(Expect {
            text: self.text,
            contains: self.contains.unwrap_or_default(),
            contains_any: self.contains_any.unwrap_or_default(),
            tokens: self.tokens,
            reference,
            logits_tolerance: self.logits_tolerance,
            cosine: self.cosine,
        })
    }
}

impl Expect {
    /// A key that says something of the other kind of model than the one that computes
    /// embeddings (`embeds`) or the one that writes.
    pub(super) fn misfit(&self, embeds: bool) -> Option<&'static str> {
        // A row may stand for models of both kinds: then it has the reference's bound of
        // each, and one of them counts.
        let (logits, cosine) = (self.logits_tolerance.is_some(), self.cosine.is_some());
        let keys = [
            ("text", self.text.is_some(), true),
            ("contains", !self.contains.is_empty(), true),
            ("contains_any", !self.contains_any.is_empty(), true),
            ("tokens", self.tokens.is_some(), true),
            ("logits_tolerance", logits && !cosine, true),
            ("cosine", cosine && !logits, false),
        ];
        let misfit = keys
            .iter()
            .find(|(_, said, writes)| *said && *writes == embeds);
        misfit.map(|(key, ..)| *key)
    }

    /// True if the generated text is looked at.
    pub fn wants_text(&self) -> bool {
        self.text.is_some() || !self.contains.is_empty() || !self.contains_any.is_empty()
    }

    /// Compares a generated text.
    pub fn check_text(&self, text: &str, checks: &mut Vec<Check>) {
        if let Some(expected) = &self.text {
            let detail = format!("expected `{expected}`, found `{text}`");
            checks.push(Check::new("text", text.starts_with(expected), detail));
        }
        let lower = text.to_lowercase();
        for part in &self.contains {
            let found = lower.contains(&part.to_lowercase());
            checks.push(Check::new(
                "contains",
                found,
                format!("`{part}` in `{text}`"),
            ));
        }
        if !self.contains_any.is_empty() {
            let found = self
                .contains_any
                .iter()
                .any(|part| lower.contains(&part.to_lowercase()));
            let detail = format!("one of {:?} in `{text}`", self.contains_any);
            checks.push(Check::new("contains any", found, detail));
        }
    }

    /// Compares generated tokens.
    pub fn check_tokens(&self, tokens: &[i32], checks: &mut Vec<Check>) {
        if let Some(expected) = &self.tokens {
            checks.push(compare_tokens("tokens", expected, tokens));
        }
    }

    /// Whether some answer would miss the reference: not if its logits are closer together
    /// than the tolerance allows, so that every token may be the likeliest.
    pub(crate) fn could_fail(&self, case: &Case) -> bool {
        let span = 2.0 * self.logits_tolerance.unwrap_or(TOLERANCE);
        let logits = [&case.first_logits, &case.last_logits];
        let says_nothing = case.tokens.is_empty() && logits.iter().all(|all| all.is_empty());
        let decided = case.margins.is_empty() || case.margins.iter().any(|m| *m > span);
        says_nothing
            || (!case.tokens.is_empty() && decided)
            || logits.iter().any(|all| spread(all) > span)
    }

    /// Compares tokens and logits with a reference. Where its tokens were `followed`, what
    /// was fed says nothing: the likeliest token of each step does.
    pub fn check_reference(
        &self,
        case: &Case,
        found: &Sequence,
        followed: bool,
        checks: &mut Vec<Check>,
    ) {
        let tolerance = self.logits_tolerance.unwrap_or(TOLERANCE);
        if followed {
            checks.push(compare_followed(case, &found.likeliest, tolerance));
        } else if !case.tokens.is_empty() {
            checks.push(compare_free(case, &found.tokens, tolerance));
        }
        for (name, expected, found) in [
            ("first logits", &case.first_logits, &found.first_logits),
            ("last logits", &case.last_logits, &found.last_logits),
        ] {
            if !expected.is_empty() {
                checks.push(compare_logits(name, expected, found, tolerance));
            }
        }
    }

    /// Compares an embedding with a reference: its direction, and its length, which may
    /// differ by as much as a vector of the least cosine does.
    pub fn check_embedding(&self, case: &Case, found: &[f32], checks: &mut Vec<Check>) {
        let (cosine, least) = (
            cosine(&case.embedding, found),
            self.cosine.unwrap_or(COSINE),
        );
        let (length, expected) = (length(found), length(&case.embedding));
        let allowed = (2.0 * (1.0 - f64::from(least))).sqrt().max(LENGTH);
        let is_as_long = (length - expected).abs() <= allowed * expected;
        let passed = cosine >= least && is_as_long && case.embedding.len() == found.len();
        let mut detail = format!("cosine {cosine:.6}, at least {least}");
        if !is_as_long {
            detail.push_str(&format!(
                "; its length is {length:.4}, the reference's {expected:.4}"
            ));
        }
        if case.embedding.len() != found.len() {
            let (found, expected) = (found.len(), case.embedding.len());
            detail.push_str(&format!("; {found} numbers, the reference has {expected}"));
        }
        checks.push(Check::new("reference embedding", passed, detail));
    }
}

impl Similarity {
    /// Compares two of the row's embeddings.
    pub fn check(&self, embeddings: &[Vec<f32>], checks: &mut Vec<Check>) {
        let (a, b) = (embeddings.get(self.a), embeddings.get(self.b));
        let name = format!("similarity {} {}", self.a, self.b);
        let (Some(a), Some(b)) = (a, b) else {
            checks.push(Check::new(name, false, "no such prompt"));
            return;
        };
        let cosine = cosine(a, b);
        let low = self.at_least.is_none_or(|limit| cosine >= limit);
        let high = self.at_most.is_none_or(|limit| cosine <= limit);
        let bound = |name: &str, limit: Option<f32>| {
            limit.map_or(String::new(), |limit| format!(", {name} {limit}"))
        };
        let detail = format!(
            "cosine {cosine:.4}{}{}",
            bound("at least", self.at_least),
            bound("at most", self.at_most)
        );
        checks.push(Check::new(name, low && high, detail));
    }
}

fn compare_tokens(name: &str, expected: &[i32], found: &[i32]) -> Check {
    let same = expected
        .iter()
        .zip(found)
        .take_while(|(e, f)| e == f)
        .count();
    let count = expected.len();
    let detail = if same == count {
        format!("all {count} identical")
    } else {
        let said = |tokens: &[i32]| {
            let token = tokens.get(same);
            token.map_or_else(|| "the end".to_owned(), |token| token.to_string())
        };
        format!(
            "{same} of {count} identical, then {} expected, {} found",
            said(expected),
            said(found)
        )
    };
    Check::new(name, same == count, detail)
}

/// Compares the likeliest token of each step where the reference's tokens were
/// followed. Another token is right only where the reference itself was undecided:
/// both logits may be off by the tolerance. A reference without margins does not say
/// where it was.
fn compare_followed(case: &Case, found: &[i32], tolerance: f32) -> Check {
    let mut same = 0usize;
    let mut wrong = None;
    for (step, expected) in case.tokens.iter().enumerate() {
        let margin = case.margins.get(step).copied().unwrap_or(f32::INFINITY);
        if found.get(step) == Some(expected) {
            same += 1;
        } else if found.get(step).is_none() || margin > 2.0 * tolerance {
            wrong.get_or_insert(step);
        }
    }
    let counts = [0, case.tokens.len()];
    let complete = !case.tokens.is_empty() && counts.contains(&case.margins.len());
    let rest = match wrong {
        Some(step) if case.margins.is_empty() => format!("; step {step} differs"),
        Some(step) => format!("; step {step} differs although it was decided"),
        None => "; the others were undecided".to_owned(),
    };
    let rest = if same == case.tokens.len() {
        String::new()
    } else {
        rest
    };
    let detail = format!("{same} of {} identical{rest}", case.tokens.len());
    Check::new("reference tokens", wrong.is_none() && complete, detail)
}

/// Compares the tokens that a model chose and was fed. Where the reference was undecided
/// another may come, and nothing after it can be compared: then a decided one must agree
/// before it.
fn compare_free(case: &Case, found: &[i32], tolerance: f32) -> Check {
    let check = compare_tokens("reference tokens", &case.tokens, found);
    let pairs = case.tokens.iter().zip(found);
    let same = pairs
        .take_while(|(expected, token)| expected == token)
        .count();
    let is_decided = |margin: &f32| *margin > 2.0 * tolerance;
    let is_open = case
        .margins
        .get(same)
        .is_some_and(|margin| !is_decided(margin));
    if check.passed || !is_open || same == found.len() {
        return check;
    }
    let before = case.margins.get(..same).unwrap_or_default();
    let detail = format!(
        "{same} of {} identical, then the reference was undecided, and the answer goes another way",
        case.tokens.len()
    );
    Check::new(check.name, before.iter().any(is_decided), detail)
}

/// How far the largest and the smallest are apart.
fn spread(logits: &[f32]) -> f32 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let smallest = logits.iter().copied().fold(f32::INFINITY, f32::min);
    largest - smallest
}

fn compare_logits(name: &str, expected: &[f32], found: &[f32], tolerance: f32) -> Check {
    if expected.len() != found.len() {
        let detail = format!("{} expected, {} found", expected.len(), found.len());
        return Check::new(name, false, detail);
    }
    let largest = expected
        .iter()
        .zip(found)
        .map(|(e, f)| (e - f).abs())
        // A NaN must not be lost in a maximum.
        .fold(0.0, |m: f32, d| if d > m || d.is_nan() { d } else { m });
    let detail = format!("largest difference {largest:.2e}, tolerance {tolerance:.1e}");
    Check::new(name, largest <= tolerance, detail)
}

/// The cosine of two vectors; 0 if one has no length.
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let products = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b));
    let lengths = length(a) * length(b);
    if lengths > 0.0 {
        (products.sum::<f64>() / lengths) as f32
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_logits_never_agree() {
        let check = compare_logits("l", &[1.0, 2.0], &[f32::NAN, 2.0], 1e9);
        assert!(!check.passed, "{}", check.detail);
    }

    #[test]
    fn a_followed_token_may_differ_only_where_the_reference_was_undecided() {
        let case = Case {
            tokens: vec![1, 2, 3],
            margins: vec![0.5, 0.01, 0.5],
            ..Case::default()
        };
        assert!(compare_followed(&case, &[1, 2, 3], 0.05).passed);
        assert!(compare_followed(&case, &[1, 9, 3], 0.05).passed);
        assert!(!compare_followed(&case, &[9, 2, 3], 0.05).passed);
        assert!(!compare_followed(&case, &[1, 2], 0.05).passed);
    }

    #[test]
    fn a_followed_token_of_a_reference_without_margins_may_not_differ() {
        let case = Case {
            tokens: vec![1, 2, 3],
            ..Case::default()
        };
        // What was fed is what the reference has; what was chosen is not.
        let found = |likeliest: &[i32]| Sequence {
            tokens: case.tokens.clone(),
            likeliest: likeliest.to_vec(),
            ..Sequence::default()
        };
        let passes = |likeliest: &[i32]| {
            let mut checks = Vec::new();
            Expect::default().check_reference(&case, &found(likeliest), true, &mut checks);
            checks.len() == 1 && checks.iter().all(|check| check.passed)
        };
        assert!(passes(&[1, 2, 3]));
        assert!(!passes(&[1, 9, 3]));
        assert!(!passes(&[1, 2]));
    }

    #[test]
    fn an_embedding_has_the_length_of_its_reference() {
        let case = Case {
            embedding: vec![0.6, 0.8],
            ..Case::default()
        };
        let passes = |least: f32, found: &[f32]| {
            let expect = Expect {
                cosine: Some(least),
                ..Expect::default()
            };
            let mut checks = Vec::new();
            expect.check_embedding(&case, found, &mut checks);
            checks.iter().all(|check| check.passed)
        };
        assert!(passes(0.9999, &[0.6, 0.8]));
        assert!(passes(0.9999, &[0.606, 0.808]));
        assert!(passes(1.0, &[0.60001, 0.80001]));
        assert!(!passes(0.9999, &[1.8, 2.4]));
        assert!(!passes(0.9999, &[0.2, 0.26666668]));
        assert!(passes(0.98, &[0.66, 0.88]));
        assert!(!passes(0.98, &[0.0, 0.0]));
    }

    #[test]
    fn a_tolerance_that_no_answer_could_miss_is_told() {
        let case = |logits: &[f32], margins: &[f32]| Case {
            tokens: vec![1, 2],
            margins: margins.to_vec(),
            last_logits: logits.to_vec(),
            ..Case::default()
        };
        let with = |tolerance: f32| Expect {
            logits_tolerance: Some(tolerance),
            ..Expect::default()
        };
        let said = case(&[-2.0, 0.5, 3.0], &[0.1, 0.2]);
        assert!(with(2.4).could_fail(&said));
        assert!(!with(2.6).could_fail(&said));
        assert!(!with(1e30).could_fail(&said));
        // Tokens without margins are compared whatever the tolerance is.
        assert!(with(1e30).could_fail(&case(&[], &[])));
        assert!(with(0.05).could_fail(&case(&[], &[0.01, 0.2])));
        assert!(!with(0.1).could_fail(&case(&[], &[0.01, 0.2])));
    }

    #[test]
    fn an_answer_may_go_another_way_only_where_the_reference_was_undecided() {
        let mut case = Case {
            tokens: vec![1, 2, 3],
            margins: vec![0.5, 0.01, 0.5],
            ..Case::default()
        };
        assert!(compare_free(&case, &[1, 2, 3], 0.05).passed);
        assert!(compare_free(&case, &[1, 9, 9], 0.05).passed);
        assert!(!compare_free(&case, &[9, 2, 3], 0.05).passed);
        assert!(!compare_free(&case, &[1, 2, 9], 0.05).passed);
        assert!(!compare_free(&case, &[1], 0.05).passed);
        // Nothing that was decided agreed.
        case.margins = vec![0.0; 3];
        assert!(!compare_free(&case, &[9, 9, 9], 0.05).passed);
    }

    #[test]
    fn too_few_tokens_do_not_agree() {
        let short = compare_tokens("t", &[1, 2, 3], &[1, 2]);
        assert!(!short.passed);
        assert_eq!(
            short.detail,
            "2 of 3 identical, then 3 expected, the end found"
        );
        assert!(compare_tokens("t", &[1, 2], &[1, 2, 3]).passed);
    }
}
