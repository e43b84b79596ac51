// Metal's objects, in front of the simulated device (cpp/metal/device.h).
#pragma once
#include "metal_device.h"
#include "objc.h"

typedef struct {
  uint64_t width, height, depth;
} MTLSize;

enum { MODE_SHARED, MODE_MANAGED, MODE_PRIVATE, MODE_MEMORYLESS };
enum { KEEP_CURRENT = 1, NON_VOLATILE, VOLATILE, EMPTY };
enum { NOT_ENQUEUED, ENQUEUED, COMMITTED, SCHEDULED, COMPLETED, FAILED };

struct buffer {
  struct object object;
  id device;  // lasts, so it is not held
  void* memory;
  uint64_t length;
  int mode, purgeable;
};
struct pipeline {
  struct object object;
  const struct msim_kernel* kernel;
};
// An argument of a compute encoder: a buffer from a byte on, or bytes of its own.
struct argument {
  struct buffer* buffer;
  uint64_t offset;
  void* bytes;
  uint64_t length;
};

// What a command buffer does, in order.
struct command {
  struct command* next;
  struct pipeline* pipeline;  // none: a copy, or a fill
  struct argument arguments[MSIM_BINDINGS];
  uint64_t sizes[6];
  struct argument from, to;
  uint64_t bytes, value;
};

struct queue {
  struct object object;
  struct command_buffer *first, *last;  // committed, not complete; the queue holds them
  uint64_t waiting, most;
};
struct command_buffer {
  struct object object;
  struct queue* queue;
  struct command_buffer* next;
  struct command *first, *last;
  struct block** handlers;
  size_t handler_count;
  void* encoder;  // the one that is open; not held
  int status;
  id error;
};

id new_queue(uint64_t most);
// The open encoder of a command buffer, autoreleased.
id open_compute_encoder(struct command_buffer* buffer);
id open_blit_encoder(struct command_buffer* buffer);
// Takes the command.
void add_command(struct command_buffer* buffer, struct command* command);
void free_command(struct command* command);
id new_buffer(id device, uint64_t length, uint64_t options);
// The buffer that an argument is; ends the run if it is none, or holds nothing any more.
struct buffer* checked_buffer(id given, const char* method, const char* what);
// Ends the run: a rule of Metal's own validation is broken.
#define INVALID(rule, method, ...) refuse_message("Metal validation, " rule, method, __VA_ARGS__)
