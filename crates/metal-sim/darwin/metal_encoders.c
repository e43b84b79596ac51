// Encoders: they check what Metal's validation checks and write commands.
#include <stdlib.h>
#include <string.h>

#include "metal.h"

#define MOST_BYTES 4096

struct encoder {
  struct object object;
  struct command_buffer* buffer;
  int ended;
  struct pipeline* pipeline;  // of a compute encoder
  struct argument arguments[MSIM_BINDINGS];
};

static id open_encoder(const struct class* class, struct command_buffer* buffer) {
  struct encoder* made = (struct encoder*)new_object(class, sizeof *made);
  made->buffer = (struct command_buffer*)objc_retain(&buffer->object);
  buffer->encoder = made;
  return objc_autorelease(&made->object);
}
id open_compute_encoder(struct command_buffer* buffer) { return open_encoder(&mtl_compute_encoder, buffer); }
id open_blit_encoder(struct command_buffer* buffer) { return open_encoder(&mtl_blit_encoder, buffer); }

static struct encoder* encoding(id self, const char* method) {
  struct encoder* encoder = (struct encoder*)self;
  if (encoder->ended) INVALID("encoder ended", method, "after endEncoding");
  return encoder;
}
static void encoder_end(id self) {
  struct encoder* encoder = encoding(self, "-[MTLCommandEncoder endEncoding]");
  encoder->ended = 1;
  encoder->buffer->encoder = NULL;
}
static void let_go(struct argument* argument) {
  objc_release((id)argument->buffer);
  free(argument->bytes);
  memset(argument, 0, sizeof *argument);
}
static void encoder_destroy(id self) {
  struct encoder* encoder = (struct encoder*)self;
  if (!encoder->ended) INVALID("open encoder", "-[MTLCommandEncoder dealloc]", "released without endEncoding");
  for (int i = 0; i < MSIM_BINDINGS; ++i) let_go(&encoder->arguments[i]);
  objc_release((id)encoder->pipeline);
  objc_release(&encoder->buffer->object);
}
static void ignore(id self, SEL name, id label) {}

static void compute_pipeline(id self, SEL name, id given) {
  static const char method[] = "-[MTLComputeCommandEncoder setComputePipelineState:]";
  struct encoder* encoder = encoding(self, method);
  if (!is_object(given, &mtl_pipeline)) INVALID("no pipeline", method, "%p is no MTLComputePipelineState", given);
  objc_retain(given);
  objc_release((id)encoder->pipeline);
  encoder->pipeline = (struct pipeline*)given;
}
static struct argument* argument_at(struct encoder* encoder, uint64_t index, const char* method) {
  if (index >= MSIM_BINDINGS) INVALID("binding index", method, "index %llu; buffers have 0 to %d", index, MSIM_BINDINGS - 1);
  let_go(&encoder->arguments[index]);
  return &encoder->arguments[index];
}
static void compute_buffer(id self, SEL name, id given, uint64_t offset, uint64_t index) {
  static const char method[] = "-[MTLComputeCommandEncoder setBuffer:offset:atIndex:]";
  struct argument* argument = argument_at(encoding(self, method), index, method);
  if (!given) return;
  struct buffer* buffer = checked_buffer(given, method, "the buffer");
  if (offset >= buffer->length) {
    INVALID("buffer bounds", method, "offset %llu of a buffer of %llu bytes", offset, buffer->length);
  }
  argument->buffer = (struct buffer*)objc_retain(given);
  argument->offset = offset;
}
static void compute_bytes(id self, SEL name, const void* bytes, uint64_t length, uint64_t index) {
  static const char method[] = "-[MTLComputeCommandEncoder setBytes:length:atIndex:]";
  struct argument* argument = argument_at(encoding(self, method), index, method);
  if (!bytes || !length || length > MOST_BYTES) {
    INVALID("bytes length", method, "%llu bytes at %p; 1 to %d are allowed", length, bytes, MOST_BYTES);
  }
  argument->bytes = memcpy(malloc(length), bytes, length);
  argument->length = length;
}

// What the kernel declares is bound, and is as long as it says.
static void check_arguments(const struct encoder* encoder, const char* method) {
  const struct msim_kernel* kernel = encoder->pipeline->kernel;
  for (uint64_t i = 0; i < kernel->buffer_count; ++i) {
    if (encoder->arguments[i].buffer) continue;
    if (encoder->arguments[i].bytes) {
      INVALID("binding kind", method, "kernel `%s`: bytes are bound at index %llu, which is the buffer `%s`",
              kernel->name, i, kernel->buffers[i]);
    }
    INVALID("missing binding", method, "kernel `%s`: nothing is bound at index %llu, which is the buffer `%s`",
            kernel->name, i, kernel->buffers[i]);
  }
  if (kernel->constants_at < 0) return;
  const struct argument* constants = &encoder->arguments[kernel->constants_at];
  uint64_t length = constants->buffer ? constants->buffer->length - constants->offset : constants->length;
  if (!constants->buffer && !constants->bytes) {
    INVALID("missing binding", method, "kernel `%s`: nothing is bound at index %lld, where its constants are",
            kernel->name, kernel->constants_at);
  }
  if (length < kernel->constant_bytes) {
    INVALID("buffer bounds", method, "kernel `%s`: %llu bytes are bound at index %lld, its constants have %llu",
            kernel->name, length, kernel->constants_at, kernel->constant_bytes);
  }
}
static void check_sizes(const struct encoder* encoder, MTLSize groups, MTLSize threads, const char* method) {
  const char* name = encoder->pipeline->kernel->name;
  if (!groups.width || !groups.height || !groups.depth || !threads.width || !threads.height || !threads.depth) {
    INVALID("empty dispatch", method, "kernel `%s`: %llux%llux%llu threadgroups of %llux%llux%llu threads", name,
            groups.width, groups.height, groups.depth, threads.width, threads.height, threads.depth);
  }
  int wide = threads.width > MSIM_MAX_THREADS || threads.height > MSIM_MAX_THREADS || threads.depth > MSIM_MAX_THREADS;
  if (wide || threads.width * threads.height * threads.depth > MSIM_MAX_THREADS) {
    INVALID("threadgroup size", method, "kernel `%s`: threadgroups of %llux%llux%llu threads; the limit is %d in all",
            name, threads.width, threads.height, threads.depth, MSIM_MAX_THREADS);
  }
  if (groups.width > UINT32_MAX || groups.height > UINT32_MAX || groups.depth > UINT32_MAX) {
    INVALID("grid size", method, "kernel `%s`: %llux%llux%llu threadgroups", name, groups.width, groups.height, groups.depth);
  }
}
static void compute_dispatch(id self, SEL name, MTLSize groups, MTLSize threads) {
  static const char method[] = "-[MTLComputeCommandEncoder dispatchThreadgroups:threadsPerThreadgroup:]";
  struct encoder* encoder = encoding(self, method);
  if (!encoder->pipeline) INVALID("no pipeline", method, "setComputePipelineState: was not called");
  check_arguments(encoder, method);
  check_sizes(encoder, groups, threads, method);
  struct command* command = calloc(1, sizeof *command);
  command->pipeline = (struct pipeline*)objc_retain((id)encoder->pipeline);
  for (int i = 0; i < MSIM_BINDINGS; ++i) {
    const struct argument* from = &encoder->arguments[i];
    struct argument* to = &command->arguments[i];
    *to = *from;
    objc_retain((id)from->buffer);
    if (from->bytes) to->bytes = memcpy(malloc(from->length), from->bytes, from->length);
  }
  uint64_t sizes[6] = {groups.width, groups.height, groups.depth, threads.width, threads.height, threads.depth};
  memcpy(command->sizes, sizes, sizeof sizes);
  add_command(encoder->buffer, command);
}
static const struct method of_compute[] = {
    METHOD("setBuffer:offset:atIndex:", compute_buffer), METHOD("setBytes:length:atIndex:", compute_bytes),
    METHOD("setComputePipelineState:", compute_pipeline),
    METHOD("dispatchThreadgroups:threadsPerThreadgroup:", compute_dispatch), METHOD("endEncoding", encoder_end),
    METHOD("setLabel:", ignore), {NULL}};
CLASS(mtl_compute_encoder, "MTLComputeCommandEncoder", NULL, of_compute, .destroy = encoder_destroy);

static void check_range(const struct buffer* buffer, uint64_t offset, uint64_t size, const char* method, const char* side) {
  if (offset > buffer->length || size > buffer->length - offset) {
    INVALID("buffer bounds", method, "bytes %llu to %llu of the %s, which has %llu", offset, offset + size, side, buffer->length);
  }
}
static void blit_copy(id self, SEL name, id given, uint64_t from_offset, id target, uint64_t to_offset, uint64_t size) {
  static const char method[] = "-[MTLBlitCommandEncoder copyFromBuffer:sourceOffset:toBuffer:destinationOffset:size:]";
  struct encoder* encoder = encoding(self, method);
  struct buffer* from = checked_buffer(given, method, "the source");
  struct buffer* to = checked_buffer(target, method, "the destination");
  check_range(from, from_offset, size, method, "source");
  check_range(to, to_offset, size, method, "destination");
  uint64_t distance = from_offset < to_offset ? to_offset - from_offset : from_offset - to_offset;
  if (from == to && distance < size) {
    INVALID("overlapping copy", method, "%llu bytes from %llu to %llu of one buffer", size, from_offset, to_offset);
  }
  if (!size) return;
  struct command* command = calloc(1, sizeof *command);
  command->from = (struct argument){(struct buffer*)objc_retain(given), from_offset};
  command->to = (struct argument){(struct buffer*)objc_retain(target), to_offset};
  command->bytes = size;
  add_command(encoder->buffer, command);
}
struct range {
  uint64_t start, size;
};
static void blit_fill(id self, SEL name, id target, struct range range, unsigned char value) {
  static const char method[] = "-[MTLBlitCommandEncoder fillBuffer:range:value:]";
  struct encoder* encoder = encoding(self, method);
  check_range(checked_buffer(target, method, "the buffer"), range.start, range.size, method, "buffer");
  if (!range.size) INVALID("empty fill", method, "a range of 0 bytes");
  struct command* command = calloc(1, sizeof *command);
  command->to = (struct argument){(struct buffer*)objc_retain(target), range.start};
  command->bytes = range.size;
  command->value = value;
  add_command(encoder->buffer, command);
}
static const struct method of_blit[] = {
    METHOD("copyFromBuffer:sourceOffset:toBuffer:destinationOffset:size:", blit_copy),
    METHOD("fillBuffer:range:value:", blit_fill), METHOD("endEncoding", encoder_end), METHOD("setLabel:", ignore), {NULL}};
CLASS(mtl_blit_encoder, "MTLBlitCommandEncoder", NULL, of_blit, .destroy = encoder_destroy);
