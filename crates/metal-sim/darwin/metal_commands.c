// Queues and command buffers. A committed buffer runs as late as Metal allows: when it
// or a later one of its queue is waited for or looked at, or when the queue is full. So
// what a program reads without waiting is what was there before.
#include <stdlib.h>

#include "metal.h"

void free_command(struct command* command) {
  objc_release(command->pipeline ? &command->pipeline->object : NULL);
  for (int i = 0; i < MSIM_BINDINGS; ++i) {
    objc_release((id)command->arguments[i].buffer);
    free(command->arguments[i].bytes);
  }
  objc_release((id)command->from.buffer);
  objc_release((id)command->to.buffer);
  free(command);
}
void add_command(struct command_buffer* buffer, struct command* command) {
  if (buffer->last) buffer->last->next = command;
  else buffer->first = command;
  buffer->last = command;
}

static const char* run_command(const struct command* command) {
  static const char method[] = "-[MTLCommandBuffer commit]";
  if (!command->pipeline) {
    struct buffer* to = checked_buffer((id)command->to.buffer, method, "the target of a blit");
    if (!command->from.buffer) {
      artcheck_metal_fill(to->memory, command->to.offset, command->bytes, command->value);
      return NULL;
    }
    struct buffer* from = checked_buffer((id)command->from.buffer, method, "the source of a blit");
    artcheck_metal_copy(from->memory, command->from.offset, to->memory, command->to.offset, command->bytes);
    return NULL;
  }
  const struct msim_kernel* kernel = command->pipeline->kernel;
  struct msim_binding bindings[MSIM_BINDINGS];
  for (int i = 0; i < MSIM_BINDINGS; ++i) {
    const struct argument* given = &command->arguments[i];
    bindings[i] = (struct msim_binding){NULL, given->offset, given->bytes, given->length};
    if (!given->buffer) continue;
    struct buffer* buffer = checked_buffer((id)given->buffer, method, kernel->name);
    bindings[i].memory = buffer->memory;
    // Constants may come from a buffer too.
    bindings[i].bytes = (char*)artcheck_metal_bytes(buffer->memory) + given->offset;
    bindings[i].length = buffer->length - given->offset;
  }
  return artcheck_metal_run(kernel->code, bindings, command->sizes);
}
static void forget_commands(struct command_buffer* buffer) {
  for (struct command *command = buffer->first, *next; command; command = next) {
    next = command->next;
    free_command(command);
  }
  buffer->first = buffer->last = NULL;
}

// Runs the first buffer of a queue and calls what waits for its end.
static void run_first(struct queue* queue) {
  struct command_buffer* buffer = queue->first;
  queue->first = buffer->next;
  if (!queue->first) queue->last = NULL;
  --queue->waiting;
  buffer->status = SCHEDULED;
  const char* fault = NULL;
  for (struct command* command = buffer->first; command && !fault; command = command->next) {
    fault = run_command(command);
  }
  if (fault) buffer->error = objc_retain(error_with("MTLCommandBufferErrorDomain", 1, fault));
  buffer->status = fault ? FAILED : COMPLETED;
  forget_commands(buffer);
  for (size_t i = 0; i < buffer->handler_count; ++i) {
    struct block* handler = buffer->handlers[i];
    ((void (*)(struct block*, id))handler->invoke)(handler, &buffer->object);
    _Block_release(handler);
  }
  buffer->handler_count = 0;
  objc_release(&buffer->object);
}
static int is_done(const struct command_buffer* buffer) {
  return buffer->status == COMPLETED || buffer->status == FAILED;
}
static void finish(struct command_buffer* buffer) {
  while (!is_done(buffer) && buffer->queue->first) run_first(buffer->queue);
}

static void buffer_commit(id self) {
  static const char method[] = "-[MTLCommandBuffer commit]";
  struct command_buffer* buffer = (struct command_buffer*)self;
  struct queue* queue = buffer->queue;
  if (buffer->status >= COMMITTED) INVALID("committed twice", method, "the buffer was committed before");
  if (buffer->encoder) INVALID("open encoder", method, "an encoder of the buffer has not got endEncoding");
  buffer->status = COMMITTED;
  objc_retain(self);
  if (queue->last) queue->last->next = buffer;
  else queue->first = buffer;
  queue->last = buffer;
  if (++queue->waiting > queue->most) run_first(queue);
}
static void buffer_wait(id self) {
  struct command_buffer* buffer = (struct command_buffer*)self;
  if (buffer->status < COMMITTED) {
    INVALID("wait before commit", "-[MTLCommandBuffer waitUntilCompleted]", "the buffer was not committed");
  }
  finish(buffer);
}
// Each look lets the device go on.
static uint64_t buffer_status(id self) {
  struct command_buffer* buffer = (struct command_buffer*)self;
  int status = buffer->status;
  if (status == COMMITTED) finish(buffer);
  return (uint64_t)status;
}
static id buffer_error(id self) { return ((struct command_buffer*)self)->error; }
static void buffer_handler(id self, SEL name, const void* block) {
  struct command_buffer* buffer = (struct command_buffer*)self;
  if (buffer->status >= COMMITTED) {
    INVALID("handler after commit", "-[MTLCommandBuffer addCompletedHandler:]", "the buffer was committed before");
  }
  buffer->handlers = realloc(buffer->handlers, (buffer->handler_count + 1) * sizeof *buffer->handlers);
  buffer->handlers[buffer->handler_count++] = _Block_copy(block);
}
static id encoder_of(id self, const char* method, id (*open)(struct command_buffer*)) {
  struct command_buffer* buffer = (struct command_buffer*)self;
  if (buffer->status >= COMMITTED) INVALID("encoding after commit", method, "the buffer was committed before");
  if (buffer->encoder) INVALID("open encoder", method, "another encoder of the buffer has not got endEncoding");
  return open(buffer);
}
static id buffer_compute(id self) {
  return encoder_of(self, "-[MTLCommandBuffer computeCommandEncoder]", open_compute_encoder);
}
static id buffer_blit(id self) {
  return encoder_of(self, "-[MTLCommandBuffer blitCommandEncoder]", open_blit_encoder);
}
static id buffer_queue(id self) { return &((struct command_buffer*)self)->queue->object; }
static void buffer_destroy(id self) {
  struct command_buffer* buffer = (struct command_buffer*)self;
  forget_commands(buffer);
  for (size_t i = 0; i < buffer->handler_count; ++i) _Block_release(buffer->handlers[i]);
  free(buffer->handlers);
  objc_release(buffer->error);
  objc_release(&buffer->queue->object);
}
static void ignore(id self, SEL name, id label) {}

static const struct method of_buffers[] = {
    METHOD("commit", buffer_commit), METHOD("waitUntilCompleted", buffer_wait), METHOD("status", buffer_status),
    METHOD("error", buffer_error), METHOD("addCompletedHandler:", buffer_handler),
    METHOD("computeCommandEncoder", buffer_compute), METHOD("blitCommandEncoder", buffer_blit),
    METHOD("commandQueue", buffer_queue), METHOD("setLabel:", ignore), {NULL}};
CLASS(mtl_command_buffer, "MTLCommandBuffer", NULL, of_buffers, .destroy = buffer_destroy);

id new_queue(uint64_t most) {
  struct queue* made = (struct queue*)new_object(&mtl_queue, sizeof *made);
  made->most = most;
  return &made->object;
}
static id queue_buffer(id self) {
  struct command_buffer* made = (struct command_buffer*)new_object(&mtl_command_buffer, sizeof *made);
  made->queue = (struct queue*)objc_retain(self);
  return objc_autorelease(&made->object);
}
static const struct method of_queues[] = {METHOD("commandBuffer", queue_buffer), METHOD("setLabel:", ignore), {NULL}};
CLASS(mtl_queue, "MTLCommandQueue", NULL, of_queues);
