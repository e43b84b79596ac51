// Buffers: memory of the simulated device, and what a program may ask of it.
#include "metal.h"

id new_buffer(id device, uint64_t length, uint64_t options) {
  static const char method[] = "-[MTLDevice newBufferWithLength:options:]";
  if (!length) INVALID("buffer length", method, "a buffer of 0 bytes");
  if (length > MSIM_MAX_BUFFER_BYTES) {
    INVALID("buffer length", method, "%llu bytes; the device's maxBufferLength is %llu", length, MSIM_MAX_BUFFER_BYTES);
  }
  int mode = (int)(options >> 4 & 15);
  if (mode >= MODE_MEMORYLESS) INVALID("storage mode", method, "mode %d, which a buffer cannot have", mode);
  void* memory = artcheck_metal_allocate(length, mode != MODE_PRIVATE);
  if (!memory) return NULL;
  struct buffer* made = (struct buffer*)new_object(&mtl_buffer, sizeof *made);
  made->device = device;
  made->memory = memory;
  made->length = length;
  made->mode = mode;
  made->purgeable = NON_VOLATILE;
  return &made->object;
}
static void buffer_destroy(id self) { artcheck_metal_free(((struct buffer*)self)->memory); }
static void* buffer_contents(id self) {
  const struct buffer* buffer = (const struct buffer*)self;
  if (buffer->mode == MODE_PRIVATE) {
    INVALID("private contents", "-[MTLBuffer contents]",
            "the CPU has no access to a buffer of MTLStorageModePrivate (%llu bytes)", buffer->length);
  }
  return artcheck_metal_bytes(buffer->memory);
}
static uint64_t buffer_length(id self) { return ((struct buffer*)self)->length; }
static uint64_t buffer_mode(id self) { return (uint64_t)((struct buffer*)self)->mode; }
static uint64_t buffer_purge(id self, SEL name, uint64_t state) {
  struct buffer* buffer = (struct buffer*)self;
  int before = buffer->purgeable;
  if (state < KEEP_CURRENT || state > EMPTY) INVALID("purgeable state", "-[MTLBuffer setPurgeableState:]", "%llu", state);
  if (state != KEEP_CURRENT) buffer->purgeable = (int)state;
  return (uint64_t)before;
}
struct buffer* checked_buffer(id given, const char* method, const char* what) {
  // A message tells a released object from what never was one.
  if (!is_object(given, &mtl_buffer)) {
    objc_release(objc_retain(given));
    INVALID("no buffer", method, "%s: %p is no MTLBuffer", what, given);
  }
  struct buffer* buffer = (struct buffer*)given;
  if (buffer->purgeable == EMPTY) {
    INVALID("discarded contents", method, "%s: a buffer of %llu bytes after setPurgeableState: MTLPurgeableStateEmpty",
            what, buffer->length);
  }
  return buffer;
}
static id buffer_device(id self) { return ((struct buffer*)self)->device; }
static void ignore(id self, SEL name, id label) {}

static const struct method of_buffers[] = {
    METHOD("contents", buffer_contents), METHOD("length", buffer_length), METHOD("storageMode", buffer_mode),
    METHOD("setPurgeableState:", buffer_purge), METHOD("setLabel:", ignore), METHOD("device", buffer_device), {NULL}};
CLASS(mtl_buffer, "MTLBuffer", NULL, of_buffers, .destroy = buffer_destroy);
