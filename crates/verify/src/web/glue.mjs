// Requests of `verify` (wire.rs), carried out on a wasm library by the JavaScript of an npm
// package. The same under Node and in a page: who loads the package is not of interest here.
//
// A value goes over as `{int}`, `{float}`, `{bool}`, `{text}`, `{device}`, `{dtype}`,
// `{object, kind, ...}`, `{bytes}` (the payload) or `{}`.

/** Lines that the runtime or the browser wrote since they were last asked for. */
const said = [];

/** Keeps what is written to the console: a runtime that stops has its last words there. */
export function listen(also) {
  for (const name of ["log", "info", "warn", "error", "debug"]) {
    console[name] = (...words) => {
      const text = words.map((word) => words_of(word)).join(" ").trimEnd();
      if (text === "") return;
      said.push(text);
      if (said.length > 40) said.shift();
      also?.(text);
    };
  }
}

function words_of(word) {
  if (word instanceof Error) return `${word.name}: ${word.message}`;
  // An event of a GPU error has its words inside.
  const message = word?.error?.message ?? word?.message ?? word?.reason;
  return typeof message === "string" ? message : String(word);
}

/** A library, its runtime and what it gave out. */
export class Library {
  constructor(tvmjs) {
    this.tvmjs = tvmjs;
    this.objects = new Map();
    this.next = 1;
    /** Why there is no device, where one was wanted. */
    this.absent = "no device was asked for";
    /** The first error of the GPU that no call has reported yet. */
    this.gpuError = null;
  }

  /** Instantiates the library; with a GPU if one is wanted. */
  async open({ gpu }, bytes) {
    const { tvmjs } = this;
    let detected = null;
    if (gpu) {
      try {
        detected = await tvmjs.detectGPUDevice();
        this.absent = detected === undefined ? "the browser has no WebGPU" : null;
      } catch (error) {
        this.absent = `${error.message}`;
      }
    }
    this.tvm = await tvmjs.instantiate(bytes, tvmjs.createPolyfillWASI(), () => {});
    this.tvm.beginScope();
    const facts = {};
    if (detected) {
      const { device, adapter, adapterInfo } = detected;
      const info = adapterInfo ?? adapter?.info ?? {};
      const names = [info.vendor, info.architecture, info.device, info.description];
      facts.adapter = names.filter(Boolean).join(" ");
      device.addEventListener("uncapturederror", (event) => {
        this.gpuError ??= event.error.message;
      });
      device.lost.then((info) => {
        this.gpuError ??= `device lost: ${info.message}`;
      });
      this.tvm.initWebGPU(device);
    } else {
      // Libraries with kernels ask for these while they load; none is called without a GPU.
      for (const name of ["wasm.WebGPUDeviceAPI", "wasm.WebGPUCreateShader"]) {
        this.tvm.registerFunc(name, () => () => {
          throw Error(`no GPU: ${this.absent}`);
        });
      }
    }
    return facts;
  }

  /** One request; the reply, and the bytes that go with it. */
  async serve(request, bytes) {
    for (const id of request.released ?? []) this.release(id);
    said.length = 0;
    try {
      const value = await this[request.do](request, bytes);
      if (value instanceof Uint8Array) return [{ bytes: value.length }, value];
      const reply = request.do === "open" ? value : this.told(value);
      if (this.gpuError !== null) throw Object.assign(Error(this.gpuError), { name: "WebGPU" });
      return [reply];
    } catch (error) {
      // What the GPU says comes as an event, after the call that it is about.
      await new Promise((resolve) => setTimeout(resolve, 20));
      // tvmjs writes the same event to the console.
      const others = said.filter((line) => !line.startsWith("A WebGPU error was not captured"));
      const words = [...others, this.gpuError, error?.message ?? String(error)];
      const message = words.filter((word, at) => word && words.indexOf(word) === at).join("\n");
      return [{ error: { kind: error?.name ?? "Error", message } }];
    }
  }

  /** A function of the registry, or one of those that the package has in another form. */
  async global({ name }) {
    const own = OWN[name];
    if (own) return (...values) => own.call(this, ...values);
    try {
      return this.kept(this.tvm.getGlobalFunc(name));
    } catch (error) {
      if (/cannot find global function/i.test(error.message)) return null;
      throw error;
    }
  }

  async call({ function: id, args }, bytes) {
    const values = args.map((arg) => this.value(arg, bytes));
    return this.kept(await this.objects.get(id)(...values));
  }

  /** Out of the scope that would release it, where it is not out already. */
  kept(value) {
    try {
      if (value?.dispose) this.tvm.detachFromCurrentScope(value);
    } catch (error) {
      if (!/current auto conversion pool/.test(error.message)) throw error;
    }
    return value;
  }

  value(arg, bytes) {
    if ("int" in arg) return this.tvm.scalar(arg.int, "int");
    if ("float" in arg) return this.tvm.scalar(arg.float, "float");
    if ("object" in arg) return this.objects.get(arg.object);
    if ("device" in arg) return this.tvm.device(...arg.device);
    if ("bytes" in arg) return bytes;
    return arg.text ?? arg.bool ?? arg.dtype ?? null;
  }

  told(value) {
    switch (typeof value) {
      case "bigint": return { int: Number(value) };
      case "number": return Number.isInteger(value) ? { int: value } : { float: value };
      case "boolean": return { bool: value };
      case "string": return { text: value };
      case "undefined": return {};
    }
    if (value === null) return {};
    // Runtimes before tvm-ffi return strings as objects.
    if (value.typeKey?.() === "runtime.String") return { text: value.toString() };
    const object = this.next++;
    this.objects.set(object, value);
    if (typeof value === "function") return { object, kind: "function" };
    if (Array.isArray(value.shape) && value.dtype !== undefined) {
      const { deviceType, deviceId } = value.device;
      const { shape, dtype } = value;
      return { object, kind: "tensor", shape, dtype, device: [deviceType, deviceId] };
    }
    if (typeof value.getFunction === "function") return { object, kind: "module" };
    if (typeof value.get === "function" && typeof value.size === "function") return { object, kind: "array" };
    return { object, kind: value.dims ? "shape" : "object" };
  }

  release(id) {
    const value = this.objects.get(id);
    this.objects.delete(id);
    // Packages keep shapes and give the same object again.
    if (value?.dispose && !value.dims) value.dispose();
  }
}

/** What packages have methods for, by the names that runtimes register. */
const OWN = {
  "ffi.Shape"(...dims) {
    const numbers = dims.map((dim) => dim.value);
    return Object.assign(this.tvm.makeShapeTuple(numbers), { dims: numbers });
  },
  "ffi.Array"(...items) {
    return this.tvm.makeTVMArray(items);
  },
  "ffi.ArrayGetItem"(array, index) {
    return array.get(index.value);
  },
  "ffi.ModuleLoadFromFile"() {
    return this.tvm.systemLib();
  },
  "ffi.ModuleGetFunction"(module, name, imports) {
    try {
      return module.getFunction(name, imports);
    } catch (error) {
      if (/cannot find function/i.test(error.message)) return null;
      throw error;
    }
  },
  "runtime.TVMTensorAllocWithScope"(shape, dtype, device) {
    return this.tvm.empty(shape.dims, dtype, device);
  },
  "runtime.TVMTensorCopyFromBytes"(tensor, bytes) {
    tensor.copyFromRawBytes(bytes);
    return null;
  },
  async "runtime.TVMTensorCopyToBytes"(tensor) {
    const { shape, dtype, device } = tensor;
    if (device.deviceType === CPU) return tensor.toRawBytes();
    const host = this.kept(this.tvm.empty(shape, dtype, this.tvm.cpu()));
    host.copyFrom(tensor);
    await device.sync();
    const bytes = host.toRawBytes();
    host.dispose();
    if (this.gpuError !== null) throw Object.assign(Error(this.gpuError), { name: "WebGPU" });
    return bytes;
  },
  "runtime.GetDeviceAttr"() {
    return this.absent === null ? 1 : 0;
  },
};

/** DLPack's code of the host. */
const CPU = 1;

/** The text of a package's bundle, so that it says where its tvmjs is. */
export function opened(text) {
  return text.replace(/(\n\s*(exports\S*)\.createPolyfillWASI = createPolyfillWASI;)/, "$1 globalThis.tvmjs = $2;");
}
