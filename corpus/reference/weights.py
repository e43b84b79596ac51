"""The `random:SEED` weights: the same numbers in every language and on every device.

Facts, in full:

    mix(z):  z += 0x9E3779B97F4A7C15; z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9
             z = (z ^ z >> 27) * 0x94D049BB133111EB; return z ^ z >> 31       (mod 2^64)
    stream(seed, p) = mix(seed ^ mix(p))            p = index in `_metadata.params`
    bits(i)         = mix(stream + i)               i = row-major element index
    t(i)            = (bits(i) >> 40) * 2^-23 - 1   in [-1, 1), exact in float32

What an element is, computed in float32 and then rounded once to the parameter's
dtype (round to nearest, ties to even):

    uint32 parameter                        bits(i) >> 32, eight values of 4 bits; each that
                                            is 15 becomes 7
    name ends in "q_scale"                  (1.5 + 0.5 * t) * sqrt(3 / K) / 7,
                                            K = last dimension * 32
    one dimension, name ends in "weight"    1 + 0.25 * t
    one dimension, otherwise                0.25 * t
    more dimensions                         t * sqrt(3 / K), K = last dimension

`sqrt` and `/` are the float32 operations. Not for cryptography.

No weight has a mean: each sum of products grows with the root of what it sums, never
with its number, so that neither width nor depth takes activations out of float16's range
(ranges.py shows it). That is why 4-bit values, whose zero is 7, leave 15 out; no
quantiser of mlc-llm writes it either.
"""

import numpy as np

_U64 = np.uint64


def mix(z):
    """The splitmix64 output function on an array of unsigned 64-bit words."""
    with np.errstate(over="ignore"):
        z = z + _U64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> _U64(30))) * _U64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> _U64(27))) * _U64(0x94D049BB133111EB)
        return z ^ (z >> _U64(31))


def balanced(words):
    """Words of 4-bit values with 7 in place of each 15."""
    full = words & words >> 1 & words >> 2 & words >> 3 & 0x11111111
    return words ^ full << 3


# Elements made at a time: the 64-bit words of a large table need more room than the table.
_STEP = 1 << 24


def random_parameter(seed, index, name, shape, dtype):
    """The parameter at `index` of `_metadata.params`, as a NumPy array."""
    count = int(np.prod(shape, dtype=np.int64))
    stream = mix(np.array([seed], _U64) ^ mix(np.array([index], _U64)))
    made = np.empty(count, dtype)
    for at in range(0, count, _STEP):
        end = min(at + _STEP, count)
        with np.errstate(over="ignore"):
            bits = mix(stream + np.arange(at, end, dtype=_U64))
        made[at:end] = _values(bits, name, shape, dtype)
    return made.reshape(shape)


def _values(bits, name, shape, dtype):
    if dtype == "uint32":
        return balanced((bits >> _U64(32)).astype(np.uint32))
    f32 = np.float32
    t = (bits >> _U64(40)).astype(f32) * f32(2.0**-23) - f32(1)
    if name.endswith("q_scale"):
        return (f32(1.5) + f32(0.5) * t) * np.sqrt(f32(3) / f32(shape[-1] * 32)) / f32(7)
    if len(shape) == 1:
        return f32(1) + f32(0.25) * t if name.endswith("weight") else f32(0.25) * t
    return t * np.sqrt(f32(3) / f32(shape[-1]))


def random_parameters(seed, params):
    """All parameters of a `_metadata.params` list, in its order."""
    return [random_parameter(seed, i, p["name"], p["shape"], p["dtype"])
            for i, p in enumerate(params)]
