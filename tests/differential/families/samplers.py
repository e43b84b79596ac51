"""Sampling, penalties and softmax on host tensors, and the sorting and random helpers beside them."""

from plain_calls import Subject, muddled, simpler, simpler_op, tensor  # noqa: F401

B = "vm.builtin."


def generate(random):
    ops = [muddled(random, random.choice(MAKERS)(random)) for _ in range(random.randint(1, 4))]
    return {"family": "samplers", "config": {}, "ops": ops}


def seed(random):
    return random.randrange(10000)


def vocabulary(random):
    return random.choice([1, 2, 5, 17, 64])


def top_p(random):
    return random.choice([0.0, 0.1, 0.5, 0.9, 0.95, 1.0, 1.5])


def uniform(random):
    return random.choice([0.0, 1.0, 0.999999, random.random(), random.random()])


def data_type(random):
    return random.choice(["float32"] * 9 + ["float16"])


def from_prob(random):
    size = [1, vocabulary(random)] if random.random() < 0.8 else [2, vocabulary(random)]
    return [B + "sample_top_p_from_prob", tensor(size, data_type(random), seed(random), "prob"),
            top_p(random), uniform(random)]


def from_logits(random):
    return [B + "sample_top_p_from_logits",
            tensor([1, vocabulary(random)], data_type(random), seed(random)),
            random.choice([0.0, 1e-6, 0.5, 1.0, 2.0, -1.0]), top_p(random), uniform(random)]


def multinomial(random):
    batch = random.randint(1, 3)
    return [B + "multinomial_from_uniform",
            tensor([batch, vocabulary(random)], "float32", seed(random), "prob"),
            tensor([batch, 1], "float32", seed(random), "uniform")]


def repetition(random):
    size = vocabulary(random)
    return [B + "apply_repetition_penalty", tensor([1, size], data_type(random), seed(random)),
            tensor([random.randint(1, 4)], random.choice(["int32"] * 5 + ["int64"]), seed(random),
                   f"ids:{size}"), random.choice([0.5, 1.0, 1.3, 0.0])]


def presence(random):
    size, count = vocabulary(random), random.randint(1, 4)
    return [B + "apply_presence_and_frequency_penalty",
            tensor([1, size], data_type(random), seed(random)),
            tensor([count], "int32", seed(random), f"ids:{size}"),
            tensor([count], "int32", seed(random), "ids:5"), random.choice([0.0, 0.5, 2.0]),
            random.choice([0.0, 0.3, -1.0])]


def softmax(random):
    return [B + "apply_softmax_with_temperature",
            tensor([random.randint(1, 2), vocabulary(random)], data_type(random), seed(random)),
            random.choice([0.0, 0.1, 1.0, 3.0, -1.0])]


def sort(random):
    size = [random.randint(1, 3), random.randint(1, 6)]
    values = tensor(size, random.choice(["float32", "float16", "int32", "float64"]), seed(random),
                    random.choice(["normal", "ids:3"]))
    name = random.choice(["sort", "argsort"])
    out = tensor(size, values["dtype"] if name == "sort" else random.choice(["int32", "int64"]),
                 0, "zeros")
    return ["tvm.contrib.sort." + name, values, out, random.choice([0, 1, -1]),
            random.choice([True, False])]


def topk(random):
    rows, width = random.randint(1, 3), random.randint(2, 6)
    k = random.randint(1, width)
    kind = random.choice(["float32", "float16", "int32"])
    return ["tvm.contrib.sort.topk", tensor([rows, width], kind, seed(random)),
            tensor([rows, k], kind, 0, "zeros"), tensor([rows, k], "int64", 0, "zeros"), k, 1,
            "both", random.choice([True, False])]


MAKERS = [from_prob, from_prob, from_logits, multinomial, repetition, presence, softmax, sort, topk]
