"""The typed layer over the program; `python -m unittest discover python/tests`, with artcheck on PATH."""

import dataclasses
import json
import tempfile
import unittest
from pathlib import Path

import artcheck

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "corpus/artifacts"
DENSE = CORPUS / "tvm-0.27/dense-cpu-x86_64.so"


class Scan(unittest.TestCase):
    def test_a_library_that_fits(self):
        report = artcheck.scan(DENSE, runtime="tvm-0.27")
        self.assertTrue(report.ok)
        self.assertIs(report.check(), report)
        (verdict,) = report.verdicts
        self.assertEqual((verdict.runtime, verdict.status), ("tvm-0.27", "fits"))
        self.assertEqual(report.artifacts[0].role, "model-library")

    def test_a_library_that_breaks(self):
        report = artcheck.scan([DENSE], runtime=["tvm-0.26", "tvm-0.27"])
        self.assertFalse(report.ok)
        errors = {finding.rule for finding in report.findings if finding.severity == "error"}
        self.assertIn("AC105", errors)
        with self.assertRaises(artcheck.FindingsError) as raised:
            report.check()
        self.assertEqual(raised.exception.status, 1)
        self.assertIn("AC105", str(raised.exception))

    def test_what_the_other_statuses_raise(self):
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaises(artcheck.NothingError):
                artcheck.scan(folder).check()
            (Path(folder) / "odd.so").write_text("neither a library nor a page")
            with self.assertRaises(artcheck.UndecidedError):
                artcheck.scan(folder).check()
            self.assertTrue(artcheck.scan([folder, DENSE], allow_undecided=True).ok)
        with self.assertRaises(artcheck.UsageError) as raised:
            artcheck.scan("--no-such-file")
        self.assertIn("no-such-file", str(raised.exception))
        with self.assertRaises(artcheck.UsageError):
            artcheck.scan(DENSE, runtime="tvm-9.9")

    def test_the_dataclasses_are_those_of_the_schema(self):
        schema = json.loads((ROOT / "docs/schema/json-v1.schema.json").read_text())
        for name, kind in (
            ("artifact", artcheck.Artifact),
            ("verdict", artcheck.Verdict),
            ("finding", artcheck.Finding),
        ):
            described = schema["$defs"][name]
            for field in dataclasses.fields(kind):
                with self.subTest(field=f"{name}.{field.name}"):
                    self.assertIn(field.name, described["properties"])
                    optional = field.default is not dataclasses.MISSING
                    # One that may be absent has a default, or `Report.of` would fail.
                    self.assertTrue(optional or field.name in described["required"])


if __name__ == "__main__":
    unittest.main()
