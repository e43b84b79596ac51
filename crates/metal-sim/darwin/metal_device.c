// The device and what it compiles: libraries, functions, pipelines.
#include <stdlib.h>
#include <string.h>

#include "metal.h"

struct library {
  struct object object;
  const struct msim_kernel* kernels;
  uint64_t count;
};
struct function {
  struct object object;
  const struct msim_kernel* kernel;
};

static struct object the_device = {.isa = &mtl_device, {1}};

id MTLCreateSystemDefaultDevice(void) { return artcheck_metal_devices() ? &the_device : NULL; }
id MTLCopyAllDevices(void) {
  id device = &the_device;
  return new_array(&device, artcheck_metal_devices());
}

static id device_name(id self) { return string_from("simulated Metal device (artcheck metal-sim)"); }
static MTLSize device_max_threads(id self) {
  return (MTLSize){MSIM_MAX_THREADS, MSIM_MAX_THREADS, MSIM_MAX_THREADS};
}
static uint64_t device_threadgroup_bytes(id self) { return MSIM_THREADGROUP_BYTES; }
static uint64_t device_working_set(id self) { return artcheck_metal_memory_bytes(); }
static uint64_t device_max_buffer(id self) { return MSIM_MAX_BUFFER_BYTES; }
static int device_yes(id self) { return 1; }
static int device_no(id self) { return 0; }
static id device_new_queue(id self) { return new_queue(64); }
static id device_new_queue_of(id self, SEL name, uint64_t most) {
  if (!most) INVALID("queue size", "-[MTLDevice newCommandQueueWithMaxCommandBufferCount:]", "0 command buffers");
  return new_queue(most);
}
static void device_times(id self, SEL name, uint64_t* cpu, uint64_t* gpu) {
  int64_t time[2];
  host_clock(1, time);
  *cpu = *gpu = (uint64_t)time[0] * 1000000000u + (uint64_t)time[1];
}

static id device_new_buffer(id self, SEL name, uint64_t length, uint64_t options) {
  return new_buffer(self, length, options);
}

static id device_compile(id self, SEL name, id source, id options, id* error) {
  if (!source) INVALID("library source", "-[MTLDevice newLibraryWithSource:options:error:]", "no source");
  const char* why = NULL;
  uint64_t count = 0;
  const struct msim_kernel* kernels = artcheck_metal_compile(text_of(source), &count, &why);
  if (!kernels) {
    if (error) *error = error_with("MTLLibraryErrorDomain", 3, why);
    return NULL;
  }
  struct library* made = (struct library*)new_object(&mtl_library, sizeof *made);
  made->kernels = kernels;
  made->count = count;
  return &made->object;
}
static id device_load(id self, SEL name, id data, id* error) {
  if (error) {
    *error = error_with("MTLLibraryErrorDomain", 1,
                        "metal-sim: a compiled Metal library, which only Apple's tools can run; "
                        "build without a Mac to get source");
  }
  return NULL;
}
static id library_function(id self, SEL name, id wanted) {
  const struct library* library = (const struct library*)self;
  const char* text = text_of(wanted);
  for (uint64_t i = 0; i < library->count; ++i) {
    if (strcmp(library->kernels[i].name, text)) continue;
    struct function* made = (struct function*)new_object(&mtl_function, sizeof *made);
    made->kernel = &library->kernels[i];
    return &made->object;
  }
  return NULL;
}
static id library_names(id self) {
  const struct library* library = (const struct library*)self;
  id* names = calloc(library->count + 1, sizeof *names);
  for (uint64_t i = 0; i < library->count; ++i) names[i] = string_from(library->kernels[i].name);
  id all = objc_autorelease(new_array(names, library->count));
  free(names);
  return all;
}
static id function_name(id self) { return string_from(((struct function*)self)->kernel->name); }

static id device_pipeline(id self, SEL name, id given, id* error) {
  if (!is_object(given, &mtl_function)) {
    INVALID("no function", "-[MTLDevice newComputePipelineStateWithFunction:error:]", "%p is no MTLFunction", given);
  }
  const struct function* function = (const struct function*)given;
  struct pipeline* made = (struct pipeline*)new_object(&mtl_pipeline, sizeof *made);
  made->kernel = function->kernel;
  return &made->object;
}
static uint64_t pipeline_threads(id self) { return MSIM_MAX_THREADS; }
static uint64_t pipeline_width(id self) { return MSIM_SIMD_WIDTH; }
static uint64_t pipeline_memory(id self) { return ((struct pipeline*)self)->kernel->threadgroup_bytes; }

static void ignore(id self, SEL name, uint64_t value) {}
static id the_only(id self) { return &the_device; }

static const struct method of_devices[] = {
    METHOD("name", device_name), METHOD("maxThreadsPerThreadgroup", device_max_threads),
    METHOD("maxThreadgroupMemoryLength", device_threadgroup_bytes),
    METHOD("recommendedMaxWorkingSetSize", device_working_set), METHOD("maxBufferLength", device_max_buffer),
    METHOD("hasUnifiedMemory", device_yes), METHOD("isLowPower", device_no), METHOD("isRemovable", device_no),
    METHOD("newCommandQueue", device_new_queue),
    METHOD("newCommandQueueWithMaxCommandBufferCount:", device_new_queue_of),
    METHOD("newBufferWithLength:options:", device_new_buffer),
    METHOD("newLibraryWithSource:options:error:", device_compile),
    METHOD("newLibraryWithData:error:", device_load),
    METHOD("newComputePipelineStateWithFunction:error:", device_pipeline),
    METHOD("sampleTimestamps:gpuTimestamp:", device_times), {NULL}};
CLASS(mtl_device, "MTLDevice", NULL, of_devices, .lasting = 1);

static const struct method of_libraries[] = {
    METHOD("newFunctionWithName:", library_function), METHOD("functionNames", library_names),
    METHOD("setLabel:", ignore), METHOD("device", the_only), {NULL}};
CLASS(mtl_library, "MTLLibrary", NULL, of_libraries);
static const struct method of_functions[] = {METHOD("name", function_name), METHOD("device", the_only), {NULL}};
CLASS(mtl_function, "MTLFunction", NULL, of_functions);

static const struct method of_pipelines[] = {
    METHOD("maxTotalThreadsPerThreadgroup", pipeline_threads), METHOD("threadExecutionWidth", pipeline_width),
    METHOD("staticThreadgroupMemoryLength", pipeline_memory), METHOD("device", the_only), {NULL}};
CLASS(mtl_pipeline, "MTLComputePipelineState", NULL, of_pipelines);

// How the simulated device rounds is an option of the run, not of the source.
static const struct method of_options[] = {
    METHOD("setLanguageVersion:", ignore), METHOD("setFastMathEnabled:", ignore),
    METHOD("setMathMode:", ignore), {NULL}};
CLASS(mtl_compile_options, "MTLCompileOptions", NULL, of_options, .size = sizeof(struct object));
