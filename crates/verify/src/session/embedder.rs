//! Embedding models: text in, one vector out.
//!
//! `prefill(inputs, attention_mask, packed_params)`, both `int32 [batch, seq]`.
//! The output is `[batch, seq, hidden]`, pooled here as `embedding_metadata`
//! says (first token if it says nothing), or already `[batch, hidden]`.
//!
//! Nothing is padded: mlc-llm's encoders take a mask and do not look at it, so that
//! padding would change the answer. Prompts of one length share a call.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::ffi::{Arg, Function, Value};
use crate::runtime;

use super::model::Model;

/// An embedding model with weights.
pub struct Embedder<'m, 'r> {
    model: &'m Model<'r>,
    parameters: Value,
    prefill: Function,
}

impl<'m, 'r> Embedder<'m, 'r> {
    /// Finds the entry point.
    pub fn new(model: &'m Model<'r>, parameters: Value) -> Result<Embedder<'m, 'r>> {
        Ok(Embedder {
            prefill: model.function("prefill", "compute embeddings")?,
            model,
            parameters,
        })
    }

    /// The embedding of every prompt. Prompts of equal length share a call, as many as
    /// the library was planned for.
    pub fn embed(&self, prompts: &[Vec<i32>]) -> Result<Vec<Vec<f32>>> {
        let limit = usize::try_from(self.model.metadata().max_batch_size).unwrap_or(1);
        let mut by_length: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (number, prompt) in prompts.iter().enumerate() {
            by_length.entry(prompt.len()).or_default().push(number);
        }
        let mut vectors = vec![Vec::new(); prompts.len()];
        for (length, numbers) in by_length {
            for batch in numbers.chunks(limit.max(1)) {
                let ids = batch.iter().filter_map(|number| prompts.get(*number));
                let ids: Vec<i32> = ids.flatten().copied().collect();
                let made = self.embed_batch(&ids, batch, length)?;
                for (number, vector) in batch.iter().zip(made) {
                    if let Some(slot) = vectors.get_mut(*number) {
                        *slot = vector;
                    }
                }
            }
        }
        Ok(vectors)
    }

    /// `batch` are the prompts' places in the row.
    fn embed_batch(&self, ids: &[i32], batch: &[usize], length: usize) -> Result<Vec<Vec<f32>>> {
        let (runtime, prompts) = (self.model.runtime(), batch.len());
        if length == 0 {
            return Err(Error::Unsupported("a prompt has no tokens".to_owned()));
        }
        let dims = [as_dim(prompts)?, as_dim(length)?];
        let mask = vec![1; ids.len()];
        let (ids, mask) = (runtime.int32(&dims, ids)?, runtime.int32(&dims, &mask)?);
        let result = self.prefill.call(&[
            Arg::Value(ids.value()),
            Arg::Value(mask.value()),
            Arg::Value(&self.parameters),
        ])?;
        let output = runtime::tensor(runtime.item(&result, 0)?, self.prefill.name())?;
        let shape = output.shape();
        let floats = runtime.floats(&output)?;
        let hidden = shape
            .last()
            .and_then(|&d| usize::try_from(d).ok())
            .unwrap_or(0);
        let per_prompt = floats.len().checked_div(prompts).unwrap_or(0);
        if hidden == 0 || per_prompt == 0 || shape.first() != dims.first() {
            return Err(Error::Tensor {
                detail: format!("embedding output of shape {shape:?}"),
            });
        }
        let outputs = batch.iter().zip(floats.chunks(per_prompt));
        outputs
            .map(|(number, output)| {
                let vector = self.pool(output, hidden, length)?;
                self.finished(*number, vector)
            })
            .collect()
    }

    /// The vector of a prompt, of length one where the model says so.
    fn finished(&self, number: usize, mut vector: Vec<f32>) -> Result<Vec<f32>> {
        if vector.iter().any(|one| !one.is_finite()) {
            let what = format!("prompt[{number}]: the values of the embedding");
            return Err(Error::not_numbers(&what, &vector));
        }
        let length = length(&vector);
        if length == 0.0 {
            return Err(Error::Answer(format!(
                "prompt[{number}]: the embedding is zero, which is similar to nothing"
            )));
        }
        let metadata = self.model.metadata().embedding_metadata.as_ref();
        if metadata.and_then(|said| said.normalize).unwrap_or(true) {
            let scaled = |one: f32| (f64::from(one) / length) as f32;
            vector.iter_mut().for_each(|one| *one = scaled(*one));
        }
        Ok(vector)
    }

    fn pool(&self, output: &[f32], hidden: usize, tokens: usize) -> Result<Vec<f32>> {
        let metadata = self
            .model
            .metadata()
            .embedding_metadata
            .clone()
            .unwrap_or_default();
        let strategy = metadata.pooling_strategy.as_deref().unwrap_or("cls");
        let mut rows = output.chunks(hidden).take(tokens);
        let pooled = if output.len() == hidden {
            Some(output.to_vec())
        } else {
            match strategy {
                "cls" => rows.next().map(<[f32]>::to_vec),
                "last" => rows.next_back().map(<[f32]>::to_vec),
                "mean" => Some(mean(rows, hidden)),
                other => {
                    return Err(Error::Metadata {
                        detail: format!("pooling strategy `{other}` is not known"),
                    });
                }
            }
        };
        pooled.ok_or_else(|| Error::Tensor {
            detail: "an embedding without rows".to_owned(),
        })
    }
}

/// The length of a vector.
pub(crate) fn length(vector: &[f32]) -> f64 {
    let squares = vector.iter().map(|one| f64::from(*one).powi(2));
    squares.sum::<f64>().sqrt()
}

fn mean<'a>(rows: impl Iterator<Item = &'a [f32]>, hidden: usize) -> Vec<f32> {
    let mut sum = vec![0.0; hidden];
    let mut count = 0.0;
    for row in rows {
        sum.iter_mut().zip(row).for_each(|(s, x)| *s += x);
        count += 1.0;
    }
    sum.iter_mut().for_each(|s| *s /= f32::max(count, 1.0));
    sum
}

fn as_dim(size: usize) -> Result<i64> {
    i64::try_from(size).map_err(|_| Error::Unsupported("too many tokens".to_owned()))
}
