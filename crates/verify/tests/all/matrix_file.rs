//! Matrix files: what is refused, and that the shipped ones are sound.

use std::path::Path;

use artcheck_verify::{Kind, parse, read};

use crate::common::root;

fn error(text: &str) -> String {
    parse(Path::new("m.toml"), text).unwrap_err().to_string()
}

const HEAD: &str = "schema = 1\n[runtimes.r]\npaths = [\"here\"]\n[defaults]\nmodel = \"m\"\n\
                    library = \"l\"\nweights = \"random:1\"\ndevice = \"cpu\"\nruntime = \"r\"\n\
                    prompt = [{ tokens = [1] }]\n";

#[test]
fn unknown_keys_are_refused_by_name() {
    for (text, key) in [
        ("schema = 1\ncolour = 1\n".to_owned(), "colour"),
        (
            format!("{HEAD}[[row]]\nname = \"a\"\nlibary = \"x\"\n"),
            "libary",
        ),
        (
            format!("{HEAD}[[row]]\nname = \"a\"\nprompt = [{{ tokens = [1], expekt = 1 }}]\n"),
            "expekt",
        ),
        (
            format!("{HEAD}[[row]]\nname = \"a\"\nsampling = {{ top_p = 1, sed = 1 }}\n"),
            "sed",
        ),
    ] {
        let message = error(&text);
        assert!(message.contains(key), "{message}");
    }
}

/// What stands after [`HEAD`]; the rows' names.
fn names(text: &str) -> Vec<String> {
    let rows = parse(Path::new("m.toml"), &format!("{HEAD}{text}")).unwrap();
    rows.into_iter().map(|row| row.name).collect()
}

#[test]
fn a_row_with_lists_stands_for_one_row_per_value() {
    let given =
        "[given.entry]\nbatch = { how = \"b\" }\nsingle = { how = \"s\", kind = \"hybrid\" }\n";
    let row = "[[row]]\nname = \"{model}-{how}-{seed}\"\nmodel = [\"x\", \"y\"]\nseed = 7\n\
               entry = [\"batch\", \"single\"]\nweights = \"random:{seed}\"\n";
    let rows = parse(Path::new("m.toml"), &format!("{HEAD}{given}{row}")).unwrap();
    let found: Vec<_> = rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(found, ["x-b-7", "y-b-7", "x-s-7", "y-s-7"]);
    assert_eq!(rows[0].kind, None);
    assert_eq!(rows[3].kind, Some(Kind::Hybrid));
    // What the row says itself comes first.
    let own = format!("{HEAD}{given}{row}kind = \"kv_cache\"\n");
    let rows = parse(Path::new("m.toml"), &own).unwrap();
    assert!(rows.iter().all(|row| row.kind == Some(Kind::KvCache)));
}

#[test]
fn placeholders_are_filled_in_wherever_they_are() {
    let text = "[[row]]\nname = \"a\"\nfew = 3\nof = \"${HOME_}{few}\"\nmax_tokens = \"{few}\"\n\
                library = \"${ARTCHECK_NO_SUCH}/{few}{unknown}\"\n\
                prompt = [{ tokens = [1], expect = { contains = [\"{of}\"] } }]\ntokenizer = \"bytes\"\n";
    let rows = parse(Path::new("/m/m.toml"), &format!("{HEAD}{text}")).unwrap();
    assert_eq!(rows[0].max_tokens, 3);
    let library = Path::new("/m/${ARTCHECK_NO_SUCH}/3{unknown}");
    assert_eq!(rows[0].library, library);
    // Once: what was filled in is not looked at again.
    assert_eq!(rows[0].prompts[0].expect.contains, ["${HOME_}{few}"]);
}

#[test]
fn in_a_literal_matrix_a_text_means_what_it_says() {
    let text = "[[row]]\nname = \"a {model}\"\nlibrary = \"/{name}/${HOME}.so\"\n\
                prompt = [{ text = \"{name}\" }, { text = \"{prompt} ${HOME}\" }]\ntokenizer = \"bytes\"\n";
    let literal = HEAD.replacen("schema = 1\n", "schema = 1\nliteral = true\n", 1);
    let rows = parse(Path::new("/m/m.toml"), &format!("{literal}{text}")).unwrap();
    let row = &rows[0];
    assert_eq!((row.name.as_str(), row.model.as_str()), ("a {model}", "m"));
    assert_eq!(row.library, Path::new("/{name}/${HOME}.so"));
    let said: Vec<_> = row.prompts.iter().map(|p| p.text.as_deref()).collect();
    assert_eq!(said, [Some("{name}"), Some("{prompt} ${HOME}")]);
    let error = error(&format!("{literal}[[row]]\nname = [\"a\", \"b\"]\n"));
    assert!(error.contains("`name`: invalid type"), "{error}");
}

#[test]
fn words_that_nothing_uses_are_refused_and_rows_stay_apart() {
    let row = "[[row]]\nname = \"a\"\n";
    assert_eq!(
        names(&format!("{row}word = 1\nget = \"no {{word}}\"\n")),
        ["a"]
    );
    let message = error(&format!("{HEAD}{row}word = 1\n"));
    assert!(message.contains("unknown key `word`"), "{message}");
    let implied = format!("{HEAD}[given.model]\nm = {{ wrod = 1 }}\n{row}");
    assert!(error(&implied).contains("unknown key `wrod`"));
    let message = error(&format!("{HEAD}{row}entry = [\"batch\", \"single\"]\n"));
    assert!(message.contains("two rows have this name"), "{message}");
    let values = "1, ".repeat(200);
    let many = format!("{HEAD}{row}max_tokens = [{values}]\nrepeat = [{values}]\n");
    assert!(error(&many).contains("more than 10000 rows"));
    let message = error(&format!("{HEAD}{row}get = \"a {{prompt}}\"\n"));
    assert!(message.contains("neither a text nor a number"), "{message}");
}

#[test]
fn rows_that_contradict_themselves_are_refused() {
    for (row, words) in [
        (
            "name = \"a\"\n[[row]]\nname = \"a\"",
            "two rows have this name",
        ),
        (
            "name = \"a\"\nruntime = \"other\"",
            "no runtime `other`; the matrix defines: r",
        ),
        ("name = \"a\"\ndevice = \"gpu\"", "known are cpu, cuda"),
        ("name = \"a\"\nweights = \"random:x\"", "`x` is not a seed"),
        ("name = \"a\"\nprompt = []", "at least one prompt"),
        (
            "name = \"a\"\nprompt = [{ text = \"t\" }]",
            "text needs a `tokenizer`",
        ),
        (
            "name = \"a\"\nprompt = [{}]",
            "needs `ask`, `text`, `tokens` or a reference",
        ),
        ("name = \"a\"\ntime_limit = -1.0", "time_limit"),
        ("name = \"a\"\ntime_limit = 0", "`time_limit` is 0"),
        ("name = \"a\"\nmax_tokens = 0", "`max_tokens` is 0"),
        ("name = \"a\"\nprefill_chunk = 0", "`prefill_chunk` is 0"),
        ("name = \"a\"\nstop = [-1]", "`stop` has the token -1"),
        ("name = \"a\"\nlibrary = \"${X\"", "without `}`"),
    ] {
        let message = error(&format!("{HEAD}[[row]]\n{row}\n"));
        assert!(message.contains(words), "{row}: {message}");
    }
    assert!(error("schema = 2\n").contains("schema 2 is not known"));
}

/// Each row is refused, in words that name the key.
fn refused(head: &str, rows: &[(&str, &str)]) {
    for (row, words) in rows {
        let message = error(&format!("{head}[[row]]\nname = \"a\"\n{row}\n"));
        assert!(message.starts_with("m.toml: row `a`: "), "{row}: {message}");
        assert!(message.contains(words), "{row}: {message}");
    }
}

#[test]
fn expectations_that_no_answer_could_fail_are_refused() {
    let head = format!("{HEAD}tokenizer = \"bytes\"\n");
    let expect = |keys: &str| {
        let prompt =
            format!("prompt = [{{ text = \"t\" }}, {{ text = \"t\", expect = {{ {keys} }} }}]");
        error(&format!("{head}[[row]]\nname = \"a\"\n{prompt}\n"))
    };
    for (keys, words) in [
        ("text = \"\"", "`prompt[1].expect.text` is empty"),
        ("tokens = []", "`prompt[1].expect.tokens` is empty"),
        ("contains = []", "`prompt[1].expect.contains` is empty"),
        (
            "contains = [\"a\", \"\"]",
            "`prompt[1].expect.contains` has an empty text",
        ),
        (
            "contains_any = [\"\"]",
            "`prompt[1].expect.contains_any` has an empty text",
        ),
        (
            "cosine = 0.9",
            "`prompt[1].expect.cosine` compares with a `reference`",
        ),
        (
            "logits_tolerance = 1.0",
            "`prompt[1].expect.logits_tolerance` compares",
        ),
        ("reference = \"r#c\", cosine = 5", "expect.cosine` is 5"),
        ("reference = \"r#c\", cosine = nan", "expect.cosine` is NaN"),
        ("reference = \"r#c\", cosine = -1", "expect.cosine` is -1"),
        (
            "reference = \"r#c\", logits_tolerance = inf",
            "logits_tolerance` is inf",
        ),
        (
            "reference = \"r#c\", logits_tolerance = -1",
            "logits_tolerance` is -1",
        ),
    ] {
        let message = expect(keys);
        assert!(message.contains(words), "{keys}: {message}");
    }
    let followed =
        "follow_reference = true\nprompt = [{ expect = { reference = \"r#c\", tokens = [1] } }]";
    refused(
        &head,
        &[(
            followed,
            "`prompt[0].expect.tokens` would be compared with the reference's own",
        )],
    );
    let two = format!("{head}prompt = [{{ text = \"x\" }}, {{ text = \"y\" }}]\n")
        .replace("prompt = [{ tokens = [1] }]\n", "");
    refused(
        &two,
        &[
            (
                "similarity = [{ a = 0, b = 1 }]",
                "`similarity[0]` has no bound",
            ),
            (
                "similarity = [{ a = 0, b = 1, at_least = nan }]",
                "`similarity[0].at_least` is NaN",
            ),
            (
                "similarity = [{ a = 0, b = 1, at_least = 5 }]",
                "`similarity[0].at_least` is 5",
            ),
            (
                "similarity = [{ a = 0, b = 1, at_least = -1 }]",
                "which every cosine reaches",
            ),
            (
                "similarity = [{ a = 0, b = 1, at_most = 1 }]",
                "which no cosine exceeds",
            ),
            (
                "similarity = [{ a = 0, b = 1, at_most = nan }]",
                "`similarity[0].at_most` is NaN",
            ),
            (
                "similarity = [{ a = 0, b = 1, at_least = 0.5, at_most = 0.4 }]",
                "no cosine is both",
            ),
            (
                "similarity = [{ a = 0, b = 2, at_least = 0.5 }]",
                "`similarity[0].b` is 2",
            ),
            (
                "similarity = [{ a = 1, b = 1, at_least = 0.5 }]",
                "with itself",
            ),
        ],
    );
}

#[test]
fn expectations_of_the_other_kind_of_model_are_refused() {
    let head =
        format!("{HEAD}tokenizer = \"bytes\"\n").replace("prompt = [{ tokens = [1] }]\n", "");
    let of = |keys: &str| {
        format!("prompt = [{{ text = \"x\", expect = {{ {keys} }} }}, {{ text = \"y\" }}]")
    };
    let near = "similarity = [{ a = 0, b = 1, at_least = 0.5 }]";
    refused(
        &head,
        &[
            (
                &format!("kind = \"kv_cache\"\n{near}\n{}", of("")),
                "`similarity` is for embedding models",
            ),
            (
                &format!(
                    "kind = \"hybrid\"\n{}",
                    of("reference = \"r#c\", cosine = 0.9")
                ),
                "`prompt[0].expect.cosine` is for embedding models",
            ),
            (
                &format!("kind = \"embedding\"\n{near}\n{}", of("tokens = [1]")),
                "`prompt[0].expect.tokens` is for models that write text",
            ),
            (
                &format!("{near}\n{}", of("contains = [\"Q\"]")),
                "no model is both",
            ),
        ],
    );
}

#[test]
fn sampling_stops_and_arguments_are_numbers_and_texts_that_mean_something() {
    refused(
        HEAD,
        &[
            (
                "sampling = { top_p = 0.9, temperature = nan, seed = 1 }",
                "`sampling.temperature` is NaN",
            ),
            (
                "sampling = { top_p = 0.9, temperature = -1.0, seed = 1 }",
                "`sampling.temperature` is -1",
            ),
            (
                "sampling = { top_p = 0.9, temperature = inf, seed = 1 }",
                "`sampling.temperature` is inf",
            ),
            (
                "sampling = { top_p = 0, seed = 1 }",
                "`sampling.top_p` is 0",
            ),
            (
                "sampling = { top_p = 1.5, seed = 1 }",
                "`sampling.top_p` is 1.5",
            ),
            (
                "sampling = { top_p = nan, seed = 1 }",
                "`sampling.top_p` is NaN",
            ),
            (
                "sampling = { top_p = 0.9, seed = -1 }",
                "`sampling`: invalid value: integer `-1`",
            ),
            (
                "stop = [\"\"]\ntokenizer = \"bytes\"",
                "`stop` has an empty text",
            ),
            (
                "stop = [\"</s>\"]",
                "`stop` has the text `</s>`: text needs a `tokenizer`",
            ),
            ("call = [{ function = \"f\" }]", "both `prompt` and `call`"),
            (
                "prompt = []\ncall = [{ function = \"f\", arguments = [{ tuple = [{ float = nan }] }] }]",
                "`call[0].arguments` has NaN",
            ),
            ("max_tokens = \"x\"", "`max_tokens`: invalid type"),
        ],
    );
    let sound = "sampling = { top_p = 1, temperature = 0, seed = 1 }\nstop = [2]\n";
    assert_eq!(names(&format!("[[row]]\nname = \"a\"\n{sound}")), ["a"]);
}

#[test]
fn paths_are_relative_to_the_matrix_and_unset_variables_stay_visible() {
    let text = format!("{HEAD}[[row]]\nname = \"a\"\nlibrary = \"${{ARTCHECK_NO_SUCH}}/x.so\"\n");
    let rows = parse(Path::new("/base/m.toml"), &text).unwrap();
    assert_eq!(rows[0].library, Path::new("/base/${ARTCHECK_NO_SUCH}/x.so"));
    assert_eq!(rows[0].runtime.paths, [Path::new("/base/here")]);
}

#[test]
fn the_mission_has_a_row_for_every_model_on_metal() {
    let rows = read(&root().join("matrix/mission.toml")).unwrap();
    let models = [
        ("Qwen3-0.6B", Kind::KvCache),
        ("Qwen3-8B", Kind::KvCache),
        ("Qwen3.5-0.8B", Kind::Hybrid),
        ("Qwen3.5-2B", Kind::Hybrid),
        ("Qwen3.5-4B", Kind::Hybrid),
        ("Qwen3.5-9B", Kind::Hybrid),
        ("BAAI/bge-m3", Kind::Embedding),
    ];
    for (model, kind) in models {
        let row = rows.iter().find(|r| r.model == model).unwrap();
        assert_eq!(row.device.to_string(), "metal", "{model}");
        assert_eq!(row.kind, Some(kind), "{model}");
        assert!(
            row.get.is_some(),
            "{model}: a user must learn where to get it"
        );
        let expects = row.prompts.iter().any(|p| p.expect.wants_text());
        assert!(
            expects || !row.similarity.is_empty(),
            "{model} expects nothing"
        );
    }
    // And bge-m3 once more, against embeddings computed from the checkpoint.
    let row = rows
        .iter()
        .find(|r| r.name == "bge-m3-metal-reference")
        .unwrap();
    assert!(row.prompts.iter().all(|p| p.expect.reference.is_some()));
    assert!(
        row.get
            .as_ref()
            .is_some_and(|get| get.contains("checkpoint_embedding.py"))
    );
    assert_eq!(rows.len(), models.len() + 1);
}

#[test]
fn the_corpus_matrix_names_files_that_are_there() {
    let rows = read(&root().join("matrix/corpus.toml")).unwrap();
    assert_eq!(rows.len(), 131);
    for row in &rows {
        for (what, path) in row.files() {
            // Runtimes are fetched, and what has no room in the repository is compiled.
            let is_fetched = matches!(what, "runtime" | "preload");
            let mut folders = path.components();
            let is_built = folders.any(|folder| folder.as_os_str() == "built");
            let is_elsewhere = is_built && !cfg!(feature = "real-parts");
            assert!(
                is_fetched || is_elsewhere || path.exists(),
                "{}: no {what} {} (python3 corpus/build/build.py --simulated)",
                row.name,
                path.display()
            );
        }
    }
    for device in ["cpu", "cuda", "metal", "metal-sim"] {
        assert!(
            rows.iter().any(|r| r.device.kind() == device),
            "no row on {device}"
        );
    }
}
