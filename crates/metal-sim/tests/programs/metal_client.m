// A client of Metal as a compiler makes it: messages, constant strings, blocks. It runs
// a kernel the right way, and breaks one rule at a time.
#include <stdint.h>
#include <string.h>

typedef struct { uint64_t width, height, depth; } Size;
typedef struct { uint64_t start, size; } Range;

// No headers of Apple's frameworks here: what is used of them.
__attribute__((objc_root_class)) @interface NSString
+ (id)stringWithUTF8String:(const char*)text;
+ (id)stringWithNoSuchMethod;
@end
__attribute__((objc_root_class)) @interface MTLCompileOptions
+ (id)new;
@end
__attribute__((objc_root_class)) @interface Messages
- (const char*)UTF8String;
- (uint64_t)length;
- (void)release;
- (id)retain;
- (uint64_t)count;
- (id)objectAtIndex:(uint64_t)index;
- (id)localizedDescription;
- (id)name;
- (Size)maxThreadsPerThreadgroup;
- (int)supportsFamily:(long)family;
- (id)newCommandQueue;
- (id)newCommandQueueWithMaxCommandBufferCount:(uint64_t)most;
- (id)newBufferWithLength:(uint64_t)length options:(uint64_t)options;
- (id)newLibraryWithSource:(id)source options:(id)options error:(id*)error;
- (id)newLibraryWithData:(id)data error:(id*)error;
- (id)newFunctionWithName:(id)name;
- (id)newComputePipelineStateWithFunction:(id)function error:(id*)error;
- (uint64_t)maxTotalThreadsPerThreadgroup;
- (uint64_t)threadExecutionWidth;
- (uint64_t)setPurgeableState:(uint64_t)state;
- (void*)contents;
- (id)commandBuffer;
- (void)commit;
- (void)waitUntilCompleted;
- (uint64_t)status;
- (id)error;
- (void)addCompletedHandler:(void (^)(id))handler;
- (id)computeCommandEncoder;
- (id)blitCommandEncoder;
- (void)endEncoding;
- (void)setComputePipelineState:(id)state;
- (void)setBuffer:(id)buffer offset:(uint64_t)offset atIndex:(uint64_t)index;
- (void)setBytes:(const void*)bytes length:(uint64_t)length atIndex:(uint64_t)index;
- (void)dispatchThreadgroups:(Size)groups threadsPerThreadgroup:(Size)threads;
- (void)copyFromBuffer:(id)from sourceOffset:(uint64_t)at toBuffer:(id)to destinationOffset:(uint64_t)there size:(uint64_t)size;
- (void)fillBuffer:(id)buffer range:(Range)range value:(uint8_t)value;
@end

id MTLCopyAllDevices(void);
id MTLCreateSystemDefaultDevice(void);
void* objc_autoreleasePoolPush(void);
void objc_autoreleasePoolPop(void* pool);
id dispatch_data_create(const void* bytes, uint64_t size, id queue, void (^destructor)(void));
void CFRelease(id object);

enum { SHARED = 0, PRIVATE = 2 << 4, COUNT = 64, BYTES = COUNT * 4, EMPTY = 4 };
static const char source[] =
    "#include <metal_stdlib>\n"
    "using namespace metal;\n"
    "struct scale_args { float factor; int factor_pad; };\n"
    "kernel void scale(device float* out [[ buffer(0) ]], device float* in [[ buffer(1) ]],\n"
    "  constant scale_args& arg [[ buffer(2) ]],\n"
    "  uint blockIdx [[threadgroup_position_in_grid]], uint threadIdx [[thread_position_in_threadgroup]]) {\n"
    "  int i = ((int)blockIdx) * 32 + ((int)threadIdx);\n"
    "  out[i] = in[i] * arg.factor;\n"
    "}\n";
struct constants { float factor; int pad; };

static id device, queue, pipeline, in, out;
static float* numbers;

static int prepare(void) {
  if (device) return 0;
  id all = MTLCopyAllDevices();
  if ([all count] != 1) return 1;
  device = [all objectAtIndex:0];
  if (device != MTLCreateSystemDefaultDevice()) return 2;
  Size most = [device maxThreadsPerThreadgroup];
  if (most.width != 1024 || most.depth != 1024) return 3;
  id error = 0, options = [MTLCompileOptions new];
  id library = [device newLibraryWithSource:[NSString stringWithUTF8String:source] options:options error:&error];
  if (!library || error) return 4;
  if ([library newFunctionWithName:@"no such kernel"]) return 5;
  id function = [library newFunctionWithName:@"scale"];
  pipeline = [device newComputePipelineStateWithFunction:function error:&error];
  if ([pipeline threadExecutionWidth] != 32 || [pipeline maxTotalThreadsPerThreadgroup] != 1024) return 6;
  [function release];
  [library release];
  [options release];
  queue = [device newCommandQueue];
  in = [device newBufferWithLength:BYTES options:SHARED];
  out = [device newBufferWithLength:BYTES options:PRIVATE];
  numbers = [in contents];
  return 0;
}

static void bind(id encoder, id to) {
  struct constants constants = {3, 0};
  [encoder setComputePipelineState:pipeline];
  [encoder setBuffer:to offset:0 atIndex:0];
  [encoder setBuffer:in offset:0 atIndex:1];
  [encoder setBytes:&constants length:sizeof constants atIndex:2];
}
static void scale(id buffer, id to) {
  id encoder = [buffer computeCommandEncoder];
  bind(encoder, to);
  [encoder dispatchThreadgroups:(Size){2, 1, 1} threadsPerThreadgroup:(Size){32, 1, 1}];
  [encoder endEncoding];
}
static void copy(id buffer, id from, id to) {
  id encoder = [buffer blitCommandEncoder];
  [encoder copyFromBuffer:from sourceOffset:0 toBuffer:to destinationOffset:0 size:BYTES];
  [encoder endEncoding];
}

// 42 if all is well, else the step that is not.
int right(void) {
  void* pool = objc_autoreleasePoolPush();
  int step = prepare();
  if (step) return step;
  for (int i = 0; i < COUNT; ++i) numbers[i] = (float)i;
  id back = [device newBufferWithLength:BYTES options:SHARED];
  float* answers = [back contents];
  answers[5] = -1;
  id buffer = [queue commandBuffer];
  scale(buffer, out);
  copy(buffer, out, back);
  __attribute__((aligned(8))) int done = 0, *place = &done;
  [buffer addCompletedHandler:^(id of) { *place += of == buffer && [of status] == 4; }];
  [buffer commit];
  // Nobody has waited: the device may not have run yet, and here it has not.
  if (answers[5] != -1 || done) return 11;
  id second = [queue commandBuffer];
  [second commit];
  [second waitUntilCompleted];
  if (done != 1 || [buffer status] != 4 || [buffer error]) return 12;
  for (int i = 0; i < COUNT; ++i)
    if (answers[i] != 3.f * (float)i) return 13;
  buffer = [queue commandBuffer];
  id encoder = [buffer blitCommandEncoder];
  [encoder fillBuffer:back range:(Range){4, 8} value:0];
  [encoder endEncoding];
  [buffer commit];
  // A look at the status lets the device go on.
  while ([buffer status] < 4) {}
  if (answers[0] != 0 || answers[1] != 0 || answers[2] != 0 || answers[3] != 9) return 14;
  [back setPurgeableState:EMPTY];
  CFRelease(back);
  objc_autoreleasePoolPop(pool);
  return 42;
}

// The first of 64 + 1 buffers that nobody waits for runs when the queue is full.
int full(void) {
  int step = prepare();
  if (step) return step;
  id few = [device newCommandQueueWithMaxCommandBufferCount:2];
  id back = [device newBufferWithLength:BYTES options:SHARED];
  uint8_t* bytes = [back contents];
  for (int i = 1; i <= 3; ++i) {
    id buffer = [few commandBuffer], encoder = [buffer blitCommandEncoder];
    [encoder fillBuffer:back range:(Range){0, 1} value:(uint8_t)i];
    [encoder endEncoding];
    [buffer commit];
    if (*bytes != (i == 3)) return 10 + i;
  }
  return 42;
}

static char text[4096];
// What the compiler of kernels says of this source.
const char* refused(const char* given) {
  if (prepare()) return "no device";
  id error = 0;
  id library = [device newLibraryWithSource:[NSString stringWithUTF8String:given] options:0 error:&error];
  if (library) return "it compiles";
  strncpy(text, [[error localizedDescription] UTF8String], sizeof text - 1);
  return text;
}
const char* loaded(void) {
  static int called;
  if (prepare()) return "no device";
  id error = 0, data = dispatch_data_create("MTLB", 4, 0, ^{ ++called; });
  if ([device newLibraryWithData:data error:&error]) return "it loads";
  [data release];
  return called == 1 ? [[error localizedDescription] UTF8String] : "the destructor was not called";
}

// Breaks the rule of this number; returns only if nothing was said.
int wrong(int rule) {
  int step = prepare();
  if (step) return step;
  id buffer = [queue commandBuffer], encoder, other;
  struct constants constants = {1, 0};
  Size one = {1, 1, 1}, warp = {32, 1, 1};
  switch (rule) {
    case 0:
      encoder = [buffer blitCommandEncoder];
      [encoder copyFromBuffer:in sourceOffset:BYTES - 4 toBuffer:out destinationOffset:0 size:8];
      break;
    case 1:
      encoder = [buffer blitCommandEncoder];
      [encoder copyFromBuffer:in sourceOffset:0 toBuffer:in destinationOffset:4 size:8];
      break;
    case 2:
      encoder = [buffer computeCommandEncoder];
      bind(encoder, out);
      [encoder setBuffer:0 offset:0 atIndex:1];
      [encoder dispatchThreadgroups:one threadsPerThreadgroup:warp];
      break;
    case 3:
      encoder = [buffer computeCommandEncoder];
      bind(encoder, out);
      [encoder dispatchThreadgroups:one threadsPerThreadgroup:(Size){64, 32, 1}];
      break;
    case 4: {
      other = [device newBufferWithLength:8 options:SHARED];
      [other release];
      return (int)[other length];
    }
    case 5:
      return [out contents] != 0;
    case 6:
      encoder = [buffer computeCommandEncoder];
      [encoder setBytes:source length:5000 atIndex:2];
      break;
    case 7:
      encoder = [buffer computeCommandEncoder];
      [buffer commit];
      break;
    case 8:
      [buffer commit];
      [buffer commit];
      break;
    case 9:
      [buffer waitUntilCompleted];
      break;
    case 10:
      other = [device newBufferWithLength:BYTES options:PRIVATE];
      [other setPurgeableState:EMPTY];
      copy(buffer, in, other);
      break;
    case 11:
      encoder = [buffer computeCommandEncoder];
      [encoder setBuffer:in offset:0 atIndex:31];
      break;
    case 12:
      encoder = [buffer computeCommandEncoder];
      bind(encoder, out);
      [encoder setBytes:&constants length:4 atIndex:2];
      [encoder dispatchThreadgroups:one threadsPerThreadgroup:warp];
      break;
    case 13:
      encoder = [buffer computeCommandEncoder];
      bind(encoder, out);
      [encoder dispatchThreadgroups:(Size){0, 1, 1} threadsPerThreadgroup:warp];
      break;
    case 14:
      encoder = [buffer computeCommandEncoder];
      [encoder dispatchThreadgroups:one threadsPerThreadgroup:warp];
      break;
    case 15:
      encoder = [buffer computeCommandEncoder];
      [encoder setBuffer:in offset:BYTES atIndex:0];
      break;
    case 16:
      return [device newBufferWithLength:0 options:PRIVATE] != 0;
    case 17:
      // A device pointer with an offset, which on Metal is no device pointer.
      encoder = [buffer computeCommandEncoder];
      [encoder setBuffer:(id)((char*)in + 16) offset:0 atIndex:0];
      break;
    case 18:
      encoder = [buffer computeCommandEncoder];
      [encoder endEncoding];
      bind(encoder, out);
      break;
    case 19:
      // Released by the client while the device still has to write it: its contents are
      // kept, unless they are given up.
      other = [device newBufferWithLength:BYTES options:PRIVATE];
      copy(buffer, in, other);
      [buffer commit];
      [other setPurgeableState:EMPTY];
      [other release];
      [buffer waitUntilCompleted];
      break;
    case 20:
      return [device supportsFamily:1];
    case 21:
      return [NSString stringWithNoSuchMethod] != 0;
    case 22: {
      void* pool = objc_autoreleasePoolPush();
      encoder = [[queue commandBuffer] computeCommandEncoder];
      objc_autoreleasePoolPop(pool);
      break;
    }
    case 23:
      [buffer commit];
      [buffer addCompletedHandler:^(id of) {}];
      break;
    default:
      return -1;
  }
  return 0;
}
