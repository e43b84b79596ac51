//! Qwen3's tokenizer: the mission's prompts, as the template `qwen3` of mlc-llm puts
//! them, and a text with what tokenizers get wrong. The numbers are those of the Python
//! package `tokenizers` 0.23.3.

use artcheck_verify::TokenizerSource;
use artcheck_verify::inside::Tokenizer;

use crate::common::part;

const SYSTEM: &str = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n";
const ANSWER: &str = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n";

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn qwen3_has_the_reference_librarys_tokens() {
    let file = part("npm/tokenizer-qwen3/package/models/tokenizer.json");
    let tokenizer = Tokenizer::load(&TokenizerSource::File(file)).expect("a tokenizer");
    let asked = |question: &str| format!("{SYSTEM}<|im_start|>user\n{question}{ANSWER}");
    let expected: [(String, &[i32]); 4] = [
        (
            asked("What is the capital of France? Answer with one word."),
            &[
                151644, 8948, 198, 2610, 525, 264, 10950, 17847, 13, 151645, 198, 151644, 872, 198,
                3838, 374, 279, 6722, 315, 9625, 30, 21806, 448, 825, 3409, 13, 151645, 198,
                151644, 77091, 198, 151667, 271, 151668, 271,
            ],
        ),
        (
            asked("What is 17 + 25? Answer with the number only."),
            &[
                151644, 8948, 198, 2610, 525, 264, 10950, 17847, 13, 151645, 198, 151644, 872, 198,
                3838, 374, 220, 16, 22, 488, 220, 17, 20, 30, 21806, 448, 279, 1372, 1172, 13,
                151645, 198, 151644, 77091, 198, 151667, 271, 151668, 271,
            ],
        ),
        (
            asked("Translate to German: Good morning!"),
            &[
                151644, 8948, 198, 2610, 525, 264, 10950, 17847, 13, 151645, 198, 151644, 872, 198,
                27473, 311, 5938, 25, 7684, 6556, 0, 151645, 198, 151644, 77091, 198, 151667, 271,
                151668, 271,
            ],
        ),
        (
            "Grüße aus Köln, 你好 — 1234567 naïve façade's 🙂\t\n\n  end".to_owned(),
            &[
                6464, 2391, 23455, 9421, 141377, 11, 220, 108386, 1959, 220, 16, 17, 18, 19, 20,
                21, 22, 94880, 586, 94872, 1021, 594, 27484, 15799, 220, 835,
            ],
        ),
    ];
    for (text, tokens) in expected {
        assert_eq!(
            tokenizer.encode(&text, true).expect("tokens"),
            tokens,
            "{text}"
        );
    }
}
