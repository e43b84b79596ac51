import xgrammar

grammar = xgrammar.Grammar.from_json_schema('{"type": "object", "properties": {"a": {"type": "integer"}}}')
assert "root" in str(grammar)
names = xgrammar.TokenizerInfo([chr(code) for code in range(32, 127)])
xgrammar.GrammarCompiler(names).compile_grammar(grammar)
try:
    xgrammar.Grammar.from_ebnf("root ::= (")
except RuntimeError as error:
    assert "EBNF" in str(error), error
else:
    raise SystemExit("no error")
