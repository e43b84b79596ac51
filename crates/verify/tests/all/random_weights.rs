//! `random:SEED` is the same rule as corpus/reference/weights.py, bit for bit.

use std::process::Command;

use artcheck_verify::inside::{Metadata, random_parameter};
use md5::{Digest, Md5};

use crate::common::{part, root};

const PARAMETERS: &str = r#"{"params": [
    {"name": "a.weight", "shape": [333, 517], "dtype": "float32"},
    {"name": "b.weight", "shape": [129], "dtype": "float32"},
    {"name": "b.bias", "shape": [129], "dtype": "float16"},
    {"name": "c.weight", "shape": [7, 5, 3], "dtype": "float16"},
    {"name": "d.q_weight", "shape": [8, 6], "dtype": "uint32"},
    {"name": "d.q_scale", "shape": [8, 2], "dtype": "float16"},
    {"name": "d.q_scale", "shape": [8, 2], "dtype": "float32"}]}"#;

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_numbers_are_those_of_the_python_rule() {
    let script = "import sys, json, hashlib; sys.path.insert(0, sys.argv[1]); import weights\n\
                  for a in weights.random_parameters(12345, json.loads(sys.argv[2])['params']):\n\
                  \x20   print(hashlib.md5(a.tobytes()).hexdigest())";
    let output = Command::new(part("venv/tools/bin/python"))
        .args(["-c", script])
        .arg(root().join("corpus/reference"))
        .arg(PARAMETERS)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let expected: Vec<&str> = std::str::from_utf8(&output.stdout)
        .unwrap()
        .lines()
        .collect();
    let metadata = Metadata::parse(PARAMETERS).unwrap();
    let found: Vec<String> = (0u64..)
        .zip(&metadata.params)
        .map(|(position, parameter)| {
            let shape = parameter.resolve(&Default::default()).unwrap();
            let bytes = random_parameter(12345, position, parameter, &shape).unwrap();
            Md5::digest(bytes)
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect()
        })
        .collect();
    assert_eq!(found, expected);
}
