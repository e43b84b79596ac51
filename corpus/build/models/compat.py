"""What moved in TVM's Python interface between 0.25 and 0.27, under one name each."""

import inspect

import tvm
from tvm import relax


def _first(*candidates):
    for owner, name in candidates:
        if hasattr(owner, name):
            return getattr(owner, name)
    raise AttributeError(f"none of {[n for _, n in candidates]} in tvm {tvm.__version__}")


prim_value = _first((relax, "prim_value"), (relax, "PrimValue"))
string_imm = _first((tvm.ir, "StringImm"), (relax, "StringImm"))
tensor_type = _first((relax, "TensorStructInfo"), (relax, "TensorType"))
object_type = _first((relax, "ObjectStructInfo"), (relax, "AnyType"), (relax, "ObjectType"))


def type_of(expr):
    """The Relax type of an expression (`ty`, before 0.26 `struct_info`)."""
    return expr.ty if hasattr(expr, "ty") else expr.struct_info


def call_pure_packed(name, *args, out):
    parameters = inspect.signature(relax.call_pure_packed).parameters
    keyword = "ty_args" if "ty_args" in parameters else "sinfo_args"
    return relax.call_pure_packed(name, *args, **{keyword: out})


def dtype_constant(name):
    """A data type as a Relax expression (`DataTypeImm`, since 0.27 `GenericConst`)."""
    if hasattr(relax, "DataTypeImm"):
        return relax.DataTypeImm(name)
    return tvm.ir.GenericConst(tvm.DataType(name), relax.AnyType())
