"""What go.sh left in a folder, as one table: `python3 table.py RESULTS`."""

import json
import sys
from pathlib import Path


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()
            if line.startswith("{")] if path.is_file() else []


def rate(value):
    return "" if value is None else f"{value:.1f}"


def main():
    folder = Path(sys.argv[1])
    short = {"float16": "-f16", "q4f16_1": "-q4"}
    eager = {line["model"] + short[line["dtype"]]: line.get("eager_tokens_per_second")
             for line in lines(folder / "torch.jsonl")}
    loops = {line["model"]: line["python"] for line in lines(folder / "loops.jsonl") if "median_of" in line}
    print("| row | result | tokens/s | first token | TVM's Python loop | PyTorch eager | remark |")
    print("|---|---|---|---|---|---|---|")
    for path in sorted(folder.glob("*.json")):
        for row in json.loads(path.read_text())["rows"]:
            figures, outcome = row["figures"], row["outcome"]
            wrong = [f"{c['name']}: {c['detail']}" for c in row["checks"] if not c["passed"]]
            said = [c["detail"] for c in row["checks"] if c["passed"]]
            failure = row.get("failure", {}).get("message") or row.get("reason") or ""
            first = figures.get("first_token_seconds")
            cells = [row["name"], outcome,
                     rate(figures.get("tokens_per_second")), "" if first is None else f"{first:.2f} s",
                     rate(loops.get(path.stem)), rate(eager.get(path.stem)),
                     "; ".join(filter(None, [failure.split("\n")[0], *wrong, *said]))]
            print("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")


if __name__ == "__main__":
    main()
