// Strings, errors and arrays as Metal hands them out, and what libdispatch is asked for.
#include <stdlib.h>
#include <string.h>

#include "objc.h"

// A constant that the compiler wrote has the same fields; flags are its count.
struct string {
  struct object object;
  const char* text;
  size_t length;
};
#define CONSTANT_IS_UTF16 0x10

// Whether it is UTF-8, which is what `stringWithUTF8String:` takes.
static int is_utf8(const char* text) {
  for (const unsigned char* c = (const unsigned char*)text; *c;) {
    int more = *c < 0x80 ? 0 : *c >= 0xc2 && *c < 0xe0 ? 1 : *c >= 0xe0 && *c < 0xf0 ? 2 : *c >= 0xf0 && *c < 0xf5 ? 3 : -1;
    if (more < 0) return 0;
    for (++c; more; --more, ++c)
      if ((*c & 0xc0) != 0x80) return 0;
  }
  return 1;
}
id new_string(const char* text) {
  struct string* made = (struct string*)new_object(&ns_string, sizeof *made);
  made->text = strdup(text);
  made->length = strlen(text);
  return &made->object;
}
id string_from(const char* text) { return objc_autorelease(new_string(text)); }
static id string_with_utf8(id class, SEL name, const char* text) {
  if (!text) refuse_message("invalid argument", "+[NSString stringWithUTF8String:]", "a null pointer");
  return is_utf8(text) ? string_from(text) : NULL;
}
static void string_destroy(id self) { free((void*)((struct string*)self)->text); }
static const char* string_utf8(id self) {
  const struct string* string = (const struct string*)self;
  if (self->isa == &ns_constant_string && (self->count & CONSTANT_IS_UTF16)) {
    refuse_message("not provided here", "-[NSString UTF8String]", "of a constant in UTF-16");
  }
  return string->text;
}
// In UTF-16, as NSString counts.
static size_t string_length(id self) {
  size_t length = 0;
  for (const unsigned char* c = (const unsigned char*)string_utf8(self); *c; ++c)
    length += ((*c & 0xc0) != 0x80) + (*c >= 0xf0);
  return length;
}
const char* text_of(id string) {
  if (!is_object(string, &ns_string) && !is_object(string, &ns_constant_string)) {
    refuse_message("no object", "NSString", "%p is no string", string);
  }
  return string_utf8(string);
}
static const struct method of_strings[] = {
    METHOD("UTF8String", string_utf8), METHOD("length", string_length), {NULL}};
static const struct method of_string_class[] = {METHOD("stringWithUTF8String:", string_with_utf8), {NULL}};
CLASS(ns_string, "NSString", of_string_class, of_strings, .destroy = string_destroy);
CLASS(ns_constant_string, "NSString", of_string_class, of_strings, .lasting = 1);

struct error {
  struct object object;
  id domain, description;
  long code;
};
id error_with(const char* domain, long code, const char* text) {
  struct error* made = (struct error*)new_object(&ns_error, sizeof *made);
  made->domain = new_string(domain);
  made->description = new_string(text);
  made->code = code;
  return objc_autorelease(&made->object);
}
static void error_destroy(id self) {
  objc_release(((struct error*)self)->domain);
  objc_release(((struct error*)self)->description);
}
static id error_domain(id self) { return ((struct error*)self)->domain; }
static long error_code(id self) { return ((struct error*)self)->code; }
static id error_description(id self) { return ((struct error*)self)->description; }
static const struct method of_errors[] = {
    METHOD("localizedDescription", error_description), METHOD("description", error_description),
    METHOD("domain", error_domain), METHOD("code", error_code), {NULL}};
CLASS(ns_error, "NSError", NULL, of_errors, .destroy = error_destroy);

struct array {
  struct object object;
  size_t count;
  id* items;
};
id new_array(const id* items, size_t count) {
  struct array* made = (struct array*)new_object(&ns_array, sizeof *made);
  made->items = calloc(count + 1, sizeof *items);
  for (; made->count < count; ++made->count) made->items[made->count] = objc_retain(items[made->count]);
  return &made->object;
}
static void array_destroy(id self) {
  struct array* array = (struct array*)self;
  while (array->count) objc_release(array->items[--array->count]);
  free(array->items);
}
static size_t array_count(id self) { return ((struct array*)self)->count; }
static id array_item(id self, SEL name, size_t index) {
  const struct array* array = (const struct array*)self;
  if (index >= array->count) {
    refuse_message("out of range", "-[NSArray objectAtIndex:]", "index %zu of %zu", index, array->count);
  }
  return array->items[index];
}
static const struct method of_arrays[] = {
    METHOD("count", array_count), METHOD("objectAtIndex:", array_item),
    METHOD("objectAtIndexedSubscript:", array_item), {NULL}};
CLASS(ns_array, "NSArray", NULL, of_arrays, .destroy = array_destroy);

// A queue that nothing is put on.
CLASS(dispatch_queue, "OS_dispatch_queue", NULL, NULL);
id queue_create(const char* label, id attributes) CALLED("_dispatch_queue_create");
id queue_create(const char* label, id attributes) { return new_object(&dispatch_queue, sizeof(struct object)); }
id retain_dispatch(id object) CALLED("_dispatch_retain");
id retain_dispatch(id object) { return objc_retain(object); }
void release_dispatch(id object) CALLED("_dispatch_release");
void release_dispatch(id object) { objc_release(object); }

struct data {
  struct object object;
  const void* bytes;
  size_t size;
  struct block* destructor;
};
// Without a destructor the bytes are copied; else it is called when they are not used
// any more.
id data_create(const void* bytes, size_t size, id queue, const void* destructor) CALLED("_dispatch_data_create");
id data_create(const void* bytes, size_t size, id queue, const void* destructor) {
  struct data* made = (struct data*)new_object(&dispatch_data, sizeof *made);
  made->size = size;
  made->bytes = destructor ? bytes : memcpy(malloc(size + 1), bytes, size);
  made->destructor = _Block_copy(destructor);
  return &made->object;
}
static void data_destroy(id self) {
  struct data* data = (struct data*)self;
  if (!data->destructor) free((void*)data->bytes);
  else ((void (*)(struct block*))data->destructor->invoke)(data->destructor);
  _Block_release(data->destructor);
}
CLASS(dispatch_data, "OS_dispatch_data", NULL, NULL, .destroy = data_destroy);
