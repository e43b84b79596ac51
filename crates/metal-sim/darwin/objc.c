// The Objective-C runtime: messages, references, autorelease pools, blocks.
#include "objc.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void refuse_message(const char* rule, const char* method, const char* format, ...) {
  static char text[1024];
  int length = snprintf(text, sizeof text, "%s: %s: ", rule, method);
  va_list arguments;
  va_start(arguments, format);
  if (length > 0 && length < (int)sizeof text) {
    vsnprintf(text + length, sizeof text - (size_t)length, format, arguments);
  }
  host_refuse(text);
}

static const struct class* const classes[] = {
    &mtl_compute_encoder, &mtl_buffer, &mtl_command_buffer, &mtl_queue, &mtl_pipeline, &mtl_blit_encoder,
    &mtl_device, &mtl_library, &mtl_function, &mtl_compile_options, &ns_string, &ns_constant_string,
    &ns_error, &ns_array, &dispatch_queue, &dispatch_data, &stack_block, &global_block, &malloc_block};
#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct class released = {.name = "a released object"};

static const struct class* class_in(const void* isa) {
  for (size_t i = 0; i < COUNT(classes); ++i)
    if (classes[i] == isa) return isa;
  return isa == &released ? isa : NULL;
}

// The class of an object, also of one that is a class; ends the run if it is none.
static const struct class* class_of(id object, const char* what) {
  const struct class* class = object->isa;
  if (class == &released) {
    char method[128];
    snprintf(method, sizeof method, "-[%s %s]", object->was->name, what);
    refuse_message("use after release", method, "message to the deallocated object %p", object);
  }
  if (class_in(class)) return class;
  const struct class* self = class_in(object);
  if (self) return self->isa;
  refuse_message("no object", what, "message to %p, which is no object", object);
}

int is_object(const void* address, const struct class* class) {
  return address && ((uintptr_t)address & 7) == 0 && ((const struct object*)address)->isa == class;
}

// Released objects stay for a while, so that a message to one is known.
static void bury(id object) {
  static id resting[4096];
  static size_t next;
  free(resting[next]);
  resting[next] = object;
  next = (next + 1) % COUNT(resting);
}
static void destroy(id object, const struct class* class) {
  if (class->destroy) class->destroy(object);
  object->was = class;
  object->isa = &released;
  bury(object);
}

id new_object(const struct class* class, size_t size) {
  id made = calloc(1, size);
  if (!made) host_refuse("there is no memory for an object");
  made->isa = class;
  made->count = 1;
  return made;
}
id objc_retain(id object) {
  if (!object) return object;
  const struct class* class = class_of(object, "retain");
  if (class == &stack_block || class == &malloc_block) return _Block_copy(object);
  if (!class->lasting) ++object->count;
  return object;
}
void objc_release(id object) {
  if (!object) return;
  const struct class* class = class_of(object, "release");
  if (class == &malloc_block) _Block_release(object);
  else if (!class->lasting && --object->count == 0) destroy(object, class);
}
id objc_alloc(const struct class* class) {
  if (!class_in(class)) refuse_message("no object", "alloc", "%p is no class", class);
  if (!class->size) refuse_message("not provided here", "alloc", "objects of %s", class->name);
  return new_object(class, class->size);
}
id objc_alloc_init(const struct class* class) { return objc_alloc(class); }
void CFRelease(id object) {
  if (!object) refuse_message("no object", "CFRelease", "a null pointer");
  objc_release(object);
}
id CFRetain(id object) { return objc_retain(object); }

// A pool is a mark in a list of the thread's objects that wait for their release.
struct waiting {
  size_t count, room;
  id* list;
};
static pthread_key_t waiting_key;
static struct waiting* waiting(void) {
  if (!waiting_key) pthread_key_create(&waiting_key, NULL);
  struct waiting* all = pthread_getspecific(waiting_key);
  if (!all) pthread_setspecific(waiting_key, all = calloc(1, sizeof *all));
  return all;
}
id objc_autorelease(id object) {
  struct waiting* all = waiting();
  if (all->count == all->room) {
    all->room = all->room ? 2 * all->room : 64;
    all->list = realloc(all->list, all->room * sizeof *all->list);
  }
  return all->list[all->count++] = object;
}
void* objc_autoreleasePoolPush(void) { return (void*)(waiting()->count + 1); }
void objc_autoreleasePoolPop(void* pool) {
  struct waiting* all = waiting();
  size_t mark = (size_t)pool;
  if (!mark || mark - 1 > all->count) {
    refuse_message("autorelease pool", "objc_autoreleasePoolPop", "%p is no pool of this thread", pool);
  }
  while (all->count >= mark) objc_release(all->list[--all->count]);
}

// What every object understands.
static void object_dealloc(id self) {
  const struct class* class = class_of(self, "dealloc");
  if (!class->lasting) destroy(self, class);
}
static id object_self(id self) { return self; }
static const void* object_class(id self) { return self->isa; }
static const void* find(const struct class* class, SEL name);
static int object_responds(id self, SEL name, SEL asked) { return find(class_of(self, name), asked) != NULL; }
static const struct method of_objects[] = {
    METHOD("retain", objc_retain),   METHOD("release", objc_release), METHOD("autorelease", objc_autorelease),
    METHOD("dealloc", object_dealloc), METHOD("init", object_self),   METHOD("self", object_self),
    METHOD("class", object_class),   METHOD("respondsToSelector:", object_responds), {NULL}};
static const struct method of_classes[] = {
    METHOD("alloc", objc_alloc), METHOD("new", objc_alloc), METHOD("class", object_self), {NULL}};

static const void* in_table(const struct method* table, SEL name) {
  for (; table && table->name; ++table)
    if (!strcmp(table->name, name)) return table->code;
  return NULL;
}
static int is_meta(const struct class* class) { return !class->isa; }
static const void* find(const struct class* class, SEL name) {
  const void* own = in_table(class->methods, name);
  return own ? own : in_table(is_meta(class) ? of_classes : of_objects, name);
}

// The function of a message. A selector is the address of its name, so one that was
// looked up before is known by its address.
__attribute__((used)) const void* objc_function_of(id self, SEL name) {
  static struct { const struct class* class; SEL name; const void* code; } known[512];
  const struct class* class = self->isa;
  size_t place = (((uintptr_t)name >> 1) ^ ((uintptr_t)class >> 5)) % COUNT(known);
  if (known[place].class == class && known[place].name == name && class != &released) return known[place].code;
  class = class_of(self, name);
  const void* code = find(class, name);
  if (!code) {
    char method[192];
    snprintf(method, sizeof method, "%c[%s %s]", is_meta(class) ? '+' : '-', class->name, name);
    refuse_message("not provided here", method, "no such method of the stand-in for Objective-C and Metal");
  }
  if (!is_meta(class)) {
    known[place].class = class;
    known[place].name = name;
    known[place].code = code;
  }
  return code;
}

// A message to nothing gives nothing. All registers of arguments stay as they are.
__asm__(
    ".text\n.p2align 2\n.globl _objc_msgSend\n_objc_msgSend:\n"
    "  cbz x0, 1f\n"
    "  stp x29, x30, [sp, #-16]!\n  mov x29, sp\n  sub sp, sp, #208\n"
    "  stp q0, q1, [sp]\n  stp q2, q3, [sp, #32]\n  stp q4, q5, [sp, #64]\n  stp q6, q7, [sp, #96]\n"
    "  stp x0, x1, [sp, #128]\n  stp x2, x3, [sp, #144]\n  stp x4, x5, [sp, #160]\n"
    "  stp x6, x7, [sp, #176]\n  str x8, [sp, #192]\n"
    "  bl _objc_function_of\n  mov x16, x0\n"
    "  ldp q0, q1, [sp]\n  ldp q2, q3, [sp, #32]\n  ldp q4, q5, [sp, #64]\n  ldp q6, q7, [sp, #96]\n"
    "  ldp x0, x1, [sp, #128]\n  ldp x2, x3, [sp, #144]\n  ldp x4, x5, [sp, #160]\n"
    "  ldp x6, x7, [sp, #176]\n  ldr x8, [sp, #192]\n"
    "  mov sp, x29\n  ldp x29, x30, [sp], #16\n  br x16\n"
    "1:\n  mov x1, #0\n  movi d0, #0\n  movi d1, #0\n  movi d2, #0\n  movi d3, #0\n  ret\n");

// Blocks. The references of a copied one are in its flags, as compilers expect.
#define BLOCK_COUNT 0xfffe
#define BLOCK_ONE 2
#define BLOCK_HAS_HELPERS (1 << 25)
CLASS(stack_block, "NSStackBlock", NULL, NULL, .lasting = 1);
CLASS(global_block, "NSGlobalBlock", NULL, NULL, .lasting = 1);
CLASS(malloc_block, "NSMallocBlock", NULL, NULL, .lasting = 1);
void* _Block_copy(const void* given) {
  const struct block* block = given;
  if (!block || block->isa == &global_block) return (void*)block;
  if (block->isa == &malloc_block) {
    ((struct block*)block)->flags += BLOCK_ONE;
    return (void*)block;
  }
  struct block* copy = malloc(block->descriptor->size);
  memcpy(copy, block, block->descriptor->size);
  copy->isa = &malloc_block;
  copy->flags = (copy->flags & ~BLOCK_COUNT) | BLOCK_ONE;
  if (copy->flags & BLOCK_HAS_HELPERS) copy->descriptor->copy(copy, block);
  return copy;
}
void _Block_release(const void* given) {
  struct block* block = (struct block*)given;
  if (!block || block->isa != &malloc_block) return;
  block->flags -= BLOCK_ONE;
  if (block->flags & BLOCK_COUNT) return;
  if (block->flags & BLOCK_HAS_HELPERS) block->descriptor->dispose(block);
  free(block);
}
// What a block captured: objects and other blocks (the kinds 3 and 7).
void _Block_object_assign(void* to, const void* object, int kind) {
  if (kind != 3 && kind != 7) host_refuse("a block that captures a variable by reference");
  *(const void**)to = kind == 7 ? _Block_copy(object) : objc_retain((id)object);
}
void _Block_object_dispose(const void* object, int kind) {
  if (kind == 7) _Block_release(object);
  if (kind == 3) objc_release((id)object);
}
