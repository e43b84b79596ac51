//! The inside of a child process: one row, stage by stage.

use std::ffi::OsStr;
use std::path::Path;

use crate::device::DeviceName;
use crate::error::{Error, Result};
use crate::ffi::{self, Arg, Linkage, Value};
use crate::matrix::expect::Check;
use crate::matrix::row::Row;
use crate::parts::{RuntimeFiles, lacks_part};
use crate::report::{Answer, Facts, Failure, Figures, Stage};
use crate::runtime::{Module, Runtime};
use crate::session::Kind;
use crate::session::calls::{self, Call};
use crate::session::decoder::Decoder;
use crate::session::embedder::Embedder;
use crate::session::generate::{Generation, Generator, Request};
use crate::session::model::{Allocator, Loaded, Model};
#[cfg(feature = "macho-host")]
use crate::simulate;
use crate::stops::Stops;
use crate::tokenizer::Tokenizer;
use crate::web;
use crate::weights;

use super::inputs::{Input, capacity, check, followed, inputs, stops};
use super::lifeline;
use super::protocol::{ChildResult, Done, Event, send};
use super::telling::Telling;
use super::wire;

/// `kDLExist` of the device attributes.
const EXISTS: i64 = 0;

/// The entry point of a child process: reads a row as JSON from standard input,
/// runs it, reports where standard output went. Returns the exit status.
pub fn main() -> u8 {
    let row: Row = match wire::take()
        .and_then(lifeline::row)
        .map_err(|e| e.to_string())
        .and_then(|text| serde_json::from_str(&text).map_err(|e| e.to_string()))
    {
        Ok(row) => row,
        Err(error) => {
            eprintln!("artcheck verify-row: no row on standard input: {error}");
            return 2;
        }
    };
    let mut child = Child {
        stage: Stage::Dlopen,
        facts: Facts::default(),
    };
    let result = match child.run(&row) {
        Ok(Outcome::Done(done)) => ChildResult::Done(done),
        Ok(Outcome::NoDevice(reason)) => ChildResult::NotRun { reason },
        Err(error) => ChildResult::Failed(Failure::of(&error, child.stage)),
    };
    let sent = send(&Event::Result(Box::new(result)));
    child.enter(Stage::Exit);
    u8::from(sent.is_err())
}

enum Outcome {
    Done(Done),
    NoDevice(String),
}

struct Child {
    stage: Stage,
    facts: Facts,
}

/// Makes each call; a check for each.
fn called(vm: &Module<'_>, all: &[Call]) -> Done {
    let (mut states, mut done) = (calls::States::new(), Done::default());
    for call in all {
        // The last words of a process that dies here.
        eprintln!("calling {}", call.function);
        done.checks.push(match calls::make(vm, call, &mut states) {
            Ok(kind) => Check::new(&call.function, true, kind),
            Err(error) => Check::new(&call.function, false, error.to_string()),
        });
    }
    done
}

impl Child {
    /// Events are best effort: a parent that is gone will not read the result either.
    fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        let _ = send(&Event::Stage { stage });
    }

    fn tell_facts(&self) {
        let _ = send(&Event::Facts(self.facts.clone()));
    }

    fn run(&mut self, row: &Row) -> Result<Outcome> {
        if let Some(limit) = row.memory_limit
            && !ffi::set_memory_limit(limit)
        {
            return Err(Error::Unsupported(
                "memory_limit_mib is not supported on this system".to_owned(),
            ));
        }
        self.enter(Stage::Dlopen);
        if let Some(package) = web::package(&row.runtime.paths) {
            let (runtime, opened) = Runtime::web(&row.library, &package, row.device)?;
            self.facts.packages.extend(web::package_name(&package));
            self.facts.packages.extend(opened.with);
            self.facts.adapter = opened.adapter;
            return self.on(&runtime, row);
        }
        let files = RuntimeFiles::find(&row.runtime.paths)?;
        self.facts.packages.clone_from(&files.packages);
        self.facts.emulated = files.emulated();
        // A wheel is looked into only here.
        let Ok(part) = files.device_part(row.device) else {
            return Ok(Outcome::NoDevice(lacks_part(row.device)));
        };
        let runtime = match Runtime::load(&files, row.device, &row.runtime.preload, &row.shims) {
            Err(Error::Open { path, detail })
                if Some(&path) == part.as_ref() && driver_is_missing(&detail) =>
            {
                return Ok(Outcome::NoDevice(format!(
                    "no driver for {}: {detail}",
                    row.device
                )));
            }
            other => other?,
        };
        self.facts.ffi_version = Some(runtime.ffi_version());
        self.on(&runtime, row)
    }

    fn on(&mut self, runtime: &Runtime, row: &Row) -> Result<Outcome> {
        self.tell_facts();
        if !device_exists(runtime, row.device)? {
            return Ok(Outcome::NoDevice(format!("no device {}", row.device)));
        }
        let loaded = self.load(runtime, row)?;
        #[cfg(all(feature = "macho-host", target_os = "linux"))]
        {
            self.facts.emulated_libraries = ffi::emulated_libraries();
            self.tell_facts();
        }
        self.enter(Stage::Vm);
        if !row.calls.is_empty() {
            let vm = loaded.machine(Allocator::Pooled)?;
            self.enter(Stage::Call);
            return Ok(Outcome::Done(called(&vm, &row.calls)));
        }
        // Guard mode sees more where no memory is used twice.
        let guarded = row.device.is_simulated() && row.simulation.guard;
        let model = loaded.initialise(if guarded {
            Allocator::Naive
        } else {
            Allocator::Pooled
        })?;
        self.facts.kind = Some(model.kind());
        self.tell_facts();
        if let Some(kind) = row.kind
            && kind != model.kind()
        {
            let found = model.kind();
            return Err(Error::Unsupported(format!(
                "a {kind} model expected, found {found}"
            )));
        }
        row.fits(model.kind()).map_err(Error::Unsupported)?;
        self.answer(row, &model).map(Outcome::Done)
    }

    fn load<'r>(&mut self, runtime: &'r Runtime, row: &Row) -> Result<Loaded<'r>> {
        #[cfg(feature = "macho-host")]
        if row.device.is_simulated()
            && !self.facts.emulated
            && simulate::is_macos_library(&row.library)?
        {
            self.enter(Stage::Module);
            return Loaded::emulated(runtime, &row.library);
        }
        // A web library is open already: the runtime is inside it.
        if !web::is_library(&row.library) {
            is_linked(&row.library)?;
            ffi::open(&row.library, Linkage::Local)?;
        }
        self.enter(Stage::Module);
        Loaded::load(runtime, &row.library)
    }

    fn answer(&mut self, row: &Row, model: &Model<'_>) -> Result<Done> {
        let tokenizer = row.tokenizer.as_ref().map(Tokenizer::load).transpose()?;
        let inputs = inputs(row, model.kind(), tokenizer.as_ref())?;
        check(row, model, &inputs)?;
        self.enter(Stage::Weights);
        let weights = parameters(row, model, 0)?;
        let mut done = if model.kind() == Kind::Embedding {
            self.embed(row, model, weights, &inputs)?
        } else {
            self.enter(Stage::Cache);
            let capacity = capacity(row, model, &inputs)?;
            let mut decoder = Decoder::new(model, weights, capacity, row.entry)?;
            self.generate(row, &mut decoder, &inputs, tokenizer.as_ref())?
        };
        done.figures.prompt_tokens = inputs.iter().map(|i| i.tokens.len()).sum();
        done.figures.peak_memory = ffi::peak_resident_bytes();
        Ok(done)
    }

    fn embed(
        &mut self,
        row: &Row,
        model: &Model<'_>,
        weights: Value,
        inputs: &[Input],
    ) -> Result<Done> {
        self.enter(Stage::Prefill);
        let prompts: Vec<Vec<i32>> = inputs.iter().map(|i| i.tokens.clone()).collect();
        let embedder = Embedder::new(model, weights)?;
        for _ in 0..row.warmup {
            embedder.embed(&prompts)?;
        }
        let start = std::time::Instant::now();
        let embeddings = embedder.embed(&prompts)?;
        let seconds = start.elapsed().as_secs_f64();
        drop(embedder);
        self.enter(Stage::Compare);
        let mut done = Done {
            checks: compare(row, inputs, &embeddings),
            ..Done::default()
        };
        done.figures.first_token_seconds = Some(seconds);
        let prompts_and_vectors = row.prompts.iter().zip(&embeddings);
        done.answers = prompts_and_vectors
            .map(|(prompt, embedding)| Answer {
                prompt: prompt.text.clone(),
                embedding: embedding.clone(),
                ..Answer::default()
            })
            .collect();
        finish_checks(&mut done.checks);
        if done.checks.iter().any(|check| !check.passed)
            && is_shifted(row, model, inputs, &prompts)?
        {
            done.checks.push(Check::new(
                "positions",
                false,
                format!(
                    "positions are shifted by {BERT_SHIFT}: all would agree if the table of positions began {BERT_SHIFT} rows later; see bge-m3 in docs/verify.md"
                ),
            ));
        }
        Ok(done)
    }

    fn generate(
        &mut self,
        row: &Row,
        decoder: &mut Decoder<'_, '_>,
        inputs: &[Input],
        tokenizer: Option<&Tokenizer>,
    ) -> Result<Done> {
        let prompts: Vec<Vec<i32>> = inputs.iter().map(|i| i.tokens.clone()).collect();
        let follow = followed(row, inputs)?;
        // Beyond the reference's last step nothing is there to compare with.
        let steps = follow.iter().map(Vec::len).max();
        let names = stops(row)?;
        let request = Request {
            max_tokens: steps.map_or(row.max_tokens, |steps| steps.min(row.max_tokens)),
            prefill_chunk: row.prefill_chunk,
            schedule: row.schedule,
            sampling: row.sampling,
            stops: Stops::new(&names, tokenizer),
            follow,
            kept: inputs.iter().map(Input::ends).collect(),
        };
        for _ in 0..row.warmup {
            self.once(decoder, request.clone(), &prompts, &mut |_, _| {})?;
        }
        let mut told = Telling::new(tokenizer);
        let generation = self.once(decoder, request, &prompts, &mut |prompt, tokens| {
            told.tell(prompt, tokens);
        })?;
        self.enter(Stage::Compare);
        let mut done = Done {
            figures: figures(&generation),
            ..Done::default()
        };
        for ((prompt, input), sequence) in row.prompts.iter().zip(inputs).zip(&generation.sequences)
        {
            let text = tokenizer.map(|t| t.decode(&sequence.tokens)).transpose()?;
            let expect = &prompt.expect;
            if let Some(text) = &text {
                expect.check_text(text, &mut done.checks);
            }
            expect.check_tokens(&sequence.tokens, &mut done.checks);
            if let Some(case) = &input.case {
                let before = done.checks.len();
                expect.check_reference(case, sequence, row.follow_reference, &mut done.checks);
                if done.checks.len() == before {
                    let detail = "the case has neither tokens nor logits to compare with";
                    done.checks.push(Check::new("reference", false, detail));
                }
            }
            done.answers.push(Answer {
                prompt: prompt.ask.clone().or_else(|| prompt.text.clone()),
                tokens: sequence.tokens.clone(),
                text,
                ..Answer::default()
            });
        }
        finish_checks(&mut done.checks);
        Ok(done)
    }

    fn once(
        &mut self,
        decoder: &mut Decoder<'_, '_>,
        request: Request<'_>,
        prompts: &[Vec<i32>],
        told: &mut dyn FnMut(usize, &[i32]),
    ) -> Result<Generation> {
        self.enter(Stage::Prefill);
        let mut generator = Generator::new(decoder, request, prompts.len())?;
        let first_token = generator.prefill(prompts)?;
        self.enter(Stage::Decode);
        generator.decode(first_token, told)
    }
}

/// XLM-RoBERTa's positions begin behind its padding token, 1; BERT's at 0.
const BERT_SHIFT: usize = 2;

/// The row's parameters on its device.
fn parameters(row: &Row, model: &Model<'_>, skipped: usize) -> Result<Value> {
    let parameters = &model.metadata().params;
    let step = (parameters.len() / 50).max(1);
    let mut told = |done: usize, total: usize| {
        if done.is_multiple_of(step) || done == total {
            let _ = send(&Event::Weights { done, total });
        }
    };
    let (source, dims) = (&row.weights, &row.dims);
    weights::load(
        model.runtime(),
        source,
        parameters,
        dims,
        skipped,
        &mut told,
    )
}

/// What a row says of its embeddings.
fn compare(row: &Row, inputs: &[Input], embeddings: &[Vec<f32>]) -> Vec<Check> {
    let mut checks = Vec::new();
    for ((prompt, input), embedding) in row.prompts.iter().zip(inputs).zip(embeddings) {
        if let Some(case) = &input.case {
            prompt.expect.check_embedding(case, embedding, &mut checks);
        }
    }
    for similarity in &row.similarity {
        similarity.check(embeddings, &mut checks);
    }
    checks
}

/// Whether the answers would be right if the library, which counts positions from 0,
/// found the first one where checkpoints of XLM-RoBERTa have it.
fn is_shifted(
    row: &Row,
    model: &Model<'_>,
    inputs: &[Input],
    prompts: &[Vec<i32>],
) -> Result<bool> {
    let mut tables = model.metadata().params.iter();
    if !matches!(row.weights, weights::Source::Directory(_)) || !tables.any(weights::is_positions) {
        return Ok(false);
    }
    let moved = parameters(row, model, BERT_SHIFT)?;
    // Rows that are no positions may answer nothing.
    let Ok(embeddings) = Embedder::new(model, moved)?.embed(prompts) else {
        return Ok(false);
    };
    let checks = compare(row, inputs, &embeddings);
    Ok(!checks.is_empty() && checks.iter().all(|check| check.passed))
}

/// A row that compares nothing proves nothing.
fn finish_checks(checks: &mut Vec<Check>) {
    if checks.is_empty() {
        checks.push(Check::new(
            "expectations",
            false,
            "the row has no `expect`; add one",
        ));
    }
}

fn figures(generation: &Generation) -> Figures {
    let seconds = generation.decode_time.as_secs_f64();
    let rate =
        (generation.decoded > 0 && seconds > 0.0).then(|| generation.decoded as f64 / seconds);
    Figures {
        first_token_seconds: Some(generation.first_token.as_secs_f64()),
        tokens_per_second: rate,
        host_seconds_per_step: (generation.steps > 0)
            .then(|| generation.host_time.as_secs_f64() / f64::from(generation.steps)),
        ..Figures::default()
    }
}

/// Suffixes of what a linker makes libraries of.
const NOT_LINKED: [&str; 5] = ["tar", "a", "o", "lib", "obj"];

/// Refuses object files and archives of them, of which the system would say only that
/// they are no library.
fn is_linked(library: &Path) -> Result<()> {
    let suffix = library.extension().and_then(OsStr::to_str).unwrap_or("");
    if !NOT_LINKED.contains(&suffix.to_ascii_lowercase().as_str()) {
        return Ok(());
    }
    Err(Error::Open {
        path: library.to_owned(),
        detail: "it holds object files, and `verify` runs linked libraries: link it first (unpack it, then `cc -shared -o model.so *.o`), or compile the model to a shared library".to_owned(),
    })
}

/// True if the linker says that a library outside the runtime is missing, as it
/// does for a device part on a machine without that device's driver.
fn driver_is_missing(detail: &str) -> bool {
    let missing =
        detail.contains("cannot open shared object file") || detail.contains("Library not loaded");
    let ours = detail.contains("libtvm_ffi") || detail.contains("libtvm_runtime.");
    missing && !ours
}

fn device_exists(runtime: &Runtime, device: DeviceName) -> Result<bool> {
    if device == DeviceName::CPU {
        return Ok(true);
    }
    let name = "runtime.GetDeviceAttr";
    let attribute = runtime.registered(name, "ask for the device")?;
    let wanted = device.device();
    let value = attribute.call(&[
        Arg::Int(i64::from(wanted.kind)),
        Arg::Int(i64::from(wanted.index)),
        Arg::Int(EXISTS),
    ])?;
    Ok(value.as_int().is_some_and(|exists| exists != 0))
}
