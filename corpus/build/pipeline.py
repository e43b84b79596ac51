"""The compilation pipeline: TVM's generic one, with a schedule list that works off-device,
and `_metadata` added after memory planning, when each function's memory is known.

dlight's GPU `Matmul` rule is left out: it crashes in the wheels on this kind of module.
"""

import json

import tvm
from tvm import relax

from models import compat

# Upper bounds for symbolic dimensions, by name; memory planning uses them.
BOUNDED = {"seq_len": "prefill_chunk_size", "batch_size": "max_batch_size",
           "batch": "max_batch_size"}


def bound_dimensions(mod, config):
    bounds = {name: config[key] for name, key in BOUNDED.items() if key in config}
    if not bounds:
        return mod
    for gvar, func in list(mod.functions.items()):
        if isinstance(func, relax.Function):
            mod[gvar] = func.with_attr("tir_var_upper_bound", bounds)
    return mod


def _planned_bytes(func) -> int:
    """Sum of the storages that memory planning gave constant sizes."""
    total = 0
    blocks = getattr(func.body, "blocks", [])
    for binding in (b for block in blocks for b in block.bindings):
        call = getattr(binding, "value", None)
        op = getattr(call, "op", None)
        if getattr(op, "name", "") == "relax.memory.alloc_storage":
            size = 1
            for dim in call.args[0].values:
                size *= getattr(dim, "value", 0)
            total += int(size)
    return total


def attach_metadata(metadata):
    @tvm.transform.module_pass(opt_level=0, name="AttachMetadata")
    def run(mod, _ctx):
        usage = {gvar.name_hint: _planned_bytes(func) for gvar, func in mod.functions.items()
                 if isinstance(func, relax.Function)}
        value = {**metadata, "memory_usage": dict(sorted(usage.items()))}
        text = json.dumps(value)
        builder = relax.BlockBuilder(mod)
        with builder.function("_metadata", params=[]):
            builder.emit_func_output(compat.string_imm(text))
        return builder.finalize()

    return run


def pipeline(target, metadata):
    schedule = []
    if target.kind.name != "llvm":
        from tvm.s_tir import dlight

        gpu = dlight.gpu
        schedule = [dlight.ApplyDefaultSchedule(gpu.GEMV(), gpu.Reduction(),
                                                gpu.GeneralReduction(), gpu.Fallback())]
    passes = [
        relax.backend.DispatchSampling(),
        relax.backend.DispatchSortScan(),
        relax.transform.LegalizeOps(),
        relax.transform.AnnotateTIROpPattern(),
        relax.transform.FoldConstant(),
        relax.transform.FuseOps(),
        relax.transform.FuseTIR(),
        relax.transform.DeadCodeElimination(),
        *schedule,
        relax.transform.RewriteDataflowReshape(),
        relax.transform.ToNonDataflow(),
        relax.transform.RemovePurityChecking(),
        relax.transform.CallTIRRewrite(),
        relax.transform.StaticPlanBlockMemory(),
        *([attach_metadata(metadata)] if metadata else []),
        relax.transform.LowerAllocTensor(),
        relax.transform.KillAfterLastUse(),
        relax.transform.LowerRuntimeBuiltin(),
        relax.transform.VMShapeLower(),
        relax.transform.AttachGlobalSymbol(),
    ]

    @tvm.transform.module_pass(opt_level=0, name="CorpusPipeline")
    def run(mod, _ctx):
        with target:
            return tvm.transform.Sequential(passes)(mod)

    return run
